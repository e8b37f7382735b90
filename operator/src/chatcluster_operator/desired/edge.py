"""The edge: HAProxy replicas with one configuration, and the Service through which all clients come."""

from collections.abc import Mapping
from typing import Any, Final

from chatcluster_haproxy import Backend, EdgeConfig, render
from chatcluster_operator.api import EDGE, ChatCluster
from chatcluster_operator.api.spec import ServiceType
from chatcluster_operator.desired import common, services
from chatcluster_operator.desired.common import manifest, object_name, selector
from chatcluster_operator.desired.pods import (
    Figures,
    Pod,
    Probes,
    command,
    config_volume,
    deployment,
    disruption_budget,
    http_get,
    resources,
)
from chatcluster_operator.desired.types import Inputs, Manifest

CLUSTER_DOMAIN: Final = "cluster.local"
"""HAProxy looks names up as they are, without the search list that lets others leave this out."""
PORT: Final = 8080
ADMIN_PORT: Final = 8404
DRAIN_SECONDS: Final = 20

_ROUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway": ("/api/v1/",),
    "file": ("/api/v1/files",),
    "message": ("/socket.io/",),
    "presence": ("/presence/socket.io/",),
}
_STICKY: Final = ("message", "presence")
_MIB = 1024 * 1024
_MAX_BODY: Final[Mapping[str, int]] = {"gateway": 16 * _MIB, "file": 128 * _MIB}
"""Bytes; the others take a message at most. The services have limits of their own, which these are not below."""

_FIGURES = Figures(cpu="50m", memory="64Mi", memory_limit="256Mi")


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the edge."""
    name = object_name(cluster, EDGE)
    config = render(config_of(cluster))
    pod = Pod(
        component=EDGE,
        ports={"http": PORT, "admin": ADMIN_PORT},
        probes=Probes(live=http_get("admin", "/livez"), ready=http_get("admin", "/livez"), start_seconds=30),
        resources=resources(cluster.spec.edge.resources, _FIGURES),
        checksum=common.checksum(config),
        volumes=(config_volume(name),),
        # New connections still come for as long as other nodes have not heard that this pod goes.
        pre_stop=command("sleep", "3"),
        grace_seconds=DRAIN_SECONDS + 10,
        rollout_label="pod-template-hash",
    )
    return [
        common.config_map(cluster, name, EDGE, {"haproxy.cfg": config}),
        _service(cluster, name),
        deployment(cluster, inputs, pod, cluster.spec.edge, replicas=cluster.spec.edge.replicas),
        disruption_budget(cluster, EDGE),
    ]


def config_of(cluster: ChatCluster) -> EdgeConfig:
    """What the edge of this cluster should do."""
    return EdgeConfig(
        backends=tuple(
            Backend(
                name=service,
                host=f"{services.pods_service(cluster, service)}.{cluster.namespace}.svc.{CLUSTER_DOMAIN}",
                port=services.PROFILES[service].port,
                routes=routes,
                # A rollout may replace all pods while those that drain are still known.
                slots=2 * cluster.spec.service(service).autoscaling.max_replicas + 2,
                sticky=service in _STICKY,
                max_body_bytes=_MAX_BODY.get(service, _MIB),
            )
            for service, routes in _ROUTES.items()
        ),
        cookie_key=cluster.uid,
        port=PORT,
        admin_port=ADMIN_PORT,
        drain_seconds=DRAIN_SECONDS,
    )


def _service(cluster: ChatCluster, name: str) -> Manifest:
    given = cluster.spec.edge.service
    port: dict[str, Any] = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    if given.node_port is not None and given.type is not ServiceType.CLUSTER_IP:
        port["nodePort"] = given.node_port
    return manifest(
        "v1",
        "Service",
        cluster,
        name,
        EDGE,
        annotations=given.annotations,
        spec={"type": given.type.value, "selector": selector(cluster, EDGE), "ports": [port]},
    )
