"""The addresses at which people's programs find each part of a ChatCluster, as docs/contract.md has their paths."""

from typing import Final

from chatcluster_operator.api import EDGE, ChatCluster, Endpoints
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.names import public_url

PATHS: Final = {
    "api": "/api/v1/",
    "files": "/api/v1/files",
    "realtime": "/socket.io/",
    "presence": "/presence/socket.io/",
}
"""Path of each part behind the edge."""


def endpoints(cluster: ChatCluster) -> Endpoints:
    """All addresses of a ChatCluster."""
    url = public_url(cluster)
    return Endpoints(
        **{part: f"{url}{path}" for part, path in PATHS.items()},
        internal=f"http://{object_name(cluster, EDGE)}.{cluster.namespace}.svc",
    )
