"""Maintenance windows: whether one is open at a moment, and when the next one opens.

A window is given in the wall time of a place. On the day when clocks go forward, a start that the wall time leaps over
is taken with the offset from before the leap; on the day when they go back, a start that comes twice is the first one.
How long a window is open is time that passes, whatever the clocks show.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from chatcluster_operator.api.spec import Day, MaintenanceWindow

_DAYS_AHEAD: Final = 8
"""A window opens every week at least. A day more, as days elsewhere do not begin with those of UTC."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether work that must wait for a window may begin."""

    open: bool = True
    next: int | None = None
    """When the next window opens, Unix seconds; None while one is open."""


def opening(windows: Sequence[MaintenanceWindow], now: int, *, overridden: bool = False) -> Opening:
    """The state at `now`, in Unix seconds. Without windows, or where they are overridden, it is always open."""
    if not windows or overridden:
        return Opening()
    spans = list(_spans(windows, datetime.fromtimestamp(now, UTC)))
    if any(start <= now < end for start, end in spans):
        return Opening()
    return Opening(open=False, next=min(start for start, _ in spans if start > now))


def _spans(windows: Iterable[MaintenanceWindow], around: datetime) -> Iterator[tuple[int, int]]:
    """Start and end, in Unix seconds, of each time that a window is open: from those that may be open now to those of
    the next week."""
    week = list(Day)
    for window in windows:
        zone, start = ZoneInfo(window.time_zone), time.fromisoformat(window.start)
        days = {week.index(day) for day in window.days}
        today = around.astimezone(zone).date()
        for offset in range(-1 - window.seconds // 86_400, _DAYS_AHEAD + 1):
            date = today + timedelta(days=offset)
            if date.weekday() in days:
                opens = int(datetime.combine(date, start, zone).timestamp())
                yield opens, opens + window.seconds
