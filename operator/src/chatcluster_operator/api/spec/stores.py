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
    REPLICA_SET = "ReplicaSet"


class Storage(Model):
    """A store's volume."""

    size: StorageQuantity | None = None
    """Size of each volume. It may grow, and volumes grow with it while they are in use, where their StorageClass has
    allowVolumeExpansion; the condition VolumesSized says how far that is. It never shrinks. Left out: what
    spec.capacity asks for, else the operator's size for the store; what is there already is never made smaller."""
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
    name: str,
    *managed_fields: str,
    members: tuple[int, ...] = (1, 3, 5),
    shrinks_to: int = MOST_MEMBERS,
    own: tuple[tuple[str, str], ...] = (),
) -> ConfigDict:
    """The rules of one store: what excludes what, and what may not change.

    `members` are the numbers of members that it may have, `shrinks_to` how many it always keeps
    of those that it has, as it can give up no more without a loss, `own` the rules of this store alone.

    A size that was left out is not known here: a volume that is larger than what is set then keeps what it has.
    """
    sized = " && ".join(f"has({which}.storage) && has({which}.storage.size)" for which in ("self", "oldSelf"))

    def storage_class(which: str) -> str:
        return (
            f"(has({which}.storage) && has({which}.storage.storageClassName) ? {which}.storage.storageClassName : '')"
        )

    both_managed = "has(self.external) || has(oldSelf.external)"
    managed_fields = (*managed_fields, "podOverride", "members")
    counts = " or ".join(filter(None, (", ".join(map(str, members[:-1])), str(members[-1]))))
    floor = f" || self.members >= {shrinks_to}" if shrinks_to < max(members) else ""
    kept = (
        f"{both_managed} || !has(self.members) || !has(oldSelf.members) || self.members >= oldSelf.members{floor}",
        f"{name}.members cannot be lowered{f' below {shrinks_to}' if floor else ''}, because the data of those that go "
        "would not be moved first; restore it, or make a new ChatCluster and move the data",
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
                "|| quantity(self.storage.size).compareTo(quantity(oldSelf.storage.size)) >= 0",
                f"{name}.storage.size cannot be lowered, because no volume can be made smaller; restore it, or make a "
                "new ChatCluster and move the data",
            ),
            (
                f"{both_managed} || {storage_class('self')} == {storage_class('oldSelf')}",
                f"{name}.storage.storageClassName is fixed, because volumes stay where they are; restore it, or make "
                "a new ChatCluster and move the data",
            ),
            (
                f"!has(self.members) || self.members in {list(members)}",
                f"{name}.members must be {counts}: of another number no more members may be lost than of one less; "
                "choose one of these",
            ),
            *([kept] if shrinks_to > min(members) else []),
            *own,
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
    SHRINKS_TO: ClassVar[int] = MOST_MEMBERS
    """How many members it always keeps of those that it has, as it can give up no more without a loss."""

    GROWS_FROM_ONE: ClassVar[bool] = True
    """Whether a single member can become several."""

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
    """PostgreSQL: accounts and sessions. Of several members one leads and takes all statements. What is acknowledged is
    on most of the members, and one that can no longer lead is replaced within seconds."""

    model_config = _store_rules("postgres", "storage", "resources", shrinks_to=1)

    SHRINKS_TO: ClassVar[int] = 1


_IS_SET = "has({0}.engine) && {0}.engine == 'ReplicaSet'"


class Mongodb(Store):
    """MongoDB: conversations and messages. The members of a replica set elect a primary, which takes all statements.
    What is acknowledged is on most of them."""

    SHRINKS_TO: ClassVar[int] = 3

    model_config = _store_rules(
        "mongodb",
        "storage",
        "resources",
        "engine",
        members=(1, 3, 5, 7),
        shrinks_to=SHRINKS_TO,
        own=(
            (
                f"!has(self.members) || (({_IS_SET.format('self')}) == (self.members > 1))",
                "mongodb.members must be 1 for the engine Embedded, and 3, 5 or 7 for ReplicaSet; set mongodb.engine "
                "to ReplicaSet, or remove mongodb.members",
            ),
            (
                f"({_IS_SET.format('self')}) == ({_IS_SET.format('oldSelf')})",
                "mongodb.engine is fixed, because the messages would stay behind; restore it, or make a new "
                "ChatCluster and move the data",
            ),
        ),
    )

    engine: MongoEngine | None = None
    """What a managed MongoDB runs on. Embedded, the default: a single-node stand-in that speaks MongoDB's protocol, for
    development and tests. ReplicaSet: MongoDB's own server, 8.0 or later, as a set of 3, 5 or 7 members; its image is
    mongodb-server in the catalogue, or spec.images.overrides.mongodb. Fixed once set."""

    @property
    def allowed_members(self) -> tuple[int, ...]:
        """A set has three or more, the stand-in is alone."""
        return (3, 5, 7) if self.engine is MongoEngine.REPLICA_SET else (1,)


class Redis(Store):
    """Redis: fan-out, presence and rates."""

    model_config = _store_rules("redis", "storage", "resources")


class Kafka(Store):
    """Kafka: events between services. With three members or more, three brokers hold each partition, and a write needs
    two of them; three members also vote for the controller, so of all together one may be lost. More than three share
    the partitions among them."""

    MEMBERS: ClassVar[tuple[int, ...]] = (1, 3, 4, 5, 6, 7, 8, 9)
    SHRINKS_TO: ClassVar[int] = 3

    model_config = _store_rules("kafka", "storage", "resources", members=MEMBERS, shrinks_to=SHRINKS_TO)


class Objects(Store):
    """An S3 object store: files. With several members each file is on two nodes, and the list of files is kept in
    PostgreSQL."""

    GROWS_FROM_ONE: ClassVar[bool] = False

    model_config = _store_rules(
        "objects",
        "storage",
        "resources",
        own=(
            (
                "has(self.external) || !has(self.members) || !has(oldSelf.members) "
                "|| (self.members > 1) == (oldSelf.members > 1)",
                "objects.members cannot change between 1 and more, because a single member keeps its own list of files "
                "and several keep theirs in PostgreSQL; restore it, or make a new ChatCluster and move the data",
            ),
        ),
    )
