"""Upgrades, by table and in random worlds."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.api import COMPONENTS, Operation, OperationPhase
from chatcluster_operator.decide import Rollout, State, advance
from chatcluster_operator.decide.upgrade import FAILING_SECONDS, ORDER

OLD = State(renewed=False, restored=True, well=True)
NEW = State(renewed=True, restored=False, well=True)
ROLLING = State(renewed=True, restored=False, well=False)
CRASHING = State(renewed=True, restored=False, well=False, trouble="it crashes")
SAME = State(renewed=True, restored=True, well=True)
NAMES = ("postgres", "user", "gateway", "edge")
ALL = frozenset(NAMES)


def operation(
    step: str = "user", since: int = 100, phase: OperationPhase = OperationPhase.RUNNING, to: str = "2"
) -> Any:
    return Operation(from_version="1", to_version=to, phase=phase, step=step, started=100, since=since)


def states(*given: State) -> dict[str, State]:
    return dict(zip(NAMES, given, strict=True))


def decide(world: dict[str, State], known: Operation | None, **more: Any) -> Rollout:
    arguments = {"wanted": "2", "running": "1", "step_seconds": 600, "now": 110, **more}
    return advance(operation=known, states=world, **arguments)


def test_the_order_has_every_component_and_the_stores_first() -> None:
    assert set(ORDER) == set(COMPONENTS)
    assert ORDER[-1] == "edge"
    assert ORDER.index("gateway") > max(ORDER.index(name) for name in ("user", "message", "file", "presence"))


@pytest.mark.parametrize("more", [{"running": None}, {"running": "2"}])
def test_a_first_start_and_a_settled_release_need_no_steps(more: dict[str, Any]) -> None:
    assert decide(states(OLD, OLD, OLD, OLD), None, **more) == Rollout(ALL)


def test_a_new_version_begins_with_the_first_component_alone() -> None:
    rollout = decide(states(OLD, OLD, OLD, OLD), None)
    assert rollout.renewed == {"postgres"}
    assert rollout.operation == Operation(
        from_version="1", to_version="2", phase=OperationPhase.RUNNING, step="postgres", started=110, since=110
    )


@pytest.mark.parametrize(
    ("world", "renewed", "step", "since"),
    [
        (states(NEW, ROLLING, OLD, OLD), {"postgres", "user"}, "user", 100),
        (states(NEW, NEW, OLD, OLD), {"postgres", "user", "gateway"}, "gateway", 110),
        # A component of the same image in both releases takes no step of its own.
        (states(NEW, NEW, SAME, OLD), set(NAMES), "edge", 110),
        # One that was renewed before and is unwell now holds the next step back.
        (states(ROLLING, NEW, OLD, OLD), {"postgres", "user"}, "user", 100),
        # An image put back by hand is renewed again; drift is not failure.
        (states(OLD, ROLLING, OLD, OLD), {"postgres", "user"}, "user", 100),
    ],
)
def test_one_step_after_the_other(world: dict[str, State], renewed: set[str], step: str, since: int) -> None:
    rollout = decide(world, operation())
    assert rollout.renewed == renewed
    assert rollout.operation is not None
    assert (rollout.operation.step, rollout.operation.since) == (step, since)


def test_when_all_run_the_new_release_the_operation_is_over() -> None:
    assert decide(states(NEW, NEW, NEW, NEW), operation("edge")) == Rollout(ALL)


@pytest.mark.parametrize(
    ("world", "now", "says"),
    [
        (states(NEW, ROLLING, OLD, OLD), 700, "user did not become ready within 600 s"),
        (states(NEW, CRASHING, OLD, OLD), 100 + FAILING_SECONDS, "it crashes"),
        (states(CRASHING, NEW, OLD, OLD), 100 + FAILING_SECONDS, "it crashes"),
    ],
)
def test_a_step_that_fails_takes_everything_back(world: dict[str, State], now: int, says: str) -> None:
    rollout = decide(world, operation(), now=now)
    assert rollout.restored
    assert not rollout.renewed
    assert rollout.operation is not None
    assert rollout.operation.phase is OperationPhase.ROLLING_BACK
    assert rollout.operation.message == says


def test_a_crash_at_the_start_of_a_step_is_given_a_moment() -> None:
    assert not decide(states(NEW, CRASHING, OLD, OLD), operation(), now=100 + FAILING_SECONDS - 1).restored


@pytest.mark.parametrize(
    ("world", "phase"),
    [
        (states(ROLLING, OLD, OLD, OLD), OperationPhase.ROLLING_BACK),
        (states(OLD, State(renewed=False, restored=True, well=False), OLD, OLD), OperationPhase.ROLLING_BACK),
        (states(OLD, OLD, OLD, SAME), OperationPhase.ROLLED_BACK),
    ],
)
def test_back_until_all_run_the_release_before_and_are_well(world: dict[str, State], phase: OperationPhase) -> None:
    rollout = decide(world, operation(phase=OperationPhase.ROLLING_BACK))
    assert rollout.restored
    assert rollout.operation is not None
    assert rollout.operation.phase is phase


def test_taken_back_it_stays_so_until_another_version_is_asked_for() -> None:
    failed = operation(phase=OperationPhase.ROLLED_BACK)
    assert decide(states(OLD, OLD, OLD, OLD), failed, now=10**6).operation == failed
    assert decide(states(OLD, OLD, OLD, OLD), failed, wanted="1") == Rollout(ALL)
    again = decide(states(OLD, OLD, OLD, OLD), failed, wanted="3")
    assert again.renewed == {"postgres"}
    assert again.operation is not None
    assert again.operation.to_version == "3"


@dataclass
class World:
    """Workloads that roll out what they are told, or break, as chance has it."""

    renewed: set[str] = field(default_factory=set)
    unwell: set[str] = field(default_factory=set)

    def states(self) -> dict[str, State]:
        return {
            name: State(renewed=name in self.renewed, restored=name not in self.renewed, well=name not in self.unwell)
            for name in ORDER
        }

    def apply(self, rollout: Rollout) -> set[str]:
        """Give each component the image decided on; whatever changes is unwell until it has rolled out."""
        changed = (set(rollout.renewed) ^ self.renewed) & set(ORDER)
        self.renewed = set(rollout.renewed)
        self.unwell |= changed
        return changed


@given(st.integers(0, 2**32), st.sets(st.sampled_from(ORDER)))
def test_in_any_world_steps_never_overlap_and_it_comes_to_an_end(seed: int, broken: set[str]) -> None:
    """`broken` never become well with the new release."""
    chance = random.Random(seed)
    world, known, now = World(), None, 0
    for _ in range(500):
        now += chance.randint(1, 60)
        before = world.states()
        # A restart of the operator changes nothing: all that it knows is in the status.
        rollout = advance(wanted="2", running="1", operation=known, states=before, step_seconds=600, now=now)
        changed = world.apply(rollout)
        if not rollout.restored:
            assert len(changed) <= 1, "two components at a time"
            for name in changed:
                ahead = ORDER[: ORDER.index(name)]
                assert all(before[other].renewed and before[other].well for other in ahead), "over an unwell one"
        known = rollout.operation
        if known is None or known.phase is OperationPhase.ROLLED_BACK:
            break
        mending = [name for name in sorted(world.unwell) if name not in broken or name not in world.renewed]
        world.unwell -= {name for name in mending if chance.random() < 0.7}
    else:
        pytest.fail("no end")
    assert world.renewed == (set(ORDER) if known is None else set())
    assert not (broken and known is None)
