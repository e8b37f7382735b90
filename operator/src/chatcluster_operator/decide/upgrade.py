"""Changes of release: the schemas first, then one component after the other, and back again when one fails.

The migrations that widen the schemas run first, so that the new release finds what it needs and the one before still
works. Stores follow, then the services, those that others call before those that call them, and the edge last: a
component gets the new release once all before it run it and are well. When all do, the migrations run that take away
what only the release before needed; until these begin, everything can go back, in the opposite order. What was decided
is kept in the status, so that a restart of the operator, or another replica of it, goes on from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import EDGE, STORES, Operation, OperationPhase
from chatcluster_operator.decide.operations import Wait

ORDER: Final = (*STORES, "user", "file", "message", "presence", "notification", "gateway", EDGE)
"""The order of steps. It is that of least surprise: a service of the new release finds what it calls renewed."""
EXPAND: Final = "expand"
"""The step before all components: the schemas are widened."""
CONTRACT: Final = "contract"
"""The step after all components: what only the release before needed is taken away."""

FAILING: Final = frozenset({"ImagePullFailed", "ConfigurationMissing", "CrashLooping"})
"""Reasons of pods that do not pass by themselves; one of them ends a step before its time is over."""
FAILING_SECONDS: Final = 30
"""How long a pod may be in such trouble: a first crash while a store still starts is none."""

SET_BACK: Final = "spec.version was set back"


@dataclass(frozen=True, slots=True)
class State:
    """How far a component is, seen from the release that it is to run."""

    renewed: bool
    """Its workload has the image of the new release."""
    restored: bool
    """Its workload has the image of the release before, or that one has no such component. Both hold for an image that
    is the same in the two."""
    well: bool
    """Its controller has rolled out what was last applied, and enough replicas are ready."""
    trouble: str = ""
    """What a pod of it says, when that will not pass by itself."""


@dataclass(frozen=True, slots=True)
class Schema:
    """How far the migrations of the new release are, those of all databases together."""

    expanded: bool = False
    contracted: bool = False
    """Nothing is left that only the release before needed."""
    failed: str = ""
    """Why one of them has failed."""
    trouble: str = ""
    """What keeps one from running, when that will not pass by itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long steps may take, in seconds."""

    step: int
    migration: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """Which components run which release, and the operation as it goes on."""

    renewed: frozenset[str] = frozenset()
    """Components that are to run `spec.version`."""
    restored: frozenset[str] = frozenset()
    """Components that are to run the release before; those in neither stay with what they run."""
    expand: bool = False
    """Migrations of the new release are wanted that only widen."""
    operation: Operation | None = None
    wait: Wait | None = None
    """Why the change of release does not begin, or does not go on."""


def advance(
    *,
    wanted: str,
    running: str | None,
    operation: Operation | None,
    states: Mapping[str, State],
    schema: Schema,
    limits: Limits,
    now: int,
    begin: Wait | None = None,
    go_on: Wait | None = None,
    way_back: bool = True,
) -> Rollout:
    """The next look's rollout.

    `wanted` is `spec.version`, `running` the release that all components have last run; None: none yet, so there is
    nothing to keep up while it starts. `states` has the managed components. `begin` and `go_on` are what the arbiter
    says, `way_back` whether the images of `running` are known. Times are Unix seconds.
    """
    moving = operation is not None and operation.phase is not OperationPhase.ROLLED_BACK
    if running is None or (wanted == running and not moving):
        return Rollout(frozenset(states))
    if operation is not None and moving and go_on is not None and go_on.holds:
        expand = operation.phase is not OperationPhase.CONTRACTING
        return Rollout(expand=expand, operation=_waiting(operation, go_on), wait=go_on)
    if operation is None or wanted not in {running, operation.to_version} or _asked_again(operation, wanted):
        rolling = operation is not None and operation.phase in {OperationPhase.RUNNING, OperationPhase.ROLLING_BACK}
        if begin is not None and (begin.holds or not rolling):
            return Rollout(wait=begin)
        operation = Operation(
            from_version=running, to_version=wanted, phase=OperationPhase.RUNNING, step=EXPAND, started=now, since=now
        )
    if operation.phase is OperationPhase.RUNNING and wanted == running:
        operation = _failed(operation, SET_BACK, now)
    match operation.phase:
        case OperationPhase.RUNNING:
            return _forward(operation, states, schema, limits, now, go_on)
        case OperationPhase.CONTRACTING:
            return _contract(_resumed(operation, now), states, schema)
        case _:
            return _back(operation, wanted, states, limits, now, way_back=way_back)


def _forward(  # noqa: PLR0917 - all that a step depends on
    operation: Operation, states: Mapping[str, State], schema: Schema, limits: Limits, now: int, go_on: Wait | None
) -> Rollout:
    order = [name for name in ORDER if name in states]
    if operation.step == EXPAND:
        if not schema.expanded:
            return _expand(_resumed(operation, now), schema, limits, now)
        at = -1
    else:
        at = order.index(operation.step) if operation.step in order else 0
    finished = at
    # What was renewed before must still be well: a fault may show only once others lean on it.
    while finished < len(order) and all(_done(states[name]) for name in order[: finished + 1]):
        finished += 1
    if at < finished and go_on is not None:
        return Rollout(frozenset(order[:finished]), expand=True, operation=_waiting(operation, go_on), wait=go_on)
    if finished == len(order):
        # First it is written down that there is no way back, and only then, in the next look, taken.
        done = {"phase": OperationPhase.CONTRACTING, "step": CONTRACT, "since": now, "waiting": ""}
        return Rollout(frozenset(order), expand=True, operation=operation.model_copy(update=done))
    operation = _resumed(operation, now)
    if order[finished] != operation.step:
        operation = operation.model_copy(update={"step": order[finished], "since": now})
    waited = now - operation.since
    renewed = order[: finished + 1]
    trouble = next((states[name].trouble for name in renewed if states[name].renewed and states[name].trouble), "")
    if (trouble and waited >= FAILING_SECONDS) or waited >= limits.step:
        unwell = ", ".join(name for name in renewed if not _done(states[name]))
        why = trouble or f"{unwell} did not become ready within {limits.step} s"
        return Rollout(expand=True, operation=_failed(operation, why, now))
    return Rollout(frozenset(renewed), expand=True, operation=operation)


def _expand(operation: Operation, schema: Schema, limits: Limits, now: int) -> Rollout:
    waited = now - operation.since
    why = schema.failed
    if schema.trouble and waited >= FAILING_SECONDS:
        why = schema.trouble
    elif waited >= limits.migration + FAILING_SECONDS:
        why = why or f"the migrations did not end within {limits.migration} s"
    return Rollout(expand=True, operation=_failed(operation, why, now) if why else operation)


def _contract(operation: Operation, states: Mapping[str, State], schema: Schema) -> Rollout:
    """Everything runs the new release. There is no way back from here, and what is not taken away harms nobody."""
    return Rollout(
        frozenset(states),
        operation=None if schema.contracted else operation.model_copy(update={"message": schema.failed}),
    )


def _failed(operation: Operation, why: str, now: int) -> Operation:
    """Taken back from here on. The way back begins with the component that was to be renewed last."""
    message = why if why == SET_BACK else f"{operation.step}: {why}"
    return operation.model_copy(
        update={"phase": OperationPhase.ROLLING_BACK, "step": ORDER[-1], "since": now, "message": message}
    )


def _back(
    operation: Operation, wanted: str, states: Mapping[str, State], limits: Limits, now: int, *, way_back: bool
) -> Rollout:
    order = [name for name in ORDER if name in states]
    if operation.phase is OperationPhase.ROLLED_BACK:
        return Rollout(restored=frozenset(order), expand=True, operation=operation)
    if not way_back:
        release = operation.from_version
        remedy = "put it back, so that components can go back to it"
        wait = Wait("ReleaseUnknown", f"release {release} is not in the image catalogue any more; {remedy}")
        return Rollout(expand=True, operation=_waiting(operation, wait), wait=wait)
    operation = _resumed(operation, now)
    at = order.index(operation.step) if operation.step in order else len(order) - 1
    while at >= 0:
        state = states[order[at]]
        # One that does not become well again must not keep the others from it.
        if not state.restored or not (state.well or now - operation.since >= limits.step):
            return Rollout(restored=frozenset(order[at:]), expand=True, operation=operation)
        at -= 1
        if at >= 0:
            operation = operation.model_copy(update={"step": order[at], "since": now})
    if wanted == operation.from_version:
        return Rollout(frozenset(order))
    done = operation.model_copy(update={"phase": OperationPhase.ROLLED_BACK})
    return Rollout(restored=frozenset(order), expand=True, operation=done)


def _done(state: State) -> bool:
    return state.renewed and state.well


def _asked_again(operation: Operation, wanted: str) -> bool:
    """Set back by hand and then forth again, it is another try."""
    return operation.message == SET_BACK and wanted == operation.to_version


def _resumed(operation: Operation, now: int) -> Operation:
    """What has waited has its whole time again."""
    return operation.model_copy(update={"waiting": "", "since": now}) if operation.waiting else operation


def _waiting(operation: Operation, wait: Wait) -> Operation:
    return operation.model_copy(update={"waiting": wait.message})


def steps(components: Sequence[str]) -> list[str]:
    """All steps of a change of release, in their order."""
    return [EXPAND, *(name for name in ORDER if name in components), CONTRACT]
