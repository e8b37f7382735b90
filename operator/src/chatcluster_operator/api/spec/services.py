"""The six services."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.pods import Workload


class Autoscaling(Model):
    """How many replicas a service has. A HorizontalPodAutoscaler keeps the number between the two bounds."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.minReplicas <= self.maxReplicas",
                "autoscaling.minReplicas is above autoscaling.maxReplicas; lower the one or raise the other",
            )
        )
    )

    min_replicas: Annotated[int, Field(ge=1, le=500)] = 2
    """Fewest replicas. Two or more survive the loss of a node."""
    max_replicas: Annotated[int, Field(ge=1, le=500)] = 6
    """Most replicas."""
    target_cpu_utilization: Annotated[int, Field(ge=10, le=95, alias="targetCPUUtilization")] = 70
    """Processor use, as a percentage of what the pods request, that the number of replicas aims at."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas is above maxReplicas; lower the one or raise the other")
        return self


class EnvVar(Model):
    """One plain setting of a service."""

    name: Annotated[str, StringConstraints(min_length=6, max_length=63, pattern=r"^CHAT_[A-Z0-9_]+$")]
    """Name of the setting, beginning with CHAT_."""
    value: Annotated[str, StringConstraints(max_length=1024)]
    """Its value. Never put a secret here: everyone who may read the ChatCluster can read it."""


class Service(Workload):
    """One of the six services."""

    autoscaling: Autoscaling = Autoscaling()
    """How many replicas run."""
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = Field(default_factory=list[EnvVar])
    """Further settings of the service; one that the operator sets too takes the value given here."""


class Services(Model):
    """The six services."""

    gateway: Service = Service()
    """Checks tokens, limits rates and passes REST calls on."""
    user: Service = Service()
    """Accounts, sessions and tokens."""
    message: Service = Service()
    """Conversations and messages, over REST and Socket.IO."""
    file: Service = Service()
    """Uploads, downloads and thumbnails."""
    notification: Service = Service()
    """Mail for those who are not there."""
    presence: Service = Service()
    """Who is there, and who is typing, over Socket.IO."""
