"""How large everything is: what the spec says explicitly, else what `spec.capacity` asks for, else the operator's own.

Each number carries where it is from and why. What is derived is never below the operator's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

from chatcluster_operator.api import EDGE, SERVICES, STORES, ChatCluster
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.api.spec import Resources, Workload
from chatcluster_operator.api.spec.services import SocketAutoscaling
from chatcluster_operator.api.spec.stores import MongoEngine
from chatcluster_operator.desired.capacity import Bound, Demand, database_connections, derive
from chatcluster_operator.desired.needs import LEAST, LEAST_DATABASE_CONNECTIONS, LEAST_PARTITIONS, Need, Number, larger

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
    """Sockets a replica that the autoscaler aims at; at the edge, those that it takes."""
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
    """Of the messages' topic, at least."""
    database_connections: Choice[int]
    """That PostgreSQL allows."""
    bounds: tuple[Bound, ...] = ()
    """Managed stores that do not suffice for so many people."""

    @property
    def edge_connections(self) -> Choice[int]:
        """What a replica of the edge takes at a time."""
        connections = self.components[EDGE].connections
        assert connections is not None  # noqa: S101 - the edge always has a number
        return connections

    def __getitem__(self, component: str) -> Size:
        return self.components[component]


_SET: Final = "set in the spec"
_UNSET_SCALING: Final = SocketAutoscaling()
_UNSET_RESOURCES: Final = Resources()


def sizing(cluster: ChatCluster) -> Sizing:
    """How large everything is. Stores that are external, and services that do not run, are there all the same."""
    # One look at a ChatCluster asks a dozen times; it never changes, so the last answer is kept.
    if not _LAST or _LAST[0][0] is not cluster:
        _LAST[:] = [(cluster, _sizing(cluster))]
    return _LAST[0][1]


_LAST: Final[list[tuple[ChatCluster, Sizing]]] = []


def _sizing(cluster: ChatCluster) -> Sizing:
    spec = cluster.spec
    demand = None
    if spec.capacity is not None:
        kept = spec.retention
        demand = derive(spec.capacity.concurrent_users, message_days=kept.messages_days, audit_days=kept.audit_days)
    needs = demand.needs if demand else LEAST
    components = {name: _service(cluster, name, needs[name]) for name in SERVICES}
    components |= {name: _store(cluster, name, needs[name]) for name in STORES}
    components[EDGE] = _edge(cluster, needs[EDGE])
    return Sizing(
        users=demand.users if demand else None,
        components=components,
        partitions=_of(demand.partitions if demand else LEAST_PARTITIONS),
        database_connections=_of(_connections_of(cluster, components, derived=demand is not None)),
        bounds=_exceeded(cluster, demand) if demand else (),
    )


def _connections_of(cluster: ChatCluster, components: Mapping[str, Size], *, derived: bool) -> Number:
    """Counted by what runs, and not by what would without a word in the spec: whoever fixes replicas needs theirs."""
    objects = 1 if cluster.spec.objects.external else components["objects"].replicas.value
    counted = database_connections({name: size.ceiling for name, size in components.items()}, objects)
    return larger(LEAST_DATABASE_CONNECTIONS, replace(counted, derived=derived))


def _service(cluster: ChatCluster, name: str, need: Need) -> Size:
    given = cluster.spec.service(name)
    if given.replicas is not None:
        return _sized(given, need, replicas=_set(given.replicas))
    scaling = given.autoscaling or _UNSET_SCALING
    fewest, most = _choose(scaling.min_replicas, need.fewest), _choose(scaling.max_replicas, need.most)
    # One bound may be given alone: the other gives way.
    if fewest.value > most.value and most.origin is Origin.SPEC:
        fewest = Choice(most.value, "no more than the most", Origin.SPEC)
    elif fewest.value > most.value:
        most = Choice(fewest.value, "no fewer than the fewest", Origin.SPEC)
    aim = scaling.target_connections if isinstance(scaling, SocketAutoscaling) else None
    connections = _choose(aim, need.connections) if need.connections else _set(aim) if aim else None
    size = _sized(given, need, replicas=fewest, most=most, connections=connections)
    return replace(size, target_cpu=scaling.target_cpu_utilization)


def _store(cluster: ChatCluster, name: str, need: Need) -> Size:
    given = cluster.spec.store(name)
    assert need.volume is not None  # noqa: S101 - every store has one
    volume = _amount(given.storage.size if given.storage else None, need.volume, "Gi")
    return _sized(given, need, replicas=_members(cluster, name, need.fewest), volume=volume)


def _members(cluster: ChatCluster, name: str, derived: Number) -> Choice[int]:
    """How many members a store has. What is derived never makes fewer of those that there are."""
    given = cluster.spec.store(name)
    there = int(cluster.store_status(name).get("size", 0))
    if not given.GROWS_FROM_ONE and not there and _runs(cluster, name):
        return Choice(1, "made with one, and it stays one: its data would have to be moved", Origin.DEFAULT)
    if given.members is not None and given.members >= min(there, given.SHRINKS_TO):
        return _set(given.members)
    # One or three, whichever the store may have: an embedded engine is always alone, a replica set never.
    allowed = given.allowed_members
    most = Choice(max((n for n in allowed if n <= derived.value), default=min(allowed)), derived.why, _origin(derived))
    return Choice(there, "as many as there are", Origin.DEFAULT) if there > most.value and there in allowed else most


def _runs(cluster: ChatCluster, name: str) -> bool:
    """Whether the store has been made. The status that first lists its StatefulSet has its members too, of several."""
    made: list[dict[str, Any]] = cluster.status.get("inventory") or []
    return any((item["kind"], item["name"]) == ("StatefulSet", f"{cluster.name}-{name}") for item in made)


def _edge(cluster: ChatCluster, need: Need) -> Size:
    given = cluster.spec.edge
    connections = _of(need.connections) if need.connections else None
    return _sized(given, need, replicas=_choose(given.replicas, need.fewest), connections=connections)


def _sized(
    given: Workload,
    need: Need,
    *,
    replicas: Choice[int],
    most: Choice[int] | None = None,
    volume: Choice[str] | None = None,
    connections: Choice[int] | None = None,
) -> Size:
    """A component's size with its resources: a limit given without a request lowers the request to it where it must,
    and a request given without a limit raises the limit."""
    asked = given.resources or _UNSET_RESOURCES
    requests, limits = asked.requests, asked.limits
    memory_limit = _amount(limits.memory, need.memory_limit, "Mi")
    if limits.memory is None and requests.memory and _above(requests.memory, memory_limit.value):
        memory_limit = Choice(requests.memory, "as requested", Origin.SPEC)
    cpu = _amount(requests.cpu, need.cpu, "m")
    if requests.cpu is None and limits.cpu and _above(cpu.value, limits.cpu):
        cpu = Choice(limits.cpu, "no more than the limit", Origin.SPEC)
    memory = _amount(requests.memory, need.memory, "Mi")
    if requests.memory is None and limits.memory and _above(memory.value, limits.memory):
        memory = Choice(memory_limit.value, "no more than the limit", Origin.SPEC)
    return Size(replicas, most, cpu, memory, memory_limit, limits.cpu, volume, connections)


def _exceeded(cluster: ChatCluster, demand: Demand) -> tuple[Bound, ...]:
    return tuple(
        bound
        for bound in demand.bounds
        if bound.users < demand.users
        and cluster.spec.store(bound.component).external is None
        # The figure is the embedded engine's.
        and not (bound.component == "mongodb" and cluster.spec.mongodb.engine is MongoEngine.REPLICA_SET)
    )


def _set(value: T) -> Choice[T]:
    return Choice(value, _SET, Origin.SPEC)


def _of(number: Number) -> Choice[int]:
    return Choice(number.value, number.why, _origin(number))


def _choose(given: int | None, number: Number) -> Choice[int]:
    return _of(number) if given is None else _set(given)


def _amount(given: str | None, number: Number, unit: str) -> Choice[str]:
    if given is not None:
        return _set(given)
    # As a person would write it, and as it was written before sizes were derived.
    text = f"{number.value // 1024}Gi" if unit == "Mi" and number.value % 1024 == 0 else f"{number.value}{unit}"
    return Choice(text, number.why, _origin(number))


def _origin(number: Number) -> Origin:
    return Origin.CAPACITY if number.derived else Origin.DEFAULT


def _above(one: str, other: str) -> bool:
    return parse_quantity(one) > parse_quantity(other)
