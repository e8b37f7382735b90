"""How a ChatCluster changes and ends."""

import re
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

from chatcluster_operator.api.model import Model, rules


class DeletionPolicy(StrEnum):
    """What becomes of the data when the ChatCluster is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class WhenUnhealthy(StrEnum):
    """Whether a change of release begins although something is not ready."""

    WAIT = "Wait"
    PROCEED = "Proceed"


class Upgrade(Model):
    """How a change of release goes: the schemas of the databases first, then stores, then services one after the other,
    then the edge."""

    step_timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600
    """How long one component may take to become ready with the new release; then everything is taken back."""
    migration_timeout_seconds: Annotated[int, Field(ge=60, le=604_800)] = 3600
    """How long the migration of one database may take; then it is undone, and everything is taken back."""
    when_unhealthy: WhenUnhealthy = WhenUnhealthy.WAIT
    """Whether a change of release begins although a component is not ready. Wait: it begins once all are. Proceed: it
    begins, because the new release is what mends it."""


class Failover(Model):
    """What becomes of stores with several members when a node is lost. Another member takes over within seconds, by
    the store's own election; this is about making good what the node took with it."""

    replace_after_seconds: Annotated[int, Field(ge=30, le=604_800)] = 300
    """How long a node must be lost before a member whose volume is on that node's own disk is made anew elsewhere, and
    copies its data from the others. The volume on the lost node is given up then. It is done for one member of a store
    at a time, only while all others are in step, and only while most nodes are well; a node that is back sooner takes
    its member up again. Volumes that can follow a pod to another node are never given up."""


class Day(StrEnum):
    """A day of the week, Monday first."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


_DURATION: Final = r"^([0-9]{1,2}h([0-9]{1,2}m)?|[0-9]{1,4}m)$"
_LEAST: Final = 15 * 60
_MOST: Final = 24 * 3600


def _seconds(duration: str) -> int:
    units = {"h": 3600, "m": 60}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"([0-9]+)([hm])", duration))


def known_zone(name: str) -> str:
    """The name of a time zone, if it is one. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        message = f"no time zone is called {name!r}; use a name of the IANA database, such as Europe/Berlin"
        raise ValueError(message) from None
    return name


def _long_enough(duration: str) -> str:
    if not _LEAST <= _seconds(duration) <= _MOST:
        raise ValueError(f"{duration!r} is not between 15m and 24h; write it as 4h, 90m or 1h30m")
    return duration


class MaintenanceWindow(Model):
    """A time of the week at which changes may begin that restart pods."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = Field(default_factory=lambda: list(Day))
    """Days on which it opens, in its time zone; without any given, every day."""
    start: Annotated[str, StringConstraints(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    """When it opens, as HH:MM in its time zone."""
    duration: Annotated[
        str,
        StringConstraints(max_length=8, pattern=_DURATION),
        AfterValidator(_long_enough),
        Field(
            json_schema_extra=rules(
                (
                    "duration(self) >= duration('15m') && duration(self) <= duration('24h')",
                    "spec.maintenance.windows.duration must be 15m to 24h; write it as 4h, 90m or 1h30m",
                )
            )
        ),
    ]
    """How long it is open, such as 4h or 1h30m; at least 15m, at most 24h."""
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(known_zone)] = "Etc/UTC"
    """Time zone by its name in the IANA database, such as Europe/Berlin."""

    @property
    def seconds(self) -> int:
        """The duration."""
        return _seconds(self.duration)


class Maintenance(Model):
    """When changes may begin that restart pods of a ChatCluster that is well: a new release, and what follows from new
    passwords or certificates. A step once begun is finished, the next one begins inside a window. Repairs and restarts
    that a person asks for wait for no window; the annotation `chatcluster.dev/override-window: "true"` opens one."""

    windows: Annotated[list[MaintenanceWindow], Field(max_length=16)] = Field(default_factory=list[MaintenanceWindow])
    """Windows; without any, changes begin at once."""
