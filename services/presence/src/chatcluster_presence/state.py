"""What a person's presence is, given what is known about them: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast, get_args

from chatcluster_presence.models import Chosen, Status

KEEP_SECONDS = 90 * 24 * 3600
"""What is known of a person is forgotten when nothing was heard of them for this long."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person has set."""

    status: Chosen = "online"
    text: str | None = None
    emoji: str | None = None
    until: float | None = None
    """Unix seconds."""

    def at(self, now: float) -> "Choice":
        """What holds of it at a time."""
        return Choice() if self.until is not None and self.until <= now else self


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a person."""

    devices: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """Whether it idles, of each device that was connected when last heard of, named `<process>/<socket>`."""
    chosen: Choice = Choice()
    last_seen: float | None = None
    """Unix seconds; kept while they are not to be seen."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a person appears to whom they hide nothing from."""

    user_id: str
    status: Status
    last_seen: datetime | None = None
    text: str | None = None
    emoji: str | None = None
    expires_at: datetime | None = None
    active: bool = False
    """Uses a device, even if invisibly: for other services, never for people."""


def process_of(device: str) -> str:
    """The process that holds a device's connection."""
    return device.partition("/")[0]


def chosen_status(value: str | None) -> Chosen:
    """What a stored status means; `online` for anything unknown."""
    return cast("Chosen", value) if value in get_args(Chosen) else "online"


def appearance(
    user_id: str, known: Known, processes: Mapping[str, float], *, now: float, dead_after: float
) -> Appearance:
    """How the person appears. `processes` are the last signs of life (Unix seconds) of the processes there are."""
    chosen = known.chosen.at(now)
    alive = living(known, processes, now=now, dead_after=dead_after)
    seen = known.last_seen
    status: Status = "offline"
    if chosen.status != "invisible" and alive:
        status = "away" if chosen.status == "online" and all(alive) else chosen.status
        seen = now
    elif chosen.status != "invisible" and known.devices:
        # Their process died without a word: they were there until it was last heard of, as far as anybody knows.
        seen = max(seen or 0.0, *(heard(device, processes) for device in known.devices))
    if not seen or now - seen > KEEP_SECONDS:
        seen = None
    # The end of an invisible status must not tell that there is one.
    ends = chosen.until if status != "offline" or chosen.text or chosen.emoji else None
    return Appearance(
        user_id=user_id,
        status=status,
        last_seen=None if seen is None else moment(seen),
        text=chosen.text,
        emoji=chosen.emoji,
        expires_at=None if ends is None else moment(ends),
        active=not all(alive),
    )


def living(known: Known, processes: Mapping[str, float], *, now: float, dead_after: float) -> list[bool]:
    """Whether it idles, of each device whose process lives."""
    return [idle for device, idle in known.devices.items() if now - heard(device, processes) <= dead_after]


def heard(device: str, processes: Mapping[str, float]) -> float:
    """When the device's process was last heard of; 0 for one that is gone."""
    return processes.get(process_of(device), 0.0)


def differs(before: Appearance | None, after: Appearance) -> bool:
    """Whether those who watch must be told."""
    return before is None or _news(before) != _news(after)


def _news(look: Appearance) -> tuple[object, ...]:
    return look.status, look.text, look.emoji, look.expires_at


def moment(seconds: float) -> datetime:
    """Unix seconds as a time, cut to milliseconds."""
    return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)
