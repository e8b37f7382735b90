"""What HAProxy is told: which service has which paths, how the edge is spoken to, and its limits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatcluster_haproxy import Backend, EdgeConfig, Tls
from chatcluster_operator.api import EDGE, ChatCluster
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.api.spec import ProxyHeader
from chatcluster_operator.desired import services
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.names import public_url
from chatcluster_operator.desired.pods import CONFIG_PATH, SECRETS_PATH
from chatcluster_operator.desired.sizing import sizing

CLUSTER_DOMAIN: Final = "cluster.local"
"""HAProxy looks names up as they are, without the search list that lets others leave this out."""
PORT: Final = 8080
TLS_PORT: Final = 8443
ADMIN_PORT: Final = 8404
DRAIN_SECONDS: Final = 20
CERTIFICATE: Final = "tls.pem"
"""File of the certificate among the secrets; its key is beside it, as HAProxy looks for it."""
SCRIPT: Final = "certificate.lua"

_MIB: Final = 1024 * 1024
_FEWEST_THREADS: Final = 2
_MOST_THREADS: Final = 64


@dataclass(frozen=True)
class Route:
    """What one service has of the public address. docs/edge.md lists the same for proxies other than ours."""

    paths: tuple[str, ...]
    """`/a/` takes all below it; `/a` takes itself and all below it. The longest wins."""
    sticky: bool = False
    """Requests with the same `sid` in their query must reach the same pod."""


ROUTES: Final[Mapping[str, Route]] = {
    "gateway": Route(("/api/v1/",)),
    "file": Route(("/api/v1/files",)),
    "message": Route(("/socket.io/",), sticky=True),
    "presence": Route(("/presence/socket.io/",), sticky=True),
}


def tls_ends_here(cluster: ChatCluster) -> bool:
    """Whether HAProxy speaks HTTPS itself. Behind an Ingress, that is its controller's part."""
    return cluster.spec.edge.tls is not None and cluster.spec.edge.ingress is None


def config_of(cluster: ChatCluster) -> EdgeConfig:
    """What the edge of this cluster should do."""
    edge, limits, sizes = cluster.spec.edge, cluster.spec.edge.limits, sizing(cluster)
    proxies = edge.trusted_proxies
    bodies = {"gateway": limits.max_request_bytes, "file": limits.max_upload_bytes}
    return EdgeConfig(
        backends=tuple(
            Backend(
                name=service,
                host=f"{services.pods_service(cluster, service)}.{cluster.namespace}.svc.{CLUSTER_DOMAIN}",
                port=services.PROFILES[service].port,
                routes=ROUTES[service].paths,
                # A rollout may replace all pods while those that drain are still known.
                slots=2 * sizes[service].ceiling + 2,
                sticky=ROUTES[service].sticky,
                max_body_bytes=bodies.get(service, _MIB),
            )
            for service in running_services(cluster, tuple(ROUTES))
        ),
        cookie_key=cluster.uid,
        port=PORT,
        admin_port=ADMIN_PORT,
        max_connections=limits.max_connections or sizes.edge_connections.value,
        requests_per_10s=limits.requests_per_address,
        connections_per_10s=limits.connections_per_address,
        tls=_tls(cluster) if tls_ends_here(cluster) else None,
        hsts_seconds=edge.tls.hsts_seconds if edge.tls else 0,
        trusted_proxies=tuple(proxies.addresses) if proxies else (),
        proxy_protocol=proxies is not None and proxies.header is ProxyHeader.PROXY_PROTOCOL,
        threads=limits.threads or _threads(sizes[EDGE].resources),
        client_seconds=limits.client_timeout_seconds,
        server_seconds=limits.server_timeout_seconds,
        tunnel_seconds=limits.tunnel_timeout_seconds,
        queue_seconds=limits.queue_timeout_seconds,
        drain_seconds=DRAIN_SECONDS,
    )


def _tls(cluster: ChatCluster) -> Tls:
    given, url = cluster.spec.edge.tls, public_url(cluster)
    return Tls(
        certificate=f"{SECRETS_PATH}/{CERTIFICATE}",
        script=f"{CONFIG_PATH}/{SCRIPT}",
        port=TLS_PORT,
        redirect_to=url if given and given.redirect and url.startswith("https://") else None,
    )


def _threads(resources: Mapping[str, Any]) -> int:
    share = resources["limits"].get("cpu") or resources["requests"]["cpu"]
    return min(max(math.ceil(parse_quantity(share)), _FEWEST_THREADS), _MOST_THREADS)
