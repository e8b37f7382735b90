"""The spec of a ChatCluster. The docstring of a field is its description in the CRD, hence in `kubectl explain`.

Rules stand twice on purpose: as CEL, so that the API server refuses a bad spec at once, and as validators here, because
an object may have been stored before a rule existed. Only the CEL ones can compare an old spec with a new one.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from chatcluster_operator.api.constants import COMPONENTS
from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.quantity import Quantity, StorageQuantity, parse_quantity
from chatcluster_operator.api.strategic import merge

ObjectName = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]


class DeletionPolicy(StrEnum):
    """What becomes of the data when the ChatCluster is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class PullPolicy(StrEnum):
    """When a node fetches an image, as in a pod."""

    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


class ServiceType(StrEnum):
    """How the edge is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class MongoEngine(StrEnum):
    """What stores the messages."""

    EMBEDDED = "Embedded"


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class TolerationOperator(StrEnum):
    """How a toleration is compared with a taint."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Amounts(Model):
    """A share of a node."""

    cpu: Quantity | None = None
    """Processor share in cores, such as 500m or 2."""
    memory: Quantity | None = None
    """Memory in bytes, such as 256Mi."""


class Resources(Model):
    """What each pod of a component asks of its node. An amount left out takes the operator's figure."""

    requests: Amounts = Amounts()
    """What the scheduler sets aside for the pod."""
    limits: Amounts = Amounts()
    """What the pod may not exceed. No processor limit unless one is set here: throttling costs more than it saves."""

    @model_validator(mode="after")
    def _requests_within_limits(self) -> Self:
        for name in ("cpu", "memory"):
            request, limit = getattr(self.requests, name), getattr(self.limits, name)
            if request and limit and parse_quantity(request) > parse_quantity(limit):
                raise ValueError(f"requests.{name} is above limits.{name}; lower the request or raise the limit")
        return self


_KNOWN = ", ".join(COMPONENTS)


class Images(Model):
    """Where images come from. The catalogue beside the operator names one for each component of each release."""

    overrides: Annotated[
        dict[str, Annotated[str, StringConstraints(min_length=1, max_length=512)]],
        Field(
            max_length=len(COMPONENTS),
            json_schema_extra=rules(
                (
                    f"self.all(component, component in {list(COMPONENTS)!r})",
                    f"images.overrides names an unknown component; the components are {_KNOWN}",
                ),
                (
                    "self.all(component, self[component].matches('[:@][^:@/]+$') "
                    "&& !self[component].endsWith(':latest'))",
                    "images.overrides must name a fixed version; end each image with a tag other than latest, "
                    "or with a digest",
                ),
            ),
        ),
    ] = Field(default_factory=dict[str, str])
    """Image references by component, each in place of the catalogue's."""
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """When a node fetches an image."""
    pull_secrets: Annotated[
        list[ObjectName], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list[str])
    """Names of Secrets in the ChatCluster's namespace that open the registry."""

    @model_validator(mode="after")
    def _known_and_fixed(self) -> Self:
        for component, image in self.overrides.items():
            if component not in COMPONENTS:
                raise ValueError(f"overrides names an unknown component, {component}; the components are {_KNOWN}")
            if not re.search(r"[:@][^:@/]+$", image) or image.endswith(":latest"):
                raise ValueError(f"overrides.{component} must end with a tag other than latest, or with a digest")
        return self


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


class Toleration(Model):
    """A taint that pods put up with, as in a pod."""

    key: Annotated[str, StringConstraints(max_length=316)] = ""
    """Key of the taint; empty with operator Exists: every taint."""
    operator: TolerationOperator = TolerationOperator.EQUAL
    """Equal: the values match. Exists: whatever the value."""
    value: Annotated[str, StringConstraints(max_length=63)] = ""
    """Value of the taint."""
    effect: TaintEffect | None = None
    """Effect of the taint; left out: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a pod stays once the taint NoExecute is there; left out: for ever."""


class Placement(Model):
    """Which nodes a component's pods run on. Among those they are spread."""

    node_selector: Annotated[dict[str, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=16)] = Field(
        default_factory=dict[str, str]
    )
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(default_factory=list[Toleration])
    """Taints that the pods put up with."""
    affinity: Annotated[
        dict[str, Any] | None, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = None
    """Affinity and anti-affinity, as in a pod."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""


_FIXED_LABELS = "app.kubernetes.io/"


class Workload(Model):
    """What every component may be told of its pods."""

    resources: Resources | None = None
    """What each pod asks of its node."""
    placement: Placement = Placement()
    """Which nodes the pods run on."""
    pod_override: Annotated[
        dict[str, Any] | None, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = None
    """Merged into the pod template as `kubectl patch` would (strategic merge): what no other field can say, such as a
    sidecar or a host alias. Labels app.kubernetes.io/… cannot be changed by it. Use it with care: it can break what the
    operator relies on."""

    @model_validator(mode="after")
    def _override_is_a_patch(self) -> Self:
        metadata = (self.pod_override or {}).get("metadata")
        labels = cast("dict[str, Any]", metadata).get("labels") if isinstance(metadata, dict) else None
        if isinstance(labels, dict) and any(name.startswith(_FIXED_LABELS) for name in cast("dict[str, Any]", labels)):
            raise ValueError(f"podOverride changes a label {_FIXED_LABELS}…, by which pods are found; remove it")
        merge({}, self.pod_override or {})
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


class Storage(Model):
    """A store's volume."""

    size: StorageQuantity
    """Size of each volume. Fixed once set."""
    storage_class_name: ObjectName | None = None
    """StorageClass of the volumes, the cluster's default one when left out. Fixed once set."""


class External(Model):
    """A store that the user runs, in place of a managed one."""

    secret_name: ObjectName
    """Secret in the ChatCluster's namespace with the store's address and credentials."""


_MANAGED_FIELDS = ("storage", "resources", "pod_override", "engine")


def _store_rules(name: str, size: str, *managed_fields: str) -> ConfigDict:
    """The rules of one store: what excludes what, and what may not change. `size` is its default size."""

    def chosen(which: str) -> str:
        return f"(has({which}.storage) ? quantity({which}.storage.size) : quantity('{size}'))"

    def storage_class(which: str) -> str:
        return (
            f"(has({which}.storage) && has({which}.storage.storageClassName) ? {which}.storage.storageClassName : '')"
        )

    both_managed = "has(self.external) || has(oldSelf.external)"
    managed_fields = (*managed_fields, "podOverride")
    alone = " && ".join(f"!has(self.{field})" for field in managed_fields)
    return ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.external) || ({alone})",
                f"{name}.external excludes {', '.join(managed_fields)}, which describe a managed store; remove either",
            ),
            (
                "has(self.external) == has(oldSelf.external)",
                f"{name} cannot change between managed and external, because the data would stay behind; "
                "make a new ChatCluster and move the data",
            ),
            (
                f"{both_managed} || {chosen('self')}.compareTo({chosen('oldSelf')}) == 0",
                f"{name}.storage.size is fixed, because volumes in use are not resized; restore it, or make a new "
                "ChatCluster and move the data",
            ),
            (
                f"{both_managed} || {storage_class('self')} == {storage_class('oldSelf')}",
                f"{name}.storage.storageClassName is fixed, because volumes stay where they are; restore it, or make "
                "a new ChatCluster and move the data",
            ),
        )
    )


class Store(Workload):
    """What all five stores share."""

    default_size: ClassVar[str]

    storage: Storage | None = None
    """The volume. Left out: the operator's size for the store, on the default storage class."""
    external: External | None = None
    """A store that you run, in place of a managed one. The choice is final."""

    @property
    def volume(self) -> Storage:
        """The volume asked for, or the default one."""
        return self.storage or Storage(size=self.default_size)

    @model_validator(mode="after")
    def _external_stands_alone(self) -> Self:
        if self.external is not None:
            for field in _MANAGED_FIELDS:
                if getattr(self, field, None) is not None:
                    name = to_camel(field)
                    raise ValueError(f"external excludes {name}, which describes a managed store; remove either")
        return self


class Postgres(Store):
    """PostgreSQL: accounts and sessions."""

    default_size = "8Gi"
    model_config = _store_rules("postgres", default_size, "storage", "resources")


class Mongodb(Store):
    """MongoDB: conversations and messages."""

    default_size = "10Gi"
    model_config = _store_rules("mongodb", default_size, "storage", "resources", "engine")

    engine: MongoEngine | None = None
    """What a managed MongoDB runs on. Embedded, the default: a single-node stand-in that speaks MongoDB's protocol.
    It is for development and tests; keep a production's messages in an external MongoDB replica set."""


class Redis(Store):
    """Redis: fan-out, presence and rates."""

    default_size = "1Gi"
    model_config = _store_rules("redis", default_size, "storage", "resources")


class Kafka(Store):
    """Kafka: events between services."""

    default_size = "8Gi"
    model_config = _store_rules("kafka", default_size, "storage", "resources")


class Objects(Store):
    """An S3 object store: files."""

    default_size = "10Gi"
    model_config = _store_rules("objects", default_size, "storage", "resources")


class Smtp(Model):
    """The mail server that notifications are handed to."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.secretName) || self.security != 'none'",
                "notification.smtp.secretName would send a password in the clear; set notification.smtp.security to "
                "starttls or tls, or remove secretName",
            )
        )
    )

    host: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*)$")]
    """Name or address of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """Its port."""
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    """Protection of the connection: none, starttls, or tls from the first byte."""
    sender: Annotated[
        str, StringConstraints(min_length=3, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$"), Field(alias="from")
    ]
    """Address that mail comes from."""
    secret_name: ObjectName | None = None
    """Secret with the keys `username` and `password`. Left out: the server takes mail without them."""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.secret_name is not None and self.security is SmtpSecurity.NONE:
            raise ValueError("secretName needs security starttls or tls; set the security or remove secretName")
        return self


class Notification(Model):
    """How people who are not there are told."""

    smtp: Smtp | None = None
    """The mail server. Left out: no mail is sent."""


class Upgrade(Model):
    """How a change of release goes: stores first, then services one after the other, then the edge."""

    step_timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600
    """How long one component may take to become ready with the new release; then everything is taken back."""


class Scanner(Model):
    """A virus scanner that speaks ClamAV's protocol."""

    host: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*)$")]
    """Name or address of clamd."""
    port: Annotated[int, Field(ge=1, le=65535)] = 3310
    """Its port."""


class Files(Model):
    """What becomes of uploaded files."""

    scanner: Scanner | None = None
    """Scans each upload; until it is found clean nobody gets it. Left out: nothing is scanned."""


class ChatClusterSpec(Model):
    """What a ChatCluster should be. Only the version is required."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._]*)$")]
    """Release to run: a key of the image catalogue, the ConfigMap chatcluster-images beside the operator."""
    paused: bool = False
    """While true, the operator looks and reports, but changes nothing: for mending something by hand. What Kubernetes
    does by itself goes on."""
    hibernated: bool = False
    """While true, nothing runs: services and edge go to zero replicas, then the stores. Volumes, credentials and
    addresses stay; set back to false, everything is as it was."""
    upgrade: Upgrade = Upgrade()
    """How a change of `version` goes."""
    images: Images = Images()
    """Where images come from."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What becomes of volumes and credentials when the ChatCluster is deleted. Retain keeps them, and a new ChatCluster
    of the same name takes them up again; Delete removes them."""
    edge: Edge = Edge()
    """The HAProxy replicas through which all clients come."""
    services: Services = Services()
    """The six services."""
    postgres: Postgres = Postgres()
    """PostgreSQL: accounts, API tokens and preferences. Keys of an external Secret, each postgresql+asyncpg://… with a
    database and role of its own: `user_url`, `gateway_url`, `notification_url`."""
    mongodb: Mongodb = Mongodb()
    """MongoDB: conversations and messages. Keys of an external Secret: `url` (mongodb://…)."""
    redis: Redis = Redis()
    """Redis: fan-out, presence and rates. Keys of an external Secret: `url` (redis://… or rediss://…), of a user that
    may use the keys and channels `gateway:*`, `user:*`, `message:*`, `file:*`, `notification:*`, `presence:*` and
    `auth:*`."""
    kafka: Kafka = Kafka()
    """Kafka: events between services. Keys of an external Secret: `bootstrap` (host:port, several with commas),
    `username`, `password`; SASL PLAIN."""
    objects: Objects = Objects()
    """S3 object store: files. Keys of an external Secret: `endpoint` (http:// or https://), `bucket`, `region`,
    `access_key`, `secret_key`."""
    files: Files = Files()
    """What becomes of uploaded files."""
    notification: Notification = Notification()
    """How people who are not there are told."""

    def service(self, name: str) -> Service:
        """The service of that name."""
        return getattr(self.services, name)

    def store(self, name: str) -> Store:
        """The store of that name."""
        return getattr(self, name)
