"""Quiet hours: wall-clock times of a zone, so that they follow the person through changes of clocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Quiet from `start` to `end`, beginning on each of `days` (Monday is 0). When `end` is not after `start`, it is
    the next day's: equal times are a whole day."""

    start: time
    end: time
    days: frozenset[int]
    zone: ZoneInfo

    def until(self, moment: datetime) -> datetime:
        """When the quiet hours that `moment` is in end, in UTC; `moment` itself when it is in none.

        Those that begin where others end are one. Clocks set forward or back never make them shorter than their wall
        clock times say: a time that there is twice begins them at its first, and ends them at its last.
        """
        now = moment.astimezone(UTC)
        end = now
        # One a day, each begun no more than a day and a change of clocks before it ends: a week and a half is plenty.
        for begins, ends in self._around(now.astimezone(self.zone).date()):
            if begins <= end < ends:
                end = ends
        return end

    def _around(self, today: date) -> Iterator[tuple[datetime, datetime]]:
        for offset in range(-2, 9):
            day = today + timedelta(days=offset)
            if day.weekday() in self.days:
                last = day if self.end > self.start else day + timedelta(days=1)
                yield min(self._both(day, self.start)), max(self._both(last, self.end))

    def _both(self, day: date, at: time) -> tuple[datetime, datetime]:
        """The moments that a wall clock may mean by this: two, where clocks are set back over it."""
        wall = datetime.combine(day, at, self.zone)
        return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
