"""Names and addresses that other rooms need too."""

from chatcluster_operator.api import EDGE, ChatCluster
from chatcluster_operator.desired.common import CREDENTIALS, object_name


def credentials_name(cluster: ChatCluster) -> str:
    """Name of the Secret that keeps all generated values."""
    return object_name(cluster, CREDENTIALS)


def public_url(cluster: ChatCluster) -> str:
    """Address under which people reach the edge: the one the spec gives, else the one inside the cluster."""
    given = cluster.spec.edge.public_url
    return given.rstrip("/") if given else f"http://{object_name(cluster, EDGE)}.{cluster.namespace}"
