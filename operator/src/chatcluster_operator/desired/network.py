"""Who may speak to whom: nothing by default, and on top of that exactly what each component needs.

Kubelet probes come from the node itself, which network plugins let through without a rule.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chatcluster_operator.api import EDGE, FIELD_MANAGER, LABEL_NAME, STORES, ChatCluster
from chatcluster_operator.api.constants import RECOVERY, VERIFICATION
from chatcluster_operator.api.spec import Peer
from chatcluster_operator.api.spec.backup import S3
from chatcluster_operator.api.spec.stores import MongoEngine
from chatcluster_operator.desired import (
    backup,
    haproxy,
    kafka,
    migrations,
    mongodb,
    objects,
    postgres,
    services,
    stores,
)
from chatcluster_operator.desired.common import manifest, object_name, selector
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.pods import VOLUME_PORT
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Manifest

Rule = dict[str, Any]

METRICS_READER: Final = {LABEL_NAME: "prometheus"}
"""Labels of pods, in any namespace, that may read metrics."""

OPERATOR: Final = {LABEL_NAME: FIELD_MANAGER}
"""The same of the operator's, which tells how many sockets there are and how full volumes are, and looks after stores
with several members."""

KEDA: Final = {"app": "keda-operator"}
"""The same of KEDA's, which count sockets where replicas follow them."""

SOCKETS: Final = ("message", "presence")
"""Services that people stay connected to."""

_API_SERVER_PORTS = (443, 6443)
_MEMBER_PORTS: Final = {
    "postgres": (stores.PORTS["postgres"], postgres.PATRONI_PORT),
    "kafka": (stores.PORTS["kafka"], kafka.CONTROLLER_PORT, kafka.STATE_PORT),
}
"""Ports on which the members of a store speak to each other, a single one to itself."""
_SEVERAL_PORTS: Final = {
    "redis": (stores.PORTS["redis"], stores.SENTINEL_PORT),
    "mongodb": (stores.PORTS["mongodb"],),
    "objects": objects.MEMBER_PORTS,
}
"""The same of stores of which a single member needs none."""


_BACKED_UP: Final = ("postgres", "mongodb", "objects")
"""Stores with what must outlive them."""


def manifests(cluster: ChatCluster, *, restoring: S3 | None = None) -> list[Manifest]:
    """The default, which denies everything to every pod of the cluster, and one policy for each managed component.

    `restoring` is where the backup lies that is restored.
    """
    managed = [name for name in STORES if cluster.spec.store(name).external is None]
    return [
        _policy(cluster, object_name(cluster, "default-deny"), None, [], []),
        *(_store_policy(cluster, name, restoring) for name in managed),
        *(_service_policy(cluster, name) for name in running_services(cluster)),
        _migration_policy(cluster),
        *([_backup_policy(cluster)] if cluster.spec.backup else []),
        *([_verification_policy(cluster)] if cluster.spec.backup and cluster.spec.backup.verification else []),
        *([_recovery_policy(cluster, restoring)] if restoring else []),
        *([_edge_policy(cluster)] if cluster.spec.edge.external is None else []),
    ]


def _policy(
    cluster: ChatCluster, name: str, component: str | None, ingress: list[Rule], egress: list[Rule]
) -> Manifest:
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        cluster,
        name,
        component,
        spec={
            "podSelector": {"matchLabels": selector(cluster, component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )


def _ports(*numbers: int, protocol: str = "TCP") -> list[dict[str, Any]]:
    return [{"port": number, "protocol": protocol} for number in numbers]


def _peers(cluster: ChatCluster, components: Iterable[str]) -> list[dict[str, Any]]:
    return [{"podSelector": {"matchLabels": selector(cluster, component)}} for component in components]


def _from(cluster: ChatCluster, components: Iterable[str], *ports: int) -> list[Rule]:
    peers = _peers(cluster, components)
    return [{"from": peers, "ports": _ports(*ports)}] if peers else []


def _to(cluster: ChatCluster, component: str, *ports: int) -> Rule:
    return {"to": _peers(cluster, [component]), "ports": _ports(*ports)}


def _metrics(*ports: int, reader: Mapping[str, str] = METRICS_READER) -> Rule:
    peer = {"namespaceSelector": {}, "podSelector": {"matchLabels": dict(reader)}}
    return {"from": [peer], "ports": _ports(*ports)}


# Name servers may be pods, or caches on the node.
_DNS: Final[Rule] = {"ports": [*_ports(53, protocol="UDP"), *_ports(53)]}


def _store_policy(cluster: ChatCluster, name: str, restoring: S3 | None) -> Manifest:
    clients = [service for service in running_services(cluster) if name in services.PROFILES[service].stores]
    files = stores.files_in_postgres(cluster)
    if name == postgres.NAME:
        clients += [migrations.COMPONENT, *([objects.NAME] if files else [])]
    if cluster.spec.backup is not None and name in _BACKED_UP:
        clients.append(backup.COMPONENT)
    if restoring is not None and name in _BACKED_UP:
        clients.append(RECOVERY)
    ports = stores.client_ports(cluster, name)
    ingress, egress = _from(cluster, clients, *ports), [_DNS]
    several = sizing(cluster)[name].replicas.value > 1
    if members := _MEMBER_PORTS.get(name, _SEVERAL_PORTS.get(name) if several else None):
        ingress += _from(cluster, [name], *members)
        egress.append(_to(cluster, name, *members))
    if several:
        ingress.append(_metrics(*stores.ADMIN_PORTS[name], reader=OPERATOR))
    if name != mongodb.NAME or cluster.spec.mongodb.engine is MongoEngine.EMBEDDED:
        ingress += [_metrics(VOLUME_PORT, reader=OPERATOR), _metrics(VOLUME_PORT)]
    if name == objects.NAME and files:
        egress.append(_to_store(cluster, postgres.NAME))
    if name == postgres.NAME:
        # Patroni elects its leader through the API server, whose address no label tells.
        egress.append({"ports": _ports(*_API_SERVER_PORTS)})
        egress += _to_destination(cluster)
        egress += [_to_s3(restoring)] if restoring else []
    return _policy(cluster, object_name(cluster, name), name, ingress, egress)


def _service_policy(cluster: ChatCluster, name: str) -> Manifest:
    profile = services.PROFILES[name]
    callers = [caller for caller in running_services(cluster) if name in services.PROFILES[caller].calls]
    external = cluster.spec.edge.external
    callers += [EDGE] if profile.behind_edge and external is None else []
    egress = [
        _DNS,
        *(_to(cluster, called, services.PROFILES[called].port) for called in running_services(cluster, profile.calls)),
    ]
    egress += [_to_store(cluster, store) for store in profile.stores]
    if name == "notification":
        # Push services, each wherever its browser's maker has it.
        egress.append({"ports": _ports(443)})
        if smtp := cluster.spec.notification.smtp:
            egress.append({"ports": _ports(smtp.port)})
    if name == "file" and (scanner := cluster.spec.files.scanner):
        egress.append({"ports": _ports(scanner.port)})
    ingress = [*_from(cluster, callers, profile.port), _metrics(profile.port)]
    if external is not None and profile.behind_edge:
        ingress.append({"from": [_peer(peer) for peer in external.peers], "ports": _ports(profile.port)})
    if name in SOCKETS:
        ingress.append(_metrics(profile.port, reader=OPERATOR))
    if sizing(cluster)[name].scales_on_sockets:
        ingress.append(_metrics(profile.port, reader=KEDA))
    return _policy(cluster, object_name(cluster, name), name, ingress, egress)


def _peer(given: Peer) -> dict[str, Any]:
    """A proxy of the user's own."""
    return given.model_dump(mode="json", by_alias=True, exclude_none=True)


def _to_store(cluster: ChatCluster, store: str) -> Rule:
    # An external store may be anywhere, on any port: its address is in a Secret.
    return {} if cluster.spec.store(store).external else _to(cluster, store, *stores.client_ports(cluster, store))


def _migration_policy(cluster: ChatCluster) -> Manifest:
    egress = [_DNS, _to_store(cluster, postgres.NAME)]
    return _policy(cluster, object_name(cluster, migrations.COMPONENT), migrations.COMPONENT, [], egress)


def _backup_policy(cluster: ChatCluster) -> Manifest:
    egress = [_DNS, *(_to_store(cluster, name) for name in _BACKED_UP), *_to_destination(cluster)]
    return _policy(cluster, object_name(cluster, backup.COMPONENT), backup.COMPONENT, [], egress)


def _verification_policy(cluster: ChatCluster) -> Manifest:
    egress = [_DNS, *_to_destination(cluster)]
    return _policy(cluster, object_name(cluster, VERIFICATION), VERIFICATION, [], egress)


def _recovery_policy(cluster: ChatCluster, restoring: S3) -> Manifest:
    # Keys of the backup come to the operator through the API server.
    egress = [_DNS, *(_to_store(cluster, name) for name in _BACKED_UP), {"ports": _ports(*_API_SERVER_PORTS)}]
    return _policy(cluster, object_name(cluster, RECOVERY), RECOVERY, [], [*egress, _to_s3(restoring)])


def _to_destination(cluster: ChatCluster) -> list[Rule]:
    return [_to_s3(cluster.spec.backup.destination)] if cluster.spec.backup else []


def _to_s3(given: S3) -> Rule:
    """Backups lie outside the cluster: only the port is known."""
    return {"ports": _ports(given.port)}


def _edge_policy(cluster: ChatCluster) -> Manifest:
    behind = [name for name in running_services(cluster) if services.PROFILES[name].behind_edge]
    # Clients come from anywhere, and through load balancers from addresses that are not theirs.
    ports = (haproxy.PORT, *((haproxy.TLS_PORT,) if haproxy.tls_ends_here(cluster) else ()))
    ingress = [{"ports": _ports(*ports)}, _metrics(haproxy.ADMIN_PORT)]
    egress = [_DNS, *(_to(cluster, name, services.PROFILES[name].port) for name in behind)]
    return _policy(cluster, object_name(cluster, EDGE), EDGE, ingress, egress)
