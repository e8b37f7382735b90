"""Who may speak to whom: nothing by default, and on top of that exactly what each component needs.

Kubelet probes come from the node itself, which network plugins let through without a rule.
"""

from collections.abc import Iterable
from typing import Any, Final

from chatcluster_operator.api import EDGE, LABEL_NAME, SERVICES, STORES, ChatCluster
from chatcluster_operator.desired import edge, kafka, postgres, services, stores
from chatcluster_operator.desired.common import manifest, object_name, selector
from chatcluster_operator.desired.types import Manifest

Rule = dict[str, Any]

METRICS_READER: Final = "prometheus"
"""`app.kubernetes.io/name` of pods, in any namespace, that may read metrics."""

_API_SERVER_PORTS = (443, 6443)
_MEMBER_PORTS = {
    "postgres": (stores.PORTS["postgres"], postgres.PATRONI_PORT),
    "kafka": (stores.PORTS["kafka"], kafka.CONTROLLER_PORT),
}
"""Ports on which the members of a store speak to each other."""


def manifests(cluster: ChatCluster) -> list[Manifest]:
    """The default, which denies everything to every pod of the cluster, and one policy for each managed component."""
    managed = [name for name in STORES if cluster.spec.store(name).external is None]
    return [
        _policy(cluster, object_name(cluster, "default-deny"), None, [], []),
        *(_store_policy(cluster, name) for name in managed),
        *(_service_policy(cluster, name) for name in SERVICES),
        _edge_policy(cluster),
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


def _metrics(port: int) -> Rule:
    reader = {"namespaceSelector": {}, "podSelector": {"matchLabels": {LABEL_NAME: METRICS_READER}}}
    return {"from": [reader], "ports": _ports(port)}


# Name servers may be pods, or caches on the node.
_DNS: Final[Rule] = {"ports": [*_ports(53, protocol="UDP"), *_ports(53)]}


def _store_policy(cluster: ChatCluster, name: str) -> Manifest:
    clients = [service for service in SERVICES if name in services.PROFILES[service].stores]
    ingress, egress = _from(cluster, clients, stores.PORTS[name]), [_DNS]
    if members := _MEMBER_PORTS.get(name):
        ingress += _from(cluster, [name], *members)
        egress.append(_to(cluster, name, *members))
    if name == postgres.NAME:
        # Patroni elects its leader through the API server, whose address no label tells.
        egress.append({"ports": _ports(*_API_SERVER_PORTS)})
    return _policy(cluster, object_name(cluster, name), name, ingress, egress)


def _service_policy(cluster: ChatCluster, name: str) -> Manifest:
    profile = services.PROFILES[name]
    callers = [caller for caller in SERVICES if name in services.PROFILES[caller].calls]
    callers += [EDGE] if profile.behind_edge else []
    egress = [_DNS, *(_to(cluster, called, services.PROFILES[called].port) for called in profile.calls)]
    for store in profile.stores:
        # An external store may be anywhere, on any port: its address is in a Secret.
        external = cluster.spec.store(store).external is not None
        egress.append({} if external else _to(cluster, store, stores.PORTS[store]))
    if name == "notification":
        # Push services, each wherever its browser's maker has it.
        egress.append({"ports": _ports(443)})
        if smtp := cluster.spec.notification.smtp:
            egress.append({"ports": _ports(smtp.port)})
    if name == "file" and (scanner := cluster.spec.files.scanner):
        egress.append({"ports": _ports(scanner.port)})
    ingress = [*_from(cluster, callers, profile.port), _metrics(profile.port)]
    return _policy(cluster, object_name(cluster, name), name, ingress, egress)


def _edge_policy(cluster: ChatCluster) -> Manifest:
    behind = [name for name in SERVICES if services.PROFILES[name].behind_edge]
    # Clients come from anywhere, and through load balancers from addresses that are not theirs.
    ingress = [{"ports": _ports(edge.PORT)}, _metrics(edge.ADMIN_PORT)]
    egress = [_DNS, *(_to(cluster, name, services.PROFILES[name].port) for name in behind)]
    return _policy(cluster, object_name(cluster, EDGE), EDGE, ingress, egress)
