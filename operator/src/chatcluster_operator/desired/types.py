"""The values that pass between `desired` and the rooms that use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chatcluster_operator.api import RecoveryStatus
from chatcluster_operator.desired.credentials import Credentials
from chatcluster_operator.desired.tls import OwnTls

Manifest = dict[str, Any]
"""One Kubernetes object, as it is sent to the API server."""


@dataclass(frozen=True)
class Turns:
    """How far services are in a rotation: at first none has heard of it."""

    knowing: frozenset[str] = frozenset()
    """Services that accept the coming keys."""
    using: frozenset[str] = frozenset()
    """Services that use the coming values, and still accept the old ones."""


@dataclass(frozen=True)
class Migrations:
    """Which migrations run: those of a release's images, and how far they go."""

    images: Mapping[str, str]
    """Image by component."""
    contract: bool
    """Whether they also take away what only the release before needed."""


@dataclass(frozen=True)
class BackupRun:
    """A backup that is being made."""

    name: str
    """Of the ChatBackup."""
    id: str
    release: str
    image: str


@dataclass(frozen=True)
class VerificationRun:
    """A backup that is being restored for a test."""

    name: str
    """Of the ChatBackup."""
    id: str
    started: str
    """When that began, RFC 3339."""
    image: str


@dataclass(frozen=True)
class RecoveryRun:
    """A restore that is under way."""

    status: RecoveryStatus
    """What is restored, and how far it is."""
    image: str
    filling: bool = False
    """Whether the stores are ready for messages and files."""


@dataclass(frozen=True)
class Inputs:
    """What the manifests need beyond the ChatCluster itself."""

    images: Mapping[str, str]
    """Image reference by component, for every managed component: see `resolve_images`."""
    credentials: Credentials
    """The generated values."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """A digest of the content of each Secret that the user brings, by its name. It goes into the pods' checksums, so
    that a changed Secret rolls them. One left out is taken as unchanging."""
    volumes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Size that the claim template of a store says, by component; a store that is not made yet is absent."""
    members: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many members a store's StatefulSet has where that is not what the spec asks for: it gives some up, and their
    data is still being moved. By component; the others are absent."""
    apis: frozenset[str] = frozenset()
    """Names of the optional kinds that the cluster has, such as Certificate: no other optional kind may be made."""
    tls: OwnTls | None = None
    """The certificate that the operator signed for the edge, where the spec asks for one."""
    turns: Turns = Turns()
    """How far each service is in a rotation of the generated values."""

    migrations: Migrations | None = None
    """None: those of `images`, and all the way."""
    restarts: Mapping[str, str] = field(default_factory=dict[str, str])
    """When the restart of a component's pods was last asked for, RFC 3339, by component."""

    backup: BackupRun | None = None
    """The backup that is being made; None: none is."""
    verification: VerificationRun | None = None
    """The backup that is being restored for a test; None: none is."""
    recovery: RecoveryRun | None = None
    """The restore under way, before which nobody is let in; None: none is."""

    def credentials_of(self, service: str) -> Credentials:
        """The generated values as that service uses them."""
        return self.credentials.completed if service in self.turns.using else self.credentials


class WorkloadKind(StrEnum):
    """What runs a component's pods."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"


@dataclass(frozen=True)
class Component:
    """One managed component, as far as its readiness is concerned."""

    name: str
    """Component, such as gateway."""
    kind: WorkloadKind
    workload: str
    """Name of the workload."""
    replicas: int
    """Replicas that must be ready; under an autoscaler the fewest it may set."""


class ReferenceKind(StrEnum):
    """What sort of thing a spec refers to."""

    SECRET = "Secret"  # noqa: S105 - the name of a kind
    STORAGE_CLASS = "StorageClass"
    RELEASE = "Release"


@dataclass(frozen=True)
class Reference:
    """Something that must exist before anything is made."""

    kind: ReferenceKind
    name: str
    """Name of the Secret (in the ChatCluster's namespace) or StorageClass, or the release in the image catalogue."""
    field: str
    """Field of the ChatCluster that refers to it, such as spec.postgres.external.secretName."""
    keys: tuple[str, ...] = ()
    """Keys that a Secret must have, or components that the release must have an image for."""


class MissingImageError(LookupError):
    """Components for which neither the catalogue nor the spec names an image."""

    def __init__(self, version: str, missing: tuple[str, ...]) -> None:
        self.missing = missing
        super().__init__(
            f"release {version!r} has no image for {', '.join(missing)}; add it to the ConfigMap chatcluster-images "
            "beside the operator, or set spec.images.overrides"
        )
