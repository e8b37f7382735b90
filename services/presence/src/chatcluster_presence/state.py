"""What a person's presence is, given what is known about them: pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast, get_args

from chatcluster_presence.models import Chosen, Presence, Status


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a person."""

    connections: Collection[str]
    """`<process>/<socket>` of each device that was connected when last heard of."""
    chosen: Chosen = "online"
    last_seen: float | None = None
    """Unix seconds; kept while they are not online."""


def process_of(connection: str) -> str:
    """The process that holds a connection."""
    return connection.partition("/")[0]


def chosen_status(value: str | None) -> Chosen:
    """What a stored status means; `online` for anything unknown."""
    return cast("Chosen", value) if value in get_args(Chosen) else "online"


def presence(user_id: str, known: Known, processes: Mapping[str, float], *, now: float, dead_after: float) -> Presence:
    """How the person appears. `processes` are the last signs of life (Unix seconds) of the processes there are."""
    alive = any(now - processes.get(process_of(connection), 0) <= dead_after for connection in known.connections)
    if alive and known.chosen != "invisible":
        status: Status = known.chosen
        return Presence(user_id=user_id, status=status, last_seen=_time(now))
    seen = known.last_seen
    if known.connections and not alive and known.chosen != "invisible":
        # Their process died without a word: they were there until it was last heard of, as far as anybody knows.
        heard = [processes.get(process_of(connection), 0.0) for connection in known.connections]
        seen = max([*heard, seen or 0.0])
    return Presence(user_id=user_id, status="offline", last_seen=_time(seen) if seen else None)


def differs(before: Presence | None, after: Presence) -> bool:
    """Whether those who watch must be told."""
    return before is None or before.status != after.status


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)
