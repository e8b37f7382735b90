"""The six services."""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.constants import MOST_REPLICAS
from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.pods import Workload

Replicas = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]


class Autoscaling(Model):
    """Bounds of the number of replicas. An autoscaler keeps it between the two."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
                "autoscaling.minReplicas is above autoscaling.maxReplicas; lower the one or raise the other",
            )
        )
    )

    min_replicas: Replicas | None = None
    """Fewest replicas. Left out: what spec.capacity asks for, else 2, which survive the loss of a node."""
    max_replicas: Replicas | None = None
    """Most replicas. Left out: what spec.capacity asks for, else 6."""
    target_cpu_utilization: Annotated[int, Field(ge=10, le=95, alias="targetCPUUtilization")] = 70
    """Processor use, as a percentage of what the pods request, that the number of replicas aims at."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas is not None and self.max_replicas is not None and self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas is above maxReplicas; lower the one or raise the other")
        return self


class SocketAutoscaling(Autoscaling):
    """Bounds of the number of replicas, and how many sockets each should hold."""

    target_connections: Annotated[int, Field(ge=10, le=50_000)] | None = None
    """Sockets a replica that the number of replicas aims at too. It takes KEDA 2.20 or newer in the cluster; without,
    processor use alone counts, and the condition ScalesOnSockets says so. Left out: what spec.capacity asks for, else
    sockets do not count."""


class EnvVar(Model):
    """One plain setting of a service."""

    name: Annotated[str, StringConstraints(min_length=6, max_length=63, pattern=r"^CHAT_[A-Z0-9_]+$")]
    """Name of the setting, beginning with CHAT_."""
    value: Annotated[str, StringConstraints(max_length=1024)]
    """Its value. Never put a secret here: everyone who may read the ChatCluster can read it."""


def _service_rules() -> dict[str, Any]:
    return rules(
        (
            "!has(self.replicas) || !has(self.autoscaling)",
            "services.replicas is a fixed number and excludes services.autoscaling; remove either",
        )
    )


class Service(Workload):
    """One of the six services."""

    model_config = ConfigDict(json_schema_extra=_service_rules())

    replicas: Replicas | None = None
    """A fixed number of replicas, in place of autoscaling."""
    autoscaling: Autoscaling | None = None
    """Between which bounds the number of replicas is kept, and at what it aims. Left out: the operator's bounds."""
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = Field(default_factory=list[EnvVar])
    """Further settings of the service; one that the operator sets too takes the value given here."""

    @model_validator(mode="after")
    def _fixed_or_scaled(self) -> Self:
        if self.replicas is not None and self.autoscaling is not None:
            raise ValueError("replicas is a fixed number and excludes autoscaling; remove either")
        return self


class SocketService(Service):
    """A service that people stay connected to."""

    autoscaling: SocketAutoscaling | None = None  # pyright: ignore[reportIncompatibleVariableOverride] - models are frozen
    """Between which bounds the number of replicas is kept, and at what it aims. Left out: the operator's bounds."""


class OptionalService(Service):
    """A service that a ChatCluster can do without."""

    enabled: bool = True
    """Whether it runs. False removes it; what it has stored stays, and is there again when it is set back."""


_NO_MAIL: Final = (
    "services.user.env CHAT_EMAIL_VERIFICATION needs the notification service, which mails the links; set it to off, "
    "or services.notification.enabled to true"
)


class Services(Model):
    """The six services."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.notification.enabled || !has(self.user.env) || self.user.env.all(setting, "
                "setting.name != 'CHAT_EMAIL_VERIFICATION' || setting.value == 'off')",
                _NO_MAIL,
            )
        )
    )

    gateway: Service = Service()
    """Checks tokens, limits rates and passes REST calls on."""
    user: Service = Service()
    """Accounts, sessions and tokens."""
    message: SocketService = SocketService()
    """Conversations and messages, over REST and Socket.IO."""
    file: OptionalService = OptionalService()
    """Uploads, downloads and thumbnails. Without it nobody can send a file or set a picture."""
    notification: OptionalService = OptionalService()
    """Mail and push messages for those who are not there. Without it no mail is sent at all, those that verify an
    address or reset a password among them."""
    presence: SocketService = SocketService()
    """Who is there, and who is typing, over Socket.IO."""

    @model_validator(mode="after")
    def _links_are_mailed(self) -> Self:
        verified = any(item.name == "CHAT_EMAIL_VERIFICATION" and item.value != "off" for item in self.user.env)
        if verified and not self.notification.enabled:
            raise ValueError(_NO_MAIL)
        return self
