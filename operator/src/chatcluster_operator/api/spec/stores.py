"""The five stores, managed or brought by the user."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.quantity import StorageQuantity
from chatcluster_operator.api.spec.common import ObjectName
from chatcluster_operator.api.spec.pods import Workload


class MongoEngine(StrEnum):
    """What stores the messages."""

    EMBEDDED = "Embedded"


class Storage(Model):
    """A store's volume."""

    size: StorageQuantity | None = None
    """Size of each volume. Fixed once set. Left out: what spec.capacity asks for when the volume is made, else the
    operator's size for the store."""
    storage_class_name: ObjectName | None = None
    """StorageClass of the volumes, the cluster's default one when left out. Fixed once set."""


class External(Model):
    """A store that the user runs, in place of a managed one."""

    secret_name: ObjectName
    """Secret in the ChatCluster's namespace with the store's address and credentials."""


_MANAGED_FIELDS = ("storage", "resources", "pod_override", "engine", "members")

MOST_MEMBERS: Final = 9
"""Most members of any store."""


def _store_rules(
    name: str, *managed_fields: str, members: tuple[int, ...] = (1, 3, 5), shrinks: bool = False
) -> ConfigDict:
    """The rules of one store: what excludes what, and what may not change.

    `members` are the numbers of members that it may have, `shrinks` whether it can give some up without a loss.

    A size that was left out is not known here: the volume keeps what it has, and status.capacity says so.
    """
    sized = " && ".join(f"has({which}.storage) && has({which}.storage.size)" for which in ("self", "oldSelf"))

    def storage_class(which: str) -> str:
        return (
            f"(has({which}.storage) && has({which}.storage.storageClassName) ? {which}.storage.storageClassName : '')"
        )

    both_managed = "has(self.external) || has(oldSelf.external)"
    managed_fields = (*managed_fields, "podOverride", "members")
    counts = " or ".join(filter(None, (", ".join(map(str, members[:-1])), str(members[-1]))))
    kept = (
        f"{both_managed} || !has(self.members) || !has(oldSelf.members) || self.members >= oldSelf.members",
        f"{name}.members cannot be lowered, because the data of those that go would not be moved first; restore it, or "
        "make a new ChatCluster and move the data",
    )
    alone = " && ".join(f"!has(self.{field})" for field in managed_fields)
    return ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.external) || ({alone})",
                f"{name}.external excludes {', '.join(managed_fields)}, which describe a managed store; remove either",
            ),
            (
                "has(self.external) == has(oldSelf.external)",
                f"{name} cannot change between managed and external, because the data would stay behind; "
                "make a new ChatCluster and move the data",
            ),
            (
                f"{both_managed} || !({sized}) "
                "|| quantity(self.storage.size).compareTo(quantity(oldSelf.storage.size)) == 0",
                f"{name}.storage.size is fixed, because volumes in use are not resized; restore it, or make a new "
                "ChatCluster and move the data",
            ),
            (
                f"{both_managed} || {storage_class('self')} == {storage_class('oldSelf')}",
                f"{name}.storage.storageClassName is fixed, because volumes stay where they are; restore it, or make "
                "a new ChatCluster and move the data",
            ),
            (
                f"!has(self.members) || self.members in {list(members)}",
                f"{name}.members must be {counts}: with an even number no more members may be lost than with one less; "
                "choose one of these",
            ),
            *([] if shrinks else [kept]),
        )
    )


class Store(Workload):
    """What all five stores share."""

    storage: Storage | None = None
    """The volume. Left out: of the size that spec.capacity asks for, on the default storage class."""
    external: External | None = None
    """A store that you run, in place of a managed one. The choice is final."""
    members: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] | None = None
    """How many members hold the data, each with a volume of its own and, as far as there are so many, on a node and in
    a zone of its own. While most of them are there, nothing is lost and all goes on: of 3 one may be lost, of 5 two.
    Left out: what spec.capacity asks for, else 1; what runs already is never made fewer by that."""

    MEMBERS: ClassVar[tuple[int, ...]] = (1, 3, 5)
    """Numbers of members that the store may have."""
    SHRINKS: ClassVar[bool] = False
    """Whether it can give members up without a loss."""

    @property
    def allowed_members(self) -> tuple[int, ...]:
        """Numbers of members that it may have as it is set up, in ascending order."""
        return self.MEMBERS

    @model_validator(mode="after")
    def _as_many_as_it_can_have(self) -> Self:
        if self.members is not None and self.members not in self.allowed_members:
            allowed = ", ".join(map(str, self.allowed_members))
            raise ValueError(f"members is {self.members}; choose one of {allowed}")
        return self

    @model_validator(mode="after")
    def _external_stands_alone(self) -> Self:
        if self.external is not None:
            for field in _MANAGED_FIELDS:
                if getattr(self, field, None) is not None:
                    name = to_camel(field)
                    raise ValueError(f"external excludes {name}, which describes a managed store; remove either")
        return self


class Postgres(Store):
    """PostgreSQL: accounts and sessions."""

    model_config = _store_rules("postgres", "storage", "resources")


class Mongodb(Store):
    """MongoDB: conversations and messages."""

    model_config = _store_rules("mongodb", "storage", "resources", "engine", members=(1,))

    MEMBERS: ClassVar[tuple[int, ...]] = (1,)

    engine: MongoEngine | None = None
    """What a managed MongoDB runs on. Embedded, the default: a single-node stand-in that speaks MongoDB's protocol.
    It is for development and tests; keep a production's messages in an external MongoDB replica set."""


class Redis(Store):
    """Redis: fan-out, presence and rates."""

    model_config = _store_rules("redis", "storage", "resources")


class Kafka(Store):
    """Kafka: events between services."""

    MEMBERS: ClassVar[tuple[int, ...]] = (1, 3, 4, 5, 6, 7, 8, 9)

    model_config = _store_rules("kafka", "storage", "resources", members=MEMBERS)


class Objects(Store):
    """An S3 object store: files."""

    model_config = _store_rules("objects", "storage", "resources")
