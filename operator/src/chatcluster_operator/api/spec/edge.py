"""The edge: how people reach the ChatCluster."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.pods import Workload


class ServiceType(StrEnum):
    """How the edge is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class EdgeService(Model):
    """The Kubernetes Service in front of the edge."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.nodePort) || self.type in ['NodePort', 'LoadBalancer']",
                "edge.service.nodePort needs a node port; set edge.service.type to NodePort or LoadBalancer, "
                "or remove nodePort",
            )
        )
    )

    type: ServiceType = ServiceType.CLUSTER_IP
    """ClusterIP: inside the cluster alone. NodePort: a port of each node. LoadBalancer: the provider's address."""
    node_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port on each node; Kubernetes picks one from its range when left out."""
    annotations: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=1024)]],
        Field(max_length=32),
    ] = Field(default_factory=dict[str, str])
    """Annotations of the Service, as load balancers of cloud providers read them."""

    @model_validator(mode="after")
    def _node_port_has_a_node(self) -> Self:
        if self.node_port is not None and self.type is ServiceType.CLUSTER_IP:
            raise ValueError("nodePort needs type NodePort or LoadBalancer; set the type or remove nodePort")
        return self


class Edge(Workload):
    """The HAProxy replicas through which all clients come."""

    replicas: Annotated[int, Field(ge=1, le=50)] = 2
    """How many run. Two or more survive the loss of a node."""
    service: EdgeService = EdgeService()
    """How they are reached."""
    public_url: (
        Annotated[str, StringConstraints(min_length=8, max_length=253, pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")]
        | None
    ) = None
    """Address under which people reach the edge, such as https://chat.example.com; links in mail begin with it.
    Left out: the edge's address inside the cluster."""
