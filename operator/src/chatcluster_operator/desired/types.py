"""The values that pass between `desired` and the rooms that use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chatcluster_operator.desired.credentials import Credentials

Manifest = dict[str, Any]
"""One Kubernetes object, as it is sent to the API server."""


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
    apis: frozenset[str] = frozenset()
    """Names of the optional kinds that the cluster has, such as Certificate: no other optional kind may be made."""


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
