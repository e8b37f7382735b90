"""From spec to manifests, by pure functions: a module a component, and one for all that pods share.

Nothing here reads the world. Whatever a manifest depends on is an argument, so that the same inputs always give the
same manifests, byte for byte.
"""

from chatcluster_operator.desired.build import manifests
from chatcluster_operator.desired.components import components, required, resolve_images, running_services
from chatcluster_operator.desired.credentials import Credentials, Rand, generate
from chatcluster_operator.desired.names import credentials_name, public_url
from chatcluster_operator.desired.types import (
    Component,
    Inputs,
    Manifest,
    MissingImageError,
    Reference,
    ReferenceKind,
    WorkloadKind,
)

__all__ = [
    "Component",
    "Credentials",
    "Inputs",
    "Manifest",
    "MissingImageError",
    "Rand",
    "Reference",
    "ReferenceKind",
    "WorkloadKind",
    "components",
    "credentials_name",
    "generate",
    "manifests",
    "public_url",
    "required",
    "resolve_images",
    "running_services",
]
