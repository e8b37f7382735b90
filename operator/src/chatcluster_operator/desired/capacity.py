"""What a number of people needs, by the figures of `desired.figures`: the capacity model.

`derive(concurrent_users)` needs no ChatCluster, and is what `spec.capacity` and `kubectl chat capacity` share.
Everything is linear in the number of people, and a pod of a service is filled first and then multiplied; so more people
never get less of anything. A service keeps one pod more than it needs, for the one that may be lost.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chatcluster_operator.api import EDGE
from chatcluster_operator.api.constants import MOST_EDGES, MOST_REPLICAS
from chatcluster_operator.desired.figures import BEHAVIOUR, COSTS, POLICY, STORED
from chatcluster_operator.desired.needs import (
    LEAST,
    LEAST_DATABASE_CONNECTIONS,
    LEAST_PARTITIONS,
    Need,
    Number,
    larger,
)

__all__ = ["Bound", "Demand", "Need", "Number", "database_connections", "derive"]

_KIB_OF_GIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Bound:
    """For how many people a store of a single member suffices, and what ends first."""

    component: str
    users: int
    why: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What a number of people needs."""

    users: int
    needs: Mapping[str, Need]
    """By component, the stores as if all were managed."""
    partitions: Number
    """Of the messages' topic."""
    database_connections: Number
    """That PostgreSQL must allow."""
    bounds: tuple[Bound, ...]

    @property
    def cores(self) -> float:
        """Processor that all pods together ask for, in cores, with the fewest replicas."""
        return sum(need.fewest.value * need.cpu.value for need in self.needs.values()) / 1000

    @property
    def memory_gib(self) -> float:
        """Memory that all pods together ask for, in GiB, with the fewest replicas."""
        return sum(need.fewest.value * need.memory.value for need in self.needs.values()) / 1024


@lru_cache(maxsize=256)
def derive(concurrent_users: int, *, message_days: int | None = None, audit_days: int | None = None) -> Demand:
    """What `concurrent_users` people connected at the same time need.

    `message_days` and `audit_days` are how long messages and security events are kept; None: for ever, of which a year
    is planned for, and the year that is the service's own default.
    """
    users = concurrent_users
    needs = {name: _replicated(name, users, load).at_least(LEAST[name]) for name, load in _LOADS.items()}
    connections = database_connections({name: need.most.value for name, need in needs.items()}, _members(users).value)
    kept = message_days or STORED["horizon"].value, audit_days or STORED["audit_days"].value
    stores = _stores(users, *kept, connections.value * COSTS["backend"].value)
    needs |= {name: need.at_least(LEAST[name]) for name, need in stores.items()}
    # In sixes, so that partitions are spread evenly over the usual numbers of consumers.
    partitions = 6 * math.ceil(needs["notification"].most.value / 6)
    return Demand(
        users=users,
        needs=needs,
        partitions=larger(
            LEAST_PARTITIONS, Number(partitions, "as many as replicas of notification may share the work, in sixes")
        ),
        database_connections=larger(LEAST_DATABASE_CONNECTIONS, connections),
        bounds=_bounds(),
    )


def database_connections(most: Mapping[str, int], objects: int) -> Number:
    """That PostgreSQL must allow, with so many replicas of services, by name, and members of the object store, which
    keep their list of files there where there are several."""
    opened = 20 + sum(most[name] * int(COSTS[f"pool_{name}"].value) for name in _POOLED)
    if objects == 1:
        return Number(opened, f"pools of {', '.join(_POOLED)} at their most replicas, and 20 for the rest")
    opened += objects * int(COSTS["pool_objects"].value)
    return Number(
        opened, f"pools of {', '.join(_POOLED)} at their most replicas, of {objects} of objects, and 20 for the rest"
    )


@dataclass(frozen=True, slots=True)
class _Load:
    """What one person costs a replicated component."""

    cores: float
    sockets: float = 0.0
    """Connections a person."""
    socket_kib: float = 0.0
    most_sockets: float = math.inf
    """Connections that a pod should hold at most."""
    fixed_mib: float = 0.0
    """Memory that a pod takes beyond rest and sockets."""
    why: str = ""


def _rate(of: str) -> float:
    """How often a person does something in the busiest minute, a second; figures an hour are made such."""
    figure = BEHAVIOUR[of]
    return figure.value * BEHAVIOUR["peak"].value / {"1/s": 1, "1/h": 3600}[figure.unit]


def _cost(name: str) -> float:
    """Seconds of processor time, of a cost in µs or ms or of a throughput of a core."""
    figure = COSTS[name]
    match figure.unit:
        case "µs" | "µs/s":
            return figure.value / 1e6
        case "ms":
            return figure.value / 1e3
        case _:
            return 1 / figure.value


def _calls(service: str) -> float:
    """Cores that a person's REST calls cost a service."""
    return _rate("requests") * BEHAVIOUR[f"to_{service}"].value * _cost("call")


def _loads() -> dict[str, _Load]:
    devices = BEHAVIOUR["devices"].value
    deliveries = _rate("posts") * BEHAVIOUR["audience"].value * devices
    idle = devices * _cost("idle")
    # What waits for slow clients is part of what a socket costs.
    socket_kib = COSTS["connection"].value + BEHAVIOUR["slow_clients"].value * COSTS["queue"].value
    # A pod's sockets are taken over by one other within the drain time, from the share of a core that is spare.
    most = POLICY["drain"].value * COSTS["connects"].value * (1 - POLICY["use"].value)
    sockets = {"sockets": devices, "socket_kib": socket_kib, "most_sockets": most}
    sent = _rate("posts") * BEHAVIOUR["attachments"].value * BEHAVIOUR["attachment_kib"].value / 1024
    fetched = _rate("requests") * BEHAVIOUR["to_file"].value * BEHAVIOUR["download_kib"].value / 1024
    return {
        "gateway": _Load(
            _rate("requests") * BEHAVIOUR["to_gateway"].value * _cost("proxied"), why="REST calls passed on"
        ),
        "user": _Load(
            _calls("user") + _rate("sign_ins") * _cost("hash"),
            fixed_mib=COSTS["hash_mib"].value,
            why="REST calls and sign-ins",
        ),
        "message": _Load(
            _calls("message") + _rate("posts") * _cost("send") + deliveries * _cost("deliveries") + idle,
            **sockets,
            why="histories, messages sent and delivered, open sockets",
        ),
        "file": _Load(
            _calls("file") + sent * _cost("upload") + fetched * _cost("download"),
            fixed_mib=4 * COSTS["transfer_mib"].value,
            why="uploads and downloads",
        ),
        "notification": _Load(
            _calls("notification") + _rate("posts") * _cost("notify"), why="events decided on, mails and pushes"
        ),
        "presence": _Load(
            _calls("presence")
            + _rate("presence_changes") * (_cost("call") + BEHAVIOUR["watchers"].value * _cost("deliveries"))
            + idle,
            **sockets,
            why="changes of presence and open sockets",
        ),
        EDGE: _Load(
            _rate("requests") * _cost("edge_requests") + deliveries * _cost("edge_frames"),
            sockets=2 * devices,
            socket_kib=COSTS["edge_connection"].value,
            most_sockets=COSTS["edge_connections"].value,
            why="requests, frames and connections",
        ),
    }


def _replicated(name: str, users: int, load: _Load) -> Need:
    """A pod is filled up to what it can serve, then there are more of them, and one to lose."""
    use = POLICY["use"].value
    by_cores = use * POLICY["pod_cores"].value / load.cores
    by_sockets = load.most_sockets / load.sockets if load.sockets else math.inf
    full = min(by_cores, by_sockets)
    pods = math.ceil(users / full)
    fewest = pods + int(POLICY["spare"].value)
    limit = "processor" if by_cores <= by_sockets else "connections"
    carried = min(users, full)
    held = math.ceil(carried * load.sockets)
    counted = COSTS[f"memory_{name}"].value + load.fixed_mib + held * load.socket_kib / 1024
    memory = _up(counted * POLICY["memory"].value, 16)
    grounds = f"{carried:,.0f} people a pod: {load.why}"
    return Need(
        fewest=_capped(
            name, Number(fewest, f"{pods} for {users:,} people, {full:,.0f} a pod ({limit} first), and one to lose")
        ),
        # The edge is not scaled: a fixed address in front of it keeps connections where they are.
        most=_capped(name, Number(fewest if name == EDGE else math.ceil(fewest * POLICY["most"].value), _MOST)),
        cpu=Number(_up(1000 * carried * load.cores / use, 10), grounds),
        memory=Number(memory, f"{counted:,.0f} MiB counted, {held:,} sockets among it" if held else grounds),
        memory_limit=Number(math.ceil(memory * POLICY["limit"].value), "twice the request, for bursts"),
        connections=_connections(name, held, grounds) if held else None,
    )


def _capped(name: str, number: Number) -> Number:
    """No more replicas than a spec may ask for."""
    most = MOST_EDGES if name == EDGE else MOST_REPLICAS
    if number.value <= most:
        return number
    remedy = "; put a proxy of your own in its place (edge.external), or divide the people" if name == EDGE else ""
    return Number(most, f"the most that a ChatCluster can have, where {number.value} are wanted{remedy}")


def _connections(name: str, held: int, grounds: str) -> Number:
    if name == EDGE:
        return Number(2 * held, "twice those of a full replica, for the time after one was lost")
    return Number(max(held, _FEWEST_SOCKETS), grounds)


_FEWEST_SOCKETS: Final = 500
"""No pod is full with fewer, however few people it was sized for."""
_MOST: Final = "twice the fewest, for twice the people or the work"


def _up(value: float, step: int) -> int:
    # Rounded first: 1000.0000001 is 1000 to a person.
    return step * math.ceil(round(value / step, 6))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a store keeps of each person, and what that is of."""

    memory_kib: float
    volume_kib: float
    what: str
    fixed_mib: float = 0.0
    """Memory beyond rest that does not depend on the number of people alone."""


def _stores(users: int, message_days: float, audit_days: float, backends_mib: float) -> dict[str, Need]:
    """The stores, each member as if it were the only one. `backends_mib` is what PostgreSQL's connections take."""
    behaviour, stored = BEHAVIOUR, STORED
    posts_a_day = behaviour["posts"].value * behaviour["busy_hours"].value
    accounts = behaviour["accounts"].value
    account_kib = accounts * stored["account"].value
    audit_kib = accounts * behaviour["audit_events"].value * audit_days * stored["audit"].value
    event_kib, event_days = stored["event"].value, stored["event_days"].value
    person_kib = stored["person"].value
    files_kib = posts_a_day * behaviour["attachments"].value * behaviour["attachment_kib"].value
    days = f"{message_days:,.0f} days"
    kept = {
        "postgres": _Kept(
            account_kib, account_kib + audit_kib, f"accounts, and events of {audit_days:,.0f} days", backends_mib
        ),
        "mongodb": _Kept(
            stored["recent"].value, posts_a_day * message_days * stored["message"].value, f"messages of {days}"
        ),
        # The append-only file may be twice the data, and is there twice while it is rewritten.
        "redis": _Kept(person_kib / POLICY["redis_share"].value, 4 * person_kib, "the append-only file, twice"),
        "kafka": _Kept(event_kib, posts_a_day * event_days * event_kib, f"events of {event_days:.0f} days"),
        "objects": _Kept(stored["record"].value, files_kib * message_days, f"files of {days}"),
    }
    return {name: _store(name, users, item) for name, item in kept.items()}


def _store(name: str, users: int, kept: _Kept) -> Need:
    cores, most, _ = _STORE_LOADS[name]
    wanted = min(users * cores / POLICY["use"].value, most)
    counted = COSTS[f"memory_{name}"].value + kept.fixed_mib + users * kept.memory_kib / 1024
    memory = _up(counted * POLICY["memory"].value, 16)
    volume = math.ceil(users * kept.volume_kib / POLICY["fill"].value / _KIB_OF_GIB)
    largest = int(STORED["volume"].value)
    full = f"{kept.what}, {POLICY['fill'].value:.0%} full in the end"
    members = _members(users)
    return Need(
        fewest=members,
        most=members,
        cpu=Number(_up(1000 * wanted, 10), f"{users * cores:.2f} cores at the peak, {most:g} at most"),
        memory=Number(memory, f"{counted:,.0f} MiB counted: at rest, and what it keeps in memory of each person"),
        memory_limit=Number(memory, "as requested: a store must not be the one to give way"),
        volume=Number(
            min(volume, largest), full if volume <= largest else f"the largest volume; {full} would be {volume:,} GiB"
        ),
    )


def _members(users: int) -> Number:
    """Of each store."""
    several = users >= POLICY["members_from"].value
    return Number(
        int(POLICY["members"].value) if several else 1,
        f"{'from' if several else 'below'} {POLICY['members_from'].value:,.0f} people",
    )


def _bounds() -> tuple[Bound, ...]:
    """Where a single member ends. Independent of how many people there are."""
    bounds: list[Bound] = []
    for name, (cores, most, why) in _STORE_LOADS.items():
        can_use = "one core" if most == 1 else f"{most:g} cores"
        bounds.append(Bound(name, int(most * POLICY["use"].value / cores), f"{why}; it can use {can_use}"))
    return tuple(sorted(bounds, key=lambda bound: bound.users))


def _store_loads() -> dict[str, tuple[float, float, str]]:
    """Cores a person, the most cores that the store can use, and what uses them."""
    requests, posts = _rate("requests"), _rate("posts")
    sent = posts * BEHAVIOUR["attachments"].value * BEHAVIOUR["attachment_kib"].value / 1024
    fetched = requests * BEHAVIOUR["to_file"].value * BEHAVIOUR["download_kib"].value / 1024
    queries = requests * BEHAVIOUR["to_user"].value * COSTS["queries"].value
    largest = POLICY["store_cores"].value
    return {
        "postgres": (queries * _cost("query"), largest, "queries of user, gateway and notification"),
        # One thread serves all operations of the embedded engine.
        "mongodb": (
            (posts + requests * BEHAVIOUR["to_message"].value) * _cost("embedded"),
            1.0,
            "the embedded engine's reads and writes, one at a time; bring a replica set for more",
        ),
        # Redis runs commands in one thread; publishing to each pod that has a member costs as much as a command.
        "redis": (
            (requests * COSTS["redis_calls"].value + posts * BEHAVIOUR["audience"].value + _rate("presence_changes"))
            * _cost("redis"),
            1.0,
            "commands and fan-out, in one thread",
        ),
        "kafka": (posts * _cost("event"), largest, "events"),
        "objects": (
            sent * _cost("store_upload") + fetched * _cost("store_download"),
            4.0,
            "uploads and downloads through one server",
        ),
    }


_POOLED: Final = ("user", "gateway", "notification")
_LOADS: Final = _loads()
_STORE_LOADS: Final = _store_loads()
