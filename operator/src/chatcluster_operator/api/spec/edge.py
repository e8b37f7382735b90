"""The edge: how people reach the ChatCluster."""

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.constants import MOST_EDGES
from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.common import ObjectName
from chatcluster_operator.api.spec.pods import Workload
from chatcluster_operator.api.spec.tls import Tls


def _network(text: str) -> str:
    return str(ip_network(text, strict=False))


Network = Annotated[
    str, StringConstraints(max_length=49), AfterValidator(_network), Field(json_schema_extra={"format": "cidr"})
]
"""A range of addresses, such as 10.0.0.0/8 or 2001:db8::/32."""

Annotations = Annotated[dict[str, Annotated[str, StringConstraints(max_length=1024)]], Field(max_length=32)]
Labels = Annotated[dict[str, Annotated[str, StringConstraints(max_length=63)]], Field(min_length=1, max_length=16)]


class ServiceType(StrEnum):
    """How the edge is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class TrafficPolicy(StrEnum):
    """Which pods traffic from outside goes to."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class EdgeService(Model):
    """The Kubernetes Service in front of the edge."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(has(self.nodePort) || has(self.httpsNodePort)) || self.type in ['NodePort', 'LoadBalancer']",
                "edge.service.nodePort and httpsNodePort need a node port; set edge.service.type to NodePort or "
                "LoadBalancer, or remove them",
            ),
            (
                "!has(self.externalTrafficPolicy) || self.type in ['NodePort', 'LoadBalancer']",
                "edge.service.externalTrafficPolicy is about traffic from outside; set edge.service.type to NodePort "
                "or LoadBalancer, or remove it",
            ),
            (
                "!has(self.loadBalancerSourceRanges) || self.type == 'LoadBalancer'",
                "edge.service.loadBalancerSourceRanges needs a load balancer; set edge.service.type to LoadBalancer, "
                "or remove it",
            ),
        )
    )

    type: ServiceType = ServiceType.CLUSTER_IP
    """ClusterIP: inside the cluster alone. NodePort: a port of each node. LoadBalancer: the provider's address."""
    node_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port for HTTP on each node; Kubernetes picks one from its range when left out."""
    https_node_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port for HTTPS on each node, where edge.tls is set; Kubernetes picks one when left out."""
    annotations: Annotations = Field(default_factory=dict[str, str])
    """Annotations of the Service, as load balancers of cloud providers read them."""
    load_balancer_source_ranges: Annotated[list[Network], Field(min_length=1, max_length=64)] | None = None
    """Addresses (CIDR) that the load balancer lets in; left out: all. Providers differ in whether they heed it."""
    external_traffic_policy: TrafficPolicy | None = None
    """Local: traffic from outside goes to pods of the node it came to, and keeps its client's address. Cluster, the
    default: it goes to any pod, from an address of the node."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        ports = self.node_port is not None or self.https_node_port is not None
        if (ports or self.external_traffic_policy is not None) and self.type is ServiceType.CLUSTER_IP:
            raise ValueError(
                "nodePort, httpsNodePort and externalTrafficPolicy need type NodePort or LoadBalancer; set the type "
                "or remove them"
            )
        if self.load_balancer_source_ranges is not None and self.type is not ServiceType.LOAD_BALANCER:
            raise ValueError("loadBalancerSourceRanges needs type LoadBalancer; set the type or remove it")
        return self


class Ingress(Model):
    """An Ingress object for edge.host that leads to the edge. HTTPS then ends at the ingress controller, with the
    certificate of edge.tls where that is set."""

    class_name: ObjectName | None = None
    """IngressClass; left out: the cluster's default one."""
    annotations: Annotations = Field(default_factory=dict[str, str])
    """Annotations of the Ingress, as its controller reads them. WebSockets need a controller that waits longer than 25
    seconds on a silent connection, and bodies as long as those of edge.tuning."""


class ProxyHeader(StrEnum):
    """How a proxy in front of the edge says who the client is."""

    X_FORWARDED_FOR = "XForwardedFor"
    PROXY_PROTOCOL = "ProxyProtocol"


class TrustedProxies(Model):
    """Proxies in front of the edge, such as a load balancer or an ingress controller, whose word counts."""

    addresses: Annotated[list[Network], Field(min_length=1, max_length=64)]
    """Networks (CIDR) that they connect from. Whoever can connect from there can claim any address: name no network
    that clients are in."""
    header: ProxyHeader = ProxyHeader.X_FORWARDED_FOR
    """XForwardedFor: by the headers X-Forwarded-For and X-Forwarded-Proto; the client is the last address that is none
    of theirs. ProxyProtocol: by the PROXY protocol, version 1 or 2, which every connection from there must then begin
    with."""


class Tuning(Model):
    """Limits of each edge replica."""

    max_connections: Annotated[int, Field(ge=100, le=1_000_000)] | None = None
    """Client connections at a time; further ones wait. Each takes two file descriptors of what the node allows a
    container. Left out: 8000, or more where spec.capacity asks for it."""
    threads: Annotated[int, Field(ge=1, le=64)] | None = None
    """Threads. Left out: as many as the replica's processor share, rounded up, and at least two."""
    client_timeout_seconds: Annotated[int, Field(ge=30, le=3600)] = 60
    """How long a client may be silent within a request. Long-polling is answered after 25 seconds."""
    server_timeout_seconds: Annotated[int, Field(ge=30, le=3600)] = 60
    """How long a service may be silent within a request."""
    tunnel_timeout_seconds: Annotated[int, Field(ge=60, le=86_400)] = 3600
    """How long a WebSocket may be silent. Clients are pinged every 25 seconds, so only lost ones are."""
    queue_timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """How long a request waits for a service that takes it before it gets 503."""
    requests_per_address: Annotated[int, Field(ge=100, le=10_000_000)] = 10_000
    """Requests of one address in ten seconds before it gets 429. A whole company may be behind one address."""
    connections_per_address: Annotated[int, Field(ge=10, le=10_000_000)] = 5_000
    """New connections of one address in ten seconds before it gets 429."""
    max_request_bytes: Annotated[int, Field(ge=65_536, le=1_073_741_824)] = 16 * 1024 * 1024
    """Longest body of a request to the API. The services' own limits are below the default."""
    max_upload_bytes: Annotated[int, Field(ge=1_048_576, le=17_179_869_184)] = 128 * 1024 * 1024
    """Longest body of an upload. What a file may have is the file service's to say (CHAT_MAX_FILE_BYTES)."""


class Selector(Model):
    """Labels to choose by."""

    match_labels: Labels
    """Labels that must all be there."""


class Peer(Model):
    """Pods that may connect to the services behind the edge."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.namespaceSelector) || has(self.podSelector)",
                "edge.external.peers needs a namespaceSelector, a podSelector or both in each item; add one",
            )
        )
    )

    namespace_selector: Selector | None = None
    """Namespaces of the pods; left out: the ChatCluster's own."""
    pod_selector: Selector | None = None
    """The pods; left out: all of these namespaces."""

    @model_validator(mode="after")
    def _chooses_something(self) -> Self:
        if self.namespace_selector is None and self.pod_selector is None:
            raise ValueError("needs a namespaceSelector, a podSelector or both; add one")
        return self


class ExternalEdge(Model):
    """A proxy of your own in place of HAProxy. It must do what docs/edge.md lists under "Your own proxy": the services
    believe what it says of the client."""

    peers: Annotated[list[Peer], Field(min_length=1, max_length=16)]
    """The proxy's pods, to which the network policies are opened. Anything else that they choose can claim to be any
    client."""


_REACHABLE: Final = "needs a name to be reached by; set edge.host"
_NOT_RUN: Final = (
    "edge.external means that no edge is run, so nothing can be said of it; remove tls, ingress, tuning, "
    "trustedProxies, replicas, resources, podOverride and service, or remove external"
)


class Edge(Workload):
    """The HAProxy replicas through which all clients come."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!has(self.ingress) || has(self.host)", f"edge.ingress {_REACHABLE}"),
            ("!has(self.tls) || !has(self.tls.issuer) || has(self.host)", f"edge.tls.issuer {_REACHABLE}"),
            (
                "!has(self.external) || has(self.host) || has(self.publicUrl)",
                "edge.external: only you know where your proxy is; set edge.host or edge.publicUrl",
            ),
            (
                "!has(self.external) || !(has(self.tls) || has(self.ingress) || has(self.tuning) || "
                "has(self.trustedProxies) || has(self.replicas) || has(self.resources) || "
                "has(self.podOverride) || self.service.type != 'ClusterIP')",
                _NOT_RUN,
            ),
        )
    )

    replicas: Annotated[int, Field(ge=1, le=MOST_EDGES)] | None = None
    """How many run. Two or more survive the loss of a node."""
    host: (
        Annotated[
            str,
            StringConstraints(
                max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
            ),
        ]
        | None
    ) = None
    """Name under which people reach the ChatCluster, such as chat.example.com."""
    public_url: (
        Annotated[
            str,
            StringConstraints(
                min_length=8, max_length=253, pattern=r"^https?://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9._~/]*)?$"
            ),
        ]
        | None
    ) = None
    """Address under which people reach it, such as https://chat.example.com:8443; links in mail begin with it. Left
    out: made from edge.host, https:// where edge.tls is set, and without a host the address inside the cluster."""
    service: EdgeService = EdgeService()
    """How the replicas are reached."""
    ingress: Ingress | None = None
    """Reach them through an ingress controller. Left out: no Ingress is made."""
    tls: Tls | None = None
    """HTTPS: `{}` for a certificate of the operator's own authority, or one of `secretName` and `issuer`. Left out:
    plain HTTP."""
    trusted_proxies: TrustedProxies | None = None
    """Proxies in front of the edge. Left out: the client is who connects."""
    tuning: Tuning | None = None
    """Limits of each replica. Left out: those that the fields' defaults say."""
    external: ExternalEdge | None = None
    """Run no HAProxy; a proxy of your own leads to the services."""

    @property
    def limits(self) -> Tuning:
        """The limits in force."""
        return self.tuning or Tuning()

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.host is None:
            if self.ingress is not None:
                raise ValueError(f"ingress {_REACHABLE}")
            if self.tls is not None and self.tls.issuer is not None:
                raise ValueError(f"tls.issuer {_REACHABLE}")
            if self.external is not None and self.public_url is None:
                raise ValueError("only you know where your proxy is; set host or publicUrl")
        about = (self.tls, self.ingress, self.tuning, self.trusted_proxies)
        about += (self.replicas, self.resources, self.pod_override)
        said = any(item is not None for item in about) or self.service.type is not ServiceType.CLUSTER_IP
        if self.external is not None and said:
            raise ValueError(_NOT_RUN)
        return self
