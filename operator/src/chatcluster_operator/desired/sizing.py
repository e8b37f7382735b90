"""How large everything is: what the spec says explicitly, else what `spec.capacity` asks for, else the operator's own.

Each number carries where it is from and why. What is derived is never below the operator's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

from chatcluster_operator.api import EDGE, SERVICES, STORES, ChatCluster
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.api.spec import Autoscaling, Resources, Workload
from chatcluster_operator.desired.capacity import Bound, Demand, Need, Number, derive

T = TypeVar("T", int, str)


class Origin(StrEnum):
    """Where a number is from."""

    SPEC = "spec"
    CAPACITY = "capacity"
    DEFAULT = "default"


class Choice(NamedTuple, Generic[T]):
    """A number that was chosen, or a quantity."""

    value: T
    why: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Size:
    """How large one component is."""

    replicas: Choice[int]
    """How many run; under an autoscaler the fewest."""
    most: Choice[int] | None
    """The most that an autoscaler may set; None: there is no autoscaler."""
    cpu: Choice[str]
    memory: Choice[str]
    memory_limit: Choice[str]
    cpu_limit: str | None = None
    volume: Choice[str] | None = None
    """Size of each volume, where it is still to be made."""
    connections: Choice[int] | None = None
    """Sockets a replica that the autoscaler aims at."""
    target_cpu: int = 0
    """Processor use that the autoscaler aims at, as a percentage of the request."""

    @property
    def resources(self) -> dict[str, Any]:
        """As a container's `resources`."""
        limits = {"memory": self.memory_limit.value} | ({"cpu": self.cpu_limit} if self.cpu_limit else {})
        return {"requests": {"cpu": self.cpu.value, "memory": self.memory.value}, "limits": limits}

    @property
    def scales_on_sockets(self) -> bool:
        """Whether an autoscaler should look at sockets too."""
        return self.most is not None and self.connections is not None

    @property
    def ceiling(self) -> int:
        """The most replicas that there may ever be."""
        return max(self.replicas.value, self.most.value if self.most else 0)


@dataclass(frozen=True, slots=True)
class Sizing:
    """How large everything is."""

    users: int | None
    """What it is derived from; None: nothing is."""
    components: Mapping[str, Size]
    partitions: Choice[int]
    """Of the messages' topic, where it is still to be made."""
    database_connections: Choice[int]
    """That PostgreSQL allows, where it is still to be made."""
    edge_connections: Choice[int]
    """That a replica of the edge takes at a time."""
    bounds: tuple[Bound, ...] = ()
    """Managed stores that do not suffice for so many people."""

    def __getitem__(self, component: str) -> Size:
        return self.components[component]


class _Defaults(NamedTuple):
    """A component's size where nothing else says anything."""

    cpu: str
    memory: str
    memory_limit: str
    volume: str | None = None


_DEFAULTS: Final[Mapping[str, _Defaults]] = {
    "gateway": _Defaults("100m", "96Mi", "256Mi"),
    # argon2id takes 19 MiB a password, two at a time.
    "user": _Defaults("100m", "128Mi", "384Mi"),
    "message": _Defaults("150m", "128Mi", "512Mi"),
    # Uploads pass through in parts, and thumbnails are decoded in processes of their own.
    "file": _Defaults("100m", "192Mi", "1Gi"),
    "notification": _Defaults("50m", "96Mi", "256Mi"),
    "presence": _Defaults("100m", "96Mi", "384Mi"),
    "postgres": _Defaults("100m", "192Mi", "512Mi", "8Gi"),
    "mongodb": _Defaults("200m", "256Mi", "768Mi", "10Gi"),
    "redis": _Defaults("50m", "64Mi", "256Mi", "1Gi"),
    "kafka": _Defaults("150m", "512Mi", "768Mi", "8Gi"),
    "objects": _Defaults("100m", "192Mi", "768Mi", "10Gi"),
    EDGE: _Defaults("50m", "64Mi", "256Mi"),
}
_FEWEST: Final = 2
_MOST: Final = 6
_EDGE_CONNECTIONS: Final = 8000
_PARTITIONS: Final = 6
_DATABASE_CONNECTIONS: Final = 200

_OWN: Final = "the operator's own; set spec.capacity or the field itself"
_SET: Final = "set in the spec"


def sizing(cluster: ChatCluster) -> Sizing:
    """How large everything is. Stores that are external, and services that do not run, are there all the same."""
    spec = cluster.spec
    demand = None
    if spec.capacity is not None:
        kept = spec.retention
        demand = derive(spec.capacity.concurrent_users, message_days=kept.messages_days, audit_days=kept.audit_days)
    needs: Mapping[str, Need] = demand.needs if demand else {}
    components = {name: _service(cluster, name, needs.get(name)) for name in SERVICES}
    components |= {name: _store(cluster, name, needs.get(name)) for name in STORES}
    components[EDGE] = _edge(cluster, needs.get(EDGE))
    return Sizing(
        users=demand.users if demand else None,
        components=components,
        partitions=_larger(_PARTITIONS, demand and demand.partitions),
        database_connections=_larger(_DATABASE_CONNECTIONS, demand and demand.database_connections),
        edge_connections=_larger(_EDGE_CONNECTIONS, demand and demand.needs[EDGE].connections),
        bounds=_exceeded(cluster, demand) if demand else (),
    )


def _service(cluster: ChatCluster, name: str, need: Need | None) -> Size:
    given = cluster.spec.service(name)
    scaling = given.autoscaling
    if given.replicas is not None:
        return _sized(name, given, need, replicas=_explicit(given.replicas), most=None)
    fewest = _chosen(scaling and scaling.min_replicas, _FEWEST, need and need.fewest)
    most = _chosen(scaling and scaling.max_replicas, _MOST, need and need.most)
    # One bound may be given alone: the other gives way.
    if fewest.value > most.value:
        if most.origin is Origin.SPEC:
            fewest = Choice(most.value, "no more than the most", most.origin)
        else:
            most = Choice(fewest.value, "no fewer than the fewest", fewest.origin)
    aim = getattr(scaling, "target_connections", None)
    connections = _explicit(aim) if aim is not None else need and need.connections and _derived(need.connections)
    size = _sized(name, given, need, replicas=fewest, most=most, connections=connections)
    return replace(size, target_cpu=(scaling or Autoscaling()).target_cpu_utilization)


def _store(cluster: ChatCluster, name: str, need: Need | None) -> Size:
    given = cluster.spec.store(name)
    size = given.storage.size if given.storage else None
    default = _DEFAULTS[name].volume
    assert default is not None  # noqa: S101 - every store has one
    volume = _quantity(size, default, need and need.volume, "Gi")
    return _sized(name, given, need, replicas=Choice(1, "stores have a single member", Origin.DEFAULT), volume=volume)


def _edge(cluster: ChatCluster, need: Need | None) -> Size:
    given = cluster.spec.edge
    return _sized(EDGE, given, need, replicas=_chosen(given.replicas, _FEWEST, need and need.fewest))


def _sized(
    name: str,
    given: Workload,
    need: Need | None,
    *,
    replicas: Choice[int],
    most: Choice[int] | None = None,
    volume: Choice[str] | None = None,
    connections: Choice[int] | None = None,
) -> Size:
    """A component's size with its resources: a limit given without a request lowers the request to it where it must,
    and a request given without a limit raises the limit."""
    own, asked = _DEFAULTS[name], given.resources or Resources()
    requests, limits = asked.requests, asked.limits
    memory_limit = _quantity(limits.memory, own.memory_limit, need and need.memory_limit, "Mi")
    if limits.memory is None and requests.memory and _above(requests.memory, memory_limit.value):
        memory_limit = Choice(requests.memory, "as requested", Origin.SPEC)
    cpu = _quantity(requests.cpu, own.cpu, need and need.cpu, "m")
    if requests.cpu is None and limits.cpu and _above(cpu.value, limits.cpu):
        cpu = Choice(limits.cpu, "no more than the limit", Origin.SPEC)
    memory = _quantity(requests.memory, own.memory, need and need.memory, "Mi")
    if requests.memory is None and _above(memory.value, memory_limit.value):
        memory = Choice(memory_limit.value, "no more than the limit", memory_limit.origin)
    return Size(replicas, most, cpu, memory, memory_limit, limits.cpu, volume, connections)


def _exceeded(cluster: ChatCluster, demand: Demand) -> tuple[Bound, ...]:
    return tuple(
        bound
        for bound in demand.bounds
        if bound.users < demand.users and cluster.spec.store(bound.component).external is None
    )


def _explicit(value: T) -> Choice[T]:
    return Choice(value, _SET, Origin.SPEC)


def _derived(number: Number) -> Choice[int]:
    return Choice(number.value, number.why, Origin.CAPACITY)


def _chosen(given: int | None, own: int, number: Number | None) -> Choice[int]:
    return _explicit(given) if given is not None else _larger(own, number)


def _larger(own: int, number: Number | None) -> Choice[int]:
    """What is derived, unless the operator's own is larger."""
    return _derived(number) if number is not None and number.value > own else Choice(own, _OWN, Origin.DEFAULT)


def _quantity(given: str | None, own: str, number: Number | None, unit: str) -> Choice[str]:
    if given is not None:
        return _explicit(given)
    if number is not None and _above(text := f"{number.value}{unit}", own):
        return Choice(text, number.why, Origin.CAPACITY)
    return Choice(own, _OWN, Origin.DEFAULT)


def _above(one: str, other: str) -> bool:
    return parse_quantity(one) > parse_quantity(other)
