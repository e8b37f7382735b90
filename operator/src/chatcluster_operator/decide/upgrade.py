"""Upgrades: which component runs which release, one step after the other, and back again when one fails.

Stores go first, then the services, those that others call before those that call them, and the edge last. A component
gets the new release once all before it run it and are well. What was decided is kept in the status, so that a restart
of the operator, or another replica of it, goes on from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import EDGE, STORES, Operation, OperationPhase

ORDER: Final = (*STORES, "user", "file", "message", "presence", "notification", "gateway", EDGE)
"""The order of steps. It is that of least surprise: a service of the new release finds what it calls renewed."""

FAILING: Final = frozenset({"ImagePullFailed", "ConfigurationMissing", "CrashLooping"})
"""Reasons of pods that do not pass by themselves; one of them ends a step before its time is over."""
FAILING_SECONDS: Final = 30
"""How long a pod may be in such trouble: a first crash while a store still starts is none."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a component is, seen from the release that it is to run."""

    renewed: bool
    """Its workload has the image of the new release."""
    restored: bool
    """Its workload has the image of the release before. Both hold for an image that is the same in the two."""
    well: bool
    """Its controller has rolled out what was last applied, and enough replicas are ready."""
    trouble: str = ""
    """What a pod of it says, when that will not pass by itself."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Which components run the new release, and the operation as it goes on."""

    renewed: frozenset[str]
    """Components that are to run `spec.version`; the others stay with what they run."""
    restored: bool = False
    """All components are to run the release before."""
    operation: Operation | None = None


def advance(
    *,
    wanted: str,
    running: str | None,
    operation: Operation | None,
    states: Mapping[str, State],
    step_seconds: int,
    now: int,
) -> Rollout:
    """The next look's rollout.

    `wanted` is `spec.version`, `running` the release that all components have last run; None: none yet, so there is
    nothing to keep up while it starts. `states` has the managed components. Times are Unix seconds.
    """
    everything = frozenset(states)
    if running is None or wanted == running:
        # Asked back by hand: all at once, as there is nothing new to try out.
        return Rollout(everything)
    order = [name for name in ORDER if name in states]
    if operation is None or operation.to_version != wanted:
        operation = Operation(
            from_version=running, to_version=wanted, phase=OperationPhase.RUNNING, step=order[0], started=now, since=now
        )
    if operation.phase is not OperationPhase.RUNNING:
        return _back(operation, states)
    return _forward(operation, order, states, step_seconds, now)


def _forward(
    operation: Operation, order: Sequence[str], states: Mapping[str, State], step_seconds: int, now: int
) -> Rollout:
    at = order.index(operation.step) if operation.step in order else 0
    # What was renewed before must still be well: a fault may show only once others lean on it.
    while at < len(order) and all(states[name].renewed and states[name].well for name in order[: at + 1]):
        at += 1
    if at == len(order):
        return Rollout(frozenset(order))
    if order[at] != operation.step:
        operation = operation.model_copy(update={"step": order[at], "since": now})
    renewed = order[: at + 1]
    trouble = next((states[name].trouble for name in renewed if states[name].renewed and states[name].trouble), "")
    waited = now - operation.since
    if (trouble and waited >= FAILING_SECONDS) or waited >= step_seconds:
        why = trouble or f"{_not_well(renewed, states)} did not become ready within {step_seconds} s"
        failed = operation.model_copy(update={"phase": OperationPhase.ROLLING_BACK, "since": now, "message": why})
        return Rollout(frozenset(), restored=True, operation=failed)
    return Rollout(frozenset(renewed), operation=operation)


def _back(operation: Operation, states: Mapping[str, State]) -> Rollout:
    if operation.phase is OperationPhase.ROLLING_BACK and all(
        state.well and state.restored for state in states.values()
    ):
        operation = operation.model_copy(update={"phase": OperationPhase.ROLLED_BACK})
    return Rollout(frozenset(), restored=True, operation=operation)


def _not_well(names: Sequence[str], states: Mapping[str, State]) -> str:
    return ", ".join(name for name in names if not (states[name].renewed and states[name].well))
