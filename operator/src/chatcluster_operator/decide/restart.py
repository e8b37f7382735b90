"""Restarts on demand: which component's pods are replaced now, as annotations of the ChatCluster ask.

`chatcluster.dev/restart` asks for all components, `chatcluster.dev/restart-<component>` for one. The value is when it
was asked for, RFC 3339. It goes into the component's pod template, so that what the workloads say is all there is to
know: a restart of the operator forgets nothing. Components follow one another in the order of a change of release, each
once those before it are well again; one that nobody asked for keeps what it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from chatcluster_operator.decide.operations import Wait
from chatcluster_operator.decide.snapshot import Workload
from chatcluster_operator.decide.times import rfc3339

RESTART: Final = "chatcluster.dev/restart"
"""Annotation of a ChatCluster."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """What one look makes of it."""

    stamps: Mapping[str, str] = field(default_factory=dict[str, str])
    """What each component's pod template is to say; one that was never restarted is absent."""
    turn: str = ""
    """Component whose pods are being replaced, or are to be."""
    left: tuple[str, ...] = ()
    """Components whose turn comes after it."""
    refused: tuple[str, ...] = ()
    """What cannot be done, and what to do about it."""
    asked: bool = False
    """Whether anything was asked for that is not of the future."""
    wait: Wait | None = None
    """Why the next turn does not come."""

    @property
    def under_way(self) -> bool:
        """Whether any component is left to restart."""
        return bool(self.turn)


def restarts(
    annotations: Mapping[str, str],
    order: Sequence[str],
    workloads: Mapping[str, Workload],
    *,
    now: int,
    wait: Wait | None = None,
) -> Restarts:
    """The next look's restarts.

    `order` has the components as they follow one another, `workloads` those that are made, `wait` is what the arbiter
    says. `now` is in Unix seconds.
    """
    wanted, refused = _asked(annotations, order)
    moment = datetime.fromtimestamp(now, UTC)
    due = {name: when for name, when in wanted.items() if when <= moment}
    stamps = {name: workload.restarted for name, workload in workloads.items() if workload.restarted}
    pending = [name for name in order if name in due and name in workloads and _parse(stamps.get(name, "")) < due[name]]
    rolling = [name for name in order if name in due and name in workloads and name not in pending]
    rolling = [name for name in rolling if not _well(workloads[name])]
    later = min((int(when.timestamp()) for when in wanted.values() if when > moment), default=None)
    if pending and not rolling and wait is None:
        stamps[pending[0]] = rfc3339(int(due[pending[0]].timestamp()))
    if not pending and later is not None:
        wait = Wait("Scheduled", f"waits until {rfc3339(later)}, as asked", later)
    elif not pending:
        wait = None
    turns = [*rolling, *pending]
    return Restarts(stamps, turns[0] if turns else "", tuple(turns[1:]), refused, bool(due), wait)


def _asked(annotations: Mapping[str, str], order: Sequence[str]) -> tuple[dict[str, datetime], tuple[str, ...]]:
    """When each component was last asked for, and what is wrong with other annotations."""
    wanted: dict[str, datetime] = {}
    refused: list[str] = []
    for key, value in sorted(annotations.items()):
        if key != RESTART and not key.startswith(f"{RESTART}-"):
            continue
        component = key.removeprefix(RESTART).removeprefix("-")
        when = _parse(value)
        if component and component not in order:
            refused.append(f"{key}: there is no component {component}; choose one of {', '.join(order)}")
        elif when == _NEVER:
            refused.append(f"{key}: {value[:40]!r} is no time; write it as 2026-11-23T18:00:00Z")
        else:
            for name in [component] if component else order:
                wanted[name] = max(when, wanted.get(name, _NEVER))
    return wanted, tuple(refused)


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _parse(text: str) -> datetime:
    """The time that an RFC 3339 text says, to the second, in UTC; `_NEVER` for anything else."""
    try:
        when = datetime.fromisoformat(text)
        return _NEVER if when.tzinfo is None else when.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return _NEVER


def _well(workload: Workload) -> bool:
    return workload.rolled_out and (workload.available or workload.wanted == 0)
