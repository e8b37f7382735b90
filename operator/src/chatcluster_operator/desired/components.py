"""Which components a ChatCluster has, what it refers to, and which images it needs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chatcluster_operator.api import EDGE, SERVICES, STORES, ChatCluster, RecoveryPhase
from chatcluster_operator.api.spec.backup import S3
from chatcluster_operator.api.spec.bootstrap import RecoverySource
from chatcluster_operator.api.spec.stores import MongoEngine
from chatcluster_operator.desired import stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.tls import CERTIFICATE_KEY, PRIVATE_KEY
from chatcluster_operator.desired.types import Component, MissingImageError, Reference, ReferenceKind, WorkloadKind

EXTERNAL_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "postgres": ("user_url", "gateway_url", "notification_url"),
    "mongodb": ("url",),
    "redis": ("url",),
    "kafka": ("bootstrap", "username", "password"),
    "objects": ("endpoint", "bucket", "region", "access_key", "secret_key"),
}
"""What the Secret of an external store must hold."""

SMTP_KEYS: Final = ("username", "password")
TLS_KEYS: Final = (CERTIFICATE_KEY, PRIVATE_KEY)


def running_services(cluster: ChatCluster, among: Sequence[str] = SERVICES) -> tuple[str, ...]:
    """The services that the ChatCluster has, of those in `among`: the others are switched off."""
    return tuple(name for name in among if getattr(cluster.spec.service(name), "enabled", True))


def components(cluster: ChatCluster) -> list[Component]:
    """The managed components, stores first; an external store is absent."""
    managed = [name for name in STORES if cluster.spec.store(name).external is None]
    sizes = sizing(cluster)
    return [
        *(
            Component(name, WorkloadKind.STATEFUL_SET, object_name(cluster, name), sizes[name].replicas.value)
            for name in managed
        ),
        *(
            Component(
                name,
                WorkloadKind.DEPLOYMENT,
                object_name(cluster, name),
                sizes[name].replicas.value,
            )
            for name in running_services(cluster)
        ),
        *(
            [Component(EDGE, WorkloadKind.DEPLOYMENT, object_name(cluster, EDGE), sizes[EDGE].replicas.value)]
            if cluster.spec.edge.external is None
            else []
        ),
    ]


def required(cluster: ChatCluster) -> list[Reference]:
    """All that must exist before the ChatCluster can work, each with the field that asks for it."""
    spec, running = cluster.spec, running_services(cluster)
    references: list[Reference] = []
    from_catalogue = tuple(
        catalogue_key(cluster, item.name) for item in components(cluster) if item.name not in spec.images.overrides
    )
    if from_catalogue:
        references.append(Reference(ReferenceKind.RELEASE, spec.version, "spec.version", from_catalogue))
    for index, name in enumerate(spec.images.pull_secrets):
        references.append(
            Reference(ReferenceKind.SECRET, name, f"spec.images.pullSecrets[{index}]", (".dockerconfigjson",))
        )
    for name in STORES:
        chosen = cluster.spec.store(name)
        if chosen.external is not None:
            if name == "objects" and "file" not in running:
                # Nobody else uses it.
                continue
            field = f"spec.{name}.external.secretName"
            # A service that is switched off needs no database.
            off = {f"{service}_url" for service in SERVICES} - {f"{service}_url" for service in running}
            keys = tuple(key for key in EXTERNAL_KEYS[name] if key not in off)
            if name == "postgres" and stores.files_in_postgres(cluster):
                keys += ("objects_url",)
            references.append(Reference(ReferenceKind.SECRET, chosen.external.secret_name, field, keys))
        elif chosen.storage is not None and chosen.storage.storage_class_name is not None:
            field = f"spec.{name}.storage.storageClassName"
            references.append(Reference(ReferenceKind.STORAGE_CLASS, chosen.storage.storage_class_name, field))
    if spec.backup is not None:
        destination, encryption = spec.backup.destination, spec.backup.encryption
        keys = _opens(destination)
        where = "spec.backup.destination.secretName"
        references.append(Reference(ReferenceKind.SECRET, destination.secret_name, where, keys))
        where = "spec.backup.encryption.secretName"
        references.append(Reference(ReferenceKind.SECRET, encryption.secret_name, where, ("passphrase",)))
    references += _restored_from(cluster)
    smtp = spec.notification.smtp
    if smtp is not None and smtp.secret_name is not None and "notification" in running:
        references.append(
            Reference(ReferenceKind.SECRET, smtp.secret_name, "spec.notification.smtp.secretName", SMTP_KEYS)
        )
    if spec.edge.tls is not None and spec.edge.tls.secret_name is not None:
        references.append(
            Reference(ReferenceKind.SECRET, spec.edge.tls.secret_name, "spec.edge.tls.secretName", TLS_KEYS)
        )
    return references


def _restored_from(cluster: ChatCluster) -> list[Reference]:
    """The Secrets that open the backup that it begins with, until that is restored."""
    if cluster.spec.bootstrap is None:
        return []
    known: dict[str, Any] = cluster.status.get("recovery") or {}
    source = cluster.spec.bootstrap.recovery.source
    source = RecoverySource.model_validate(known["source"]) if known else source
    if source is None or known.get("phase") == RecoveryPhase.RESTORED.value:
        return []
    keys, where = _opens(source), "spec.bootstrap.recovery"
    return [
        Reference(ReferenceKind.SECRET, source.secret_name, where, keys),
        Reference(ReferenceKind.SECRET, source.encryption.secret_name, where, ("passphrase",)),
    ]


def _opens(given: S3) -> tuple[str, ...]:
    return ("access_key", "secret_key", *(("ca.crt",) if given.private_authority else ()))


SERVER: Final = "mongodb-server"
"""Key of the catalogue with the image of MongoDB's own server; `mongodb` is that of the embedded stand-in."""


def catalogue_key(cluster: ChatCluster, component: str) -> str:
    """Under which key the catalogue has a component's image."""
    replicated = component == "mongodb" and cluster.spec.mongodb.engine is MongoEngine.REPLICA_SET
    return SERVER if replicated else component


def available_images(cluster: ChatCluster, catalogue: Mapping[str, str]) -> dict[str, str]:
    """The image of each managed component that has one. `catalogue` is the release's map from key to image."""
    found = {
        item.name: cluster.spec.images.overrides.get(item.name) or catalogue.get(catalogue_key(cluster, item.name))
        for item in components(cluster)
    }
    return {name: image for name, image in found.items() if image}


def resolve_images(cluster: ChatCluster, catalogue: Mapping[str, str]) -> dict[str, str]:
    """The image of each managed component. `catalogue` is the release's map from key to image.

    Raises MissingImageError when a component is in neither the catalogue nor `spec.images.overrides`.
    """
    available = available_images(cluster, catalogue)
    missing = tuple(catalogue_key(cluster, item.name) for item in components(cluster) if item.name not in available)
    if missing:
        raise MissingImageError(cluster.spec.version, missing)
    return available
