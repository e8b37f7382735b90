"""The five stores, managed or brought by the user."""

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import ConfigDict, model_validator
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

    size: StorageQuantity
    """Size of each volume. Fixed once set."""
    storage_class_name: ObjectName | None = None
    """StorageClass of the volumes, the cluster's default one when left out. Fixed once set."""


class External(Model):
    """A store that the user runs, in place of a managed one."""

    secret_name: ObjectName
    """Secret in the ChatCluster's namespace with the store's address and credentials."""


_MANAGED_FIELDS = ("storage", "resources", "pod_override", "engine")


def _store_rules(name: str, size: str, *managed_fields: str) -> ConfigDict:
    """The rules of one store: what excludes what, and what may not change. `size` is its default size."""

    def chosen(which: str) -> str:
        return f"(has({which}.storage) ? quantity({which}.storage.size) : quantity('{size}'))"

    def storage_class(which: str) -> str:
        return (
            f"(has({which}.storage) && has({which}.storage.storageClassName) ? {which}.storage.storageClassName : '')"
        )

    both_managed = "has(self.external) || has(oldSelf.external)"
    managed_fields = (*managed_fields, "podOverride")
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
                f"{both_managed} || {chosen('self')}.compareTo({chosen('oldSelf')}) == 0",
                f"{name}.storage.size is fixed, because volumes in use are not resized; restore it, or make a new "
                "ChatCluster and move the data",
            ),
            (
                f"{both_managed} || {storage_class('self')} == {storage_class('oldSelf')}",
                f"{name}.storage.storageClassName is fixed, because volumes stay where they are; restore it, or make "
                "a new ChatCluster and move the data",
            ),
        )
    )


class Store(Workload):
    """What all five stores share."""

    default_size: ClassVar[str]

    storage: Storage | None = None
    """The volume. Left out: the operator's size for the store, on the default storage class."""
    external: External | None = None
    """A store that you run, in place of a managed one. The choice is final."""

    @property
    def volume(self) -> Storage:
        """The volume asked for, or the default one."""
        return self.storage or Storage(size=self.default_size)

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

    default_size = "8Gi"
    model_config = _store_rules("postgres", default_size, "storage", "resources")


class Mongodb(Store):
    """MongoDB: conversations and messages."""

    default_size = "10Gi"
    model_config = _store_rules("mongodb", default_size, "storage", "resources", "engine")

    engine: MongoEngine | None = None
    """What a managed MongoDB runs on. Embedded, the default: a single-node stand-in that speaks MongoDB's protocol.
    It is for development and tests; keep a production's messages in an external MongoDB replica set."""


class Redis(Store):
    """Redis: fan-out, presence and rates."""

    default_size = "1Gi"
    model_config = _store_rules("redis", default_size, "storage", "resources")


class Kafka(Store):
    """Kafka: events between services."""

    default_size = "8Gi"
    model_config = _store_rules("kafka", default_size, "storage", "resources")


class Objects(Store):
    """An S3 object store: files."""

    default_size = "10Gi"
    model_config = _store_rules("objects", default_size, "storage", "resources")
