"""The kinds of object the operator speaks of: where each lives in the API and how it is looked at.

One table, because three things must agree on it: what the informers watch, in which order objects are applied, and what
the operator's own role allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api.backup import BACKUP_KIND, BACKUP_PLURAL
from chatcluster_operator.api.constants import GROUP, KIND, PLURAL, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind in the API. `group` is empty for the core one."""

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True
    metadata_only: bool = True
    """Watched without spec and status: ownership and managed fields say all that is asked of it."""
    made: bool = True
    """Applied and pruned by the operator; otherwise only looked at."""
    optional: bool = False
    """Defined by something that a cluster may lack: watched and made only where the API server serves it."""

    @property
    def api_version(self) -> str:
        """As in a manifest's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of the collection, of one object, or of its subresource. No namespace means all of them."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if self.namespaced and namespace is not None:
            parts.append(f"namespaces/{namespace}")
        parts.extend(part for part in (self.plural, name, subresource) if part is not None)
        return "/".join(parts)


CHATCLUSTER: Final = Kind(GROUP, VERSION, KIND, PLURAL, metadata_only=False)
CHATBACKUP: Final = Kind(GROUP, VERSION, BACKUP_KIND, BACKUP_PLURAL, metadata_only=False)
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases")
EVENT: Final = Kind("", "v1", "Event", "events")
STORAGE_CLASS: Final = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
NODE: Final = Kind("", "v1", "Node", "nodes", namespaced=False, metadata_only=False, made=False)
CLAIM: Final = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", made=False)
VOLUME: Final = Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False, made=False)
VALIDATING_WEBHOOK: Final = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)

CHILD_KINDS: Final = (
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "ConfigMap", "configmaps"),
    Kind("cert-manager.io", "v1", "Certificate", "certificates", metadata_only=False, optional=True),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("", "v1", "Service", "services"),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    Kind("batch", "v1", "Job", "jobs", metadata_only=False),
    Kind("apps", "v1", "StatefulSet", "statefulsets", metadata_only=False),
    Kind("apps", "v1", "Deployment", "deployments", metadata_only=False),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", optional=True),
    Kind("", "v1", "Pod", "pods", metadata_only=False, made=False),
)
"""What belongs to a ChatCluster, in the order in which it is applied: what is leaned on comes first."""

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in CHILD_KINDS}
