"""When something that has a schedule is due. What was missed is made up for once, however much it was."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def latest(cron: str, zone: str, now: int) -> int | None:
    """The last time of the schedule that has come, Unix seconds; None when it has none."""
    # The library looks for what lies strictly before; a time that has just come counts.
    at = datetime.fromtimestamp(now + 1, UTC).astimezone(ZoneInfo(zone))
    return _first(CronSim(cron, at, reverse=True))


def following(cron: str, zone: str, now: int) -> int | None:
    """The next time of the schedule, Unix seconds; None when it has none."""
    return _first(CronSim(cron, datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))))


def due(cron: str, zone: str, *, last: int | None, now: int) -> int | None:
    """The time of the schedule that is to be served now; None: none is.

    `last` is the time that was last served, None for never: then one is due at once.
    """
    at = latest(cron, zone, now)
    return at if at is not None and (last is None or at > last) else None


def _first(times: CronSim) -> int | None:
    found = next(times, None)
    return int(found.timestamp()) if found else None
