"""The figures that sizes are derived from: each with its unit and where it comes from.

A source is one of three: `tests/results/<file>: <figure>`, which a test compares; a document; or `assumed`, which is a
guess that a person may judge, with its grounds. `docs/capacity.md` shows the whole table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the model."""

    value: float
    unit: str
    what: str
    source: str


_LOAD_TEST: Final = "Mattermost's load-test user: a post in 309 s, about 5,000 actions a second of 100,000 people"
_REALTIME: Final = "tests/results/realtime.json: "


def _at_rest(pod: str, mib: float) -> Figure:
    return Figure(mib, "MiB", f"memory at rest, {pod}", f"tests/results/skeleton.json: memory at rest, {pod} pod")


def _at_work(service: str, mib: float) -> Figure:
    source = f"tests/results/soak.json: most memory of {service}-1 between rounds"
    return Figure(mib, "MiB", f"memory at work with few sockets, {service}", source)


BEHAVIOUR: Final[Mapping[str, Figure]] = {
    "posts": Figure(11.65, "1/h", "messages a person in the busiest hour", _LOAD_TEST),
    "requests": Figure(0.05, "1/s", "REST calls a person in the busiest hour", _LOAD_TEST),
    "peak": Figure(
        2, "", "the busiest minute over the busiest hour", "assumed: people begin work and meetings together"
    ),
    "busy_hours": Figure(4, "h", "busiest hours that a day's messages amount to", "assumed: mornings and afternoons"),
    "devices": Figure(1.5, "", "devices a person is connected with", "assumed: each second person has two"),
    "audience": Figure(
        50, "", "people connected who see a message", "assumed: most in rooms of 2 to 20, some in rooms of 1,000"
    ),
    "accounts": Figure(5, "", "accounts for each person connected", "assumed: one in five is there at the same time"),
    "sign_ins": Figure(0.5, "1/h", "sign-ins a person in the busiest hour", "assumed: sessions last for days"),
    "presence_changes": Figure(6, "1/h", "changes of presence a person", "assumed: idle after five minutes, and back"),
    "watchers": Figure(30, "", "sockets that watch a person", "assumed: those whose screen shows the person"),
    "slow_clients": Figure(0.01, "of 1", "clients with a full queue of unread events", "assumed: bad networks"),
    "attachments": Figure(0.01, "of 1", "messages with a file", "assumed: most messages are text"),
    "attachment_kib": Figure(500, "KiB", "size of a file sent", "assumed: photographs, made smaller by the clients"),
    "download_kib": Figure(
        100, "KiB", "size of a file fetched", "assumed: most are thumbnails, and browsers keep them"
    ),
    "audit_events": Figure(5, "1/d", "security events an account", "assumed: sign-ins, refreshes and changes"),
    "to_gateway": Figure(0.95, "of 1", "REST calls through the gateway", "assumed: the edge sends files past it"),
    "to_message": Figure(0.6, "of 1", "REST calls that end at message", "assumed: histories and lists"),
    "to_user": Figure(0.25, "of 1", "REST calls that end at user", "assumed: profiles, refreshes of tokens"),
    "to_file": Figure(0.05, "of 1", "REST calls that end at file", "assumed: what browsers do not have yet"),
    "to_notification": Figure(0.05, "of 1", "REST calls that end at notification", "assumed: preferences"),
    "to_presence": Figure(0.05, "of 1", "REST calls that end at presence", "assumed: presence comes by socket"),
}
"""What people do."""

COSTS: Final[Mapping[str, Figure]] = {
    "send": Figure(
        2700, "µs", "processor time of a message sent to 10", _REALTIME + "CPU a message:send with 10 deliveries"
    ),
    "deliveries": Figure(
        76_000,
        "1/s",
        "deliveries a second of a core",
        _REALTIME + "deliveries a second of CPU, rooms of 10, message service",
    ),
    "connection": Figure(10.1, "KiB", "memory a socket", _REALTIME + "memory a connection, message service"),
    "connects": Figure(
        910, "1/s", "new sockets a second of a core", _REALTIME + "new connections a second of CPU, message service"
    ),
    "idle": Figure(
        9, "µs/s", "processor time of an idle socket", "assumed: stock python-socketio's, as an upper bound"
    ),
    "queue": Figure(256, "KiB", "events that may wait for a slow client", "docs/architecture.md: real time"),
    "proxied": Figure(
        4590,
        "1/s",
        "requests a second of a gateway core",
        "tests/results/gateway.json: proxied requests a second and core of the gateway",
    ),
    "call": Figure(2700, "µs", "processor time of a REST call in a service", "assumed: no more than a message sent"),
    "hash": Figure(50, "ms", "processor time of a password check", "assumed: argon2id at OWASP's least, a slow core"),
    "hash_mib": Figure(38, "MiB", "memory of password checks", "services/user: 19 MiB each, two at a time"),
    "notify": Figure(5000, "µs", "processor time of an event in notification", "assumed: two messages sent"),
    "upload": Figure(
        12.2, "MiB/s", "upload through a core of the file service", "tests/results/files.json: file of 1 GiB, upload"
    ),
    "download": Figure(
        86.9, "MiB/s", "download through a core of it", "tests/results/files.json: file of 1 GiB, download"
    ),
    "transfer_mib": Figure(
        21.5, "MiB", "memory of a transfer", "tests/results/files.json: file of 1 GiB, memory above idle"
    ),
    "store_upload": Figure(
        17.4,
        "MiB/s",
        "upload to a core of the object store",
        "tests/results/files.json: file of 1 GiB, upload, raw store",
    ),
    "store_download": Figure(
        136,
        "MiB/s",
        "download from a core of the object store",
        "tests/results/files.json: file of 1 GiB, download, raw store",
    ),
    "edge_requests": Figure(
        10_000, "1/s", "requests a second of an edge core", "assumed: HAProxy with TLS, a slow core"
    ),
    "edge_frames": Figure(200_000, "1/s", "frames a second of an edge core", "assumed: HAProxy passes them on unread"),
    "edge_connection": Figure(33, "KiB", "memory a connection at the edge", "HAProxy's manual: two buffers of 16 KiB"),
    "edge_connections": Figure(50_000, "", "connections an edge replica", "assumed: what the others take over at once"),
    "queries": Figure(4, "", "PostgreSQL queries a call of the user service", "assumed"),
    "query": Figure(150, "µs", "processor time of a query", "assumed: by primary key, all in memory"),
    "backend": Figure(3, "MiB", "memory of a PostgreSQL connection", "assumed: few of them work at a time"),
    "redis_calls": Figure(3, "", "Redis commands a REST call", "assumed: rates, sessions, caches"),
    "redis": Figure(
        100_000, "1/s", "commands a second of a Redis core", "Redis' documentation: benchmark, no pipelining"
    ),
    "embedded": Figure(250, "1/s", "operations a second of the embedded MongoDB", "docs/architecture.md: stores"),
    "event": Figure(100, "µs", "processor time of an event in Kafka", "assumed: batches of a few"),
    "pool_user": Figure(10, "", "database connections a replica, user", "services/user: CHAT_DATABASE_POOL"),
    "pool_gateway": Figure(5, "", "database connections a replica, gateway", "services/gateway: CHAT_DATABASE_POOL"),
    "pool_notification": Figure(
        8, "", "database connections a replica, notification", "services/notification: CHAT_DATABASE_POOL"
    ),
    "pool_objects": Figure(
        10, "", "database connections a member of several, objects", "stores/seaweedfs/entrypoint: connection_max_open"
    ),
    **{
        f"memory_{pod}": _at_rest(pod, mib)
        for pod, mib in {
            "edge": 17.6,
            "postgres": 84.8,
            "mongodb": 96.6,
            "redis": 26.9,
            "kafka": 426,
            "objects": 187,
        }.items()
    },
    **{
        f"memory_{service}": _at_work(service, mib)
        for service, mib in {
            "gateway": 122,
            "user": 127,
            "message": 110,
            "file": 96,
            "notification": 129,
            "presence": 91,
        }.items()
    },
}
"""What it costs."""

STORED: Final[Mapping[str, Figure]] = {
    "message": Figure(1, "KiB", "a message with its indexes, compressed", "assumed"),
    "account": Figure(4, "KiB", "an account with its sessions and preferences", "assumed"),
    "audit": Figure(0.3, "KiB", "a security event", "assumed"),
    "person": Figure(4, "KiB", "a connected person in Redis", "assumed: sessions, rates, presence, a batch to send"),
    "recent": Figure(20, "KiB", "a person's recent messages, kept in memory", "assumed: twenty messages"),
    "event": Figure(2, "KiB", "an event in Kafka", "assumed: the message and the ids of the members"),
    "record": Figure(2, "KiB", "a person's files' records, kept in memory", "assumed: twenty files"),
    "event_days": Figure(3, "d", "how long Kafka keeps events", "desired/kafka.py: log.retention.hours"),
    "horizon": Figure(
        365, "d", "time for which volumes have room where nothing is removed", "assumed: planned anew then"
    ),
    "audit_days": Figure(365, "d", "how long security events are kept", "services/user: CHAT_AUDIT_DAYS"),
    "volume": Figure(16_384, "GiB", "largest volume", "AWS' documentation: EBS gp3 had 16 TiB, others have more"),
}
"""What is kept."""

POLICY: Final[Mapping[str, Figure]] = {
    "use": Figure(
        0.7, "of 1", "share of its request that a pod uses at the peak", "HPA target; the rest is for bursts"
    ),
    "pod_cores": Figure(1, "", "cores that one pod of a service can use", "a process has one event loop"),
    "spare": Figure(1, "", "pods more than needed", "one may be lost, or drained, at any time"),
    "most": Figure(2, "", "most replicas for each of the fewest", "twice the people, or twice as busy ones"),
    "drain": Figure(20, "s", "time in which others take over a pod's sockets", "CHAT_DRAIN_SECONDS"),
    "memory": Figure(1.5, "", "memory asked for over what is counted", "assumed: caches, fragmentation"),
    "limit": Figure(2, "", "memory limit of a service over its request", "assumed: a burst of new sockets"),
    "fill": Figure(0.7, "of 1", "share of a volume that may be full at the end", "assumed: stores slow down when full"),
    "redis_share": Figure(0.6, "of 1", "share of its memory that Redis fills", "desired/redis.py: maxmemory"),
    "members_from": Figure(
        1000, "", "people from which stores have several members", "assumed: a thousand people wait for no node"
    ),
    "members": Figure(3, "", "members of a store from then on", "the fewest of which one may be lost"),
    "store_cores": Figure(16, "", "cores of the largest store pod", "assumed: half a usual node of 32"),
}
"""What the plan wants."""

FIGURES: Final[Mapping[str, Mapping[str, Figure]]] = {
    "What people do": BEHAVIOUR,
    "What it costs": COSTS,
    "What is kept": STORED,
    "What the plan wants": POLICY,
}
"""All of them, under the headings of docs/capacity.md."""
