"""The spec of a ChatCluster. The docstring of a field is its description in the CRD, hence in `kubectl explain`.

Rules stand twice on purpose: as CEL, so that the API server refuses a bad spec at once, and as validators here, because
an object may have been stored before a rule existed. Only the CEL ones can compare an old spec with a new one.
"""

from chatcluster_operator.api.spec.edge import Edge, EdgeService, Peer, ProxyHeader, ServiceType
from chatcluster_operator.api.spec.lifecycle import Day, DeletionPolicy, MaintenanceWindow, WhenUnhealthy
from chatcluster_operator.api.spec.pods import Placement, Resources, Workload
from chatcluster_operator.api.spec.root import ChatClusterSpec
from chatcluster_operator.api.spec.services import Autoscaling, Service
from chatcluster_operator.api.spec.stores import Storage, Store
from chatcluster_operator.api.spec.tls import Tls

__all__ = [
    "Autoscaling",
    "ChatClusterSpec",
    "Day",
    "DeletionPolicy",
    "Edge",
    "EdgeService",
    "MaintenanceWindow",
    "Peer",
    "Placement",
    "ProxyHeader",
    "Resources",
    "Service",
    "ServiceType",
    "Storage",
    "Store",
    "Tls",
    "WhenUnhealthy",
    "Workload",
]
