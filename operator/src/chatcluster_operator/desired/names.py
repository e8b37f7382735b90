"""Names and addresses that other rooms need too."""

from chatcluster_operator.api import EDGE, ChatCluster
from chatcluster_operator.desired.common import CREDENTIALS, object_name


def credentials_name(cluster: ChatCluster) -> str:
    """Name of the Secret that keeps all generated values."""
    return object_name(cluster, CREDENTIALS)


def public_url(cluster: ChatCluster) -> str:
    """Address under which people reach the edge: the one the spec gives, else one made from its host, else the one
    inside the cluster."""
    edge = cluster.spec.edge
    if edge.public_url:
        return edge.public_url.rstrip("/")
    scheme = "https" if edge.tls else "http"
    return f"{scheme}://{edge.host or f'{object_name(cluster, EDGE)}.{cluster.namespace}'}"


def certificate_secret(cluster: ChatCluster) -> str | None:
    """Name of the Secret with the edge's certificate; None where it speaks plain HTTP.

    One for each source: what the operator made is removed when another source takes its place.
    """
    given = cluster.spec.edge.tls
    if given is None:
        return None
    if given.secret_name:
        return given.secret_name
    return object_name(cluster, EDGE, "issued" if given.issuer else "tls")


def authority_name(cluster: ChatCluster) -> str:
    """Name of the Secret with the operator's own authorities, and of the ConfigMap with what clients are to trust."""
    return object_name(cluster, EDGE, "ca")
