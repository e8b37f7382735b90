"""Upgrades, by table and in random worlds."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.api import COMPONENTS, Operation, OperationPhase
from chatcluster_operator.decide.maintenance import Opening
from chatcluster_operator.decide.operations import Situation, Wait, Work, may_begin, may_go_on
from chatcluster_operator.decide.upgrade import (
    CONTRACT,
    EXPAND,
    FAILING_SECONDS,
    ORDER,
    SET_BACK,
    Limits,
    Rollout,
    Schema,
    State,
    advance,
    steps,
)

OLD = State(renewed=False, restored=True, well=True)
SICK = State(renewed=False, restored=True, well=False)
NEW = State(renewed=True, restored=False, well=True)
ROLLING = State(renewed=True, restored=False, well=False)
CRASHING = State(renewed=True, restored=False, well=False, trouble="it crashes")
SAME = State(renewed=True, restored=True, well=True)
NAMES = ("postgres", "user", "gateway", "edge")
ALL = frozenset(NAMES)
EXPANDED, CONTRACTED = Schema(expanded=True), Schema(expanded=True, contracted=True)
CLOSED = Wait("OutsideWindow", "waits for the next maintenance window", until=10_000)
PAUSED = Wait("Paused", "waits while spec.paused is true", holds=True)
LIMITS = Limits(step=600, migration=3600)


def operation(  # noqa: PLR0917 - the fields of an operation
    step: str = "user",
    since: int = 100,
    phase: OperationPhase = OperationPhase.RUNNING,
    to: str = "2",
    message: str = "",
    waiting: str = "",
) -> Operation:
    return Operation(
        from_version="1",
        to_version=to,
        phase=phase,
        step=step,
        started=100,
        since=since,
        message=message,
        waiting=waiting,
    )


def states(*given: State) -> dict[str, State]:
    return dict(zip(NAMES, given, strict=True))


UNTOUCHED, FINISHED = states(OLD, OLD, OLD, OLD), states(NEW, NEW, NEW, NEW)


def decide(world: dict[str, State], known: Operation | None, **more: Any) -> Rollout:
    arguments: dict[str, Any] = {
        "wanted": "2",
        "running": "1",
        "schema": EXPANDED,
        "limits": LIMITS,
        "now": 110,
        **more,
    }
    return advance(operation=known, states=world, **arguments)


def stands(rollout: Rollout) -> tuple[OperationPhase, str, int]:
    assert rollout.operation is not None
    return rollout.operation.phase, rollout.operation.step, rollout.operation.since


def test_the_order_has_every_component_and_the_stores_first() -> None:
    assert set(ORDER) == set(COMPONENTS)
    assert ORDER[-1] == "edge"
    assert ORDER.index("gateway") > max(ORDER.index(name) for name in ("user", "message", "file", "presence"))
    assert steps(NAMES) == [EXPAND, "postgres", "user", "gateway", "edge", CONTRACT]


@pytest.mark.parametrize("more", [{"running": None}, {"running": "2"}])
def test_a_first_start_and_a_settled_release_need_no_steps(more: dict[str, Any]) -> None:
    assert decide(UNTOUCHED, None, **more) == Rollout(ALL)


def test_a_new_version_begins_with_the_schemas_alone() -> None:
    rollout = decide(UNTOUCHED, None, schema=Schema())
    assert (rollout.renewed, rollout.restored, rollout.expand) == (frozenset(), frozenset(), True)
    assert rollout.operation == operation(EXPAND, since=110).model_copy(update={"started": 110})


@pytest.mark.parametrize("wait", [CLOSED, PAUSED, Wait("Unhealthy", "waits"), Wait("AnotherOperation", "waits")])
def test_what_may_not_begin_says_why_and_changes_nothing(wait: Wait) -> None:
    assert decide(UNTOUCHED, None, begin=wait) == Rollout(wait=wait)
    failed = operation(phase=OperationPhase.ROLLED_BACK, to="3")
    assert decide(UNTOUCHED, failed, begin=wait) == Rollout(wait=wait)


@pytest.mark.parametrize(
    ("schema", "now", "phase", "says"),
    [
        (Schema(), 100 + 3600, OperationPhase.RUNNING, ""),
        (Schema(), 100 + 3600 + FAILING_SECONDS, OperationPhase.ROLLING_BACK, "did not end within 3600 s"),
        (Schema(failed="Job demo-user-db-1 failed"), 101, OperationPhase.ROLLING_BACK, "Job demo-user-db-1 failed"),
        (Schema(trouble="no image"), 100 + FAILING_SECONDS - 1, OperationPhase.RUNNING, ""),
        (Schema(trouble="no image"), 100 + FAILING_SECONDS, OperationPhase.ROLLING_BACK, "no image"),
    ],
)
def test_no_component_is_touched_before_the_schemas_are_wide(
    schema: Schema, now: int, phase: OperationPhase, says: str
) -> None:
    rollout = decide(UNTOUCHED, operation(EXPAND), schema=schema, now=now)
    assert not rollout.renewed
    assert rollout.expand
    assert rollout.operation is not None
    assert rollout.operation.phase is phase
    assert says in rollout.operation.message


@pytest.mark.parametrize(
    ("world", "renewed", "step", "since"),
    [
        (states(NEW, ROLLING, OLD, OLD), {"postgres", "user"}, "user", 100),
        (states(NEW, NEW, OLD, OLD), {"postgres", "user", "gateway"}, "gateway", 110),
        # A component of the same image in both releases takes no step of its own.
        (states(NEW, NEW, SAME, OLD), set(NAMES), "edge", 110),
        # One that was renewed before and is unwell now holds the next step back.
        (states(ROLLING, NEW, OLD, OLD), {"postgres"}, "postgres", 110),
        # An image put back by hand is renewed again; drift is not failure.
        (states(OLD, ROLLING, OLD, OLD), {"postgres", "user"}, "user", 100),
    ],
)
def test_one_step_after_the_other(world: dict[str, State], renewed: set[str], step: str, since: int) -> None:
    rollout = decide(world, operation())
    assert renewed <= rollout.renewed <= renewed | {"user"}
    assert stands(rollout)[1:] == (step, since) or step == "postgres"


def test_when_all_run_the_new_release_there_is_no_way_back_and_only_then_the_schemas_are_narrowed() -> None:
    rollout = decide(FINISHED, operation("edge"))
    assert (rollout.renewed, rollout.expand) == (ALL, True)
    assert stands(rollout) == (OperationPhase.CONTRACTING, CONTRACT, 110)
    # From here on `running` is the new release.
    narrowing = decide(FINISHED, rollout.operation, running="2")
    assert (narrowing.renewed, narrowing.expand) == (ALL, False)
    assert stands(narrowing)[0] is OperationPhase.CONTRACTING
    broken = decide(states(NEW, CRASHING, NEW, NEW), rollout.operation, running="2", now=10**6)
    assert stands(broken)[0] is OperationPhase.CONTRACTING
    failed = decide(FINISHED, rollout.operation, running="2", schema=Schema(expanded=True, failed="a lock"))
    assert failed.operation is not None
    assert failed.operation.message == "a lock"
    assert decide(FINISHED, rollout.operation, running="2", schema=CONTRACTED) == Rollout(ALL)


@pytest.mark.parametrize(
    ("world", "now", "says"),
    [
        (states(NEW, ROLLING, OLD, OLD), 700, "user: user did not become ready within 600 s"),
        (states(NEW, CRASHING, OLD, OLD), 100 + FAILING_SECONDS, "user: it crashes"),
        (states(CRASHING, NEW, OLD, OLD), 100 + FAILING_SECONDS, "user: it crashes"),
    ],
)
def test_a_step_that_fails_takes_everything_back(world: dict[str, State], now: int, says: str) -> None:
    rollout = decide(world, operation(), now=now)
    assert not rollout.renewed
    assert rollout.operation is not None
    assert rollout.operation.phase is OperationPhase.ROLLING_BACK
    assert rollout.operation.message == says


def test_a_crash_at_the_start_of_a_step_is_given_a_moment() -> None:
    rollout = decide(states(NEW, CRASHING, OLD, OLD), operation(), now=100 + FAILING_SECONDS - 1)
    assert stands(rollout)[0] is OperationPhase.RUNNING


BACK = operation("edge", phase=OperationPhase.ROLLING_BACK, message="user: it crashes")


@pytest.mark.parametrize(
    ("world", "known", "restored", "step", "phase"),
    [
        (states(NEW, CRASHING, OLD, OLD), BACK, {"user", "gateway", "edge"}, "user", OperationPhase.ROLLING_BACK),
        (states(NEW, SICK, OLD, OLD), BACK, {"user", "gateway", "edge"}, "user", OperationPhase.ROLLING_BACK),
        (states(NEW, OLD, OLD, OLD), BACK, ALL, "postgres", OperationPhase.ROLLING_BACK),
        (states(OLD, OLD, OLD, SAME), BACK, ALL, "postgres", OperationPhase.ROLLED_BACK),
        # One that stays unwell does not keep the others from going back.
        (
            states(NEW, SICK, OLD, OLD),
            BACK.model_copy(update={"step": "user", "since": 110 - 600}),
            ALL,
            "postgres",
            OperationPhase.ROLLING_BACK,
        ),
    ],
)
def test_back_in_the_opposite_order(
    world: dict[str, State], known: Operation, restored: set[str], step: str, phase: OperationPhase
) -> None:
    rollout = decide(world, known)
    assert rollout.restored == restored
    assert not rollout.renewed
    assert stands(rollout)[:2] == (phase, step)


def test_without_the_images_of_the_release_before_it_says_so_and_waits() -> None:
    rollout = decide(states(NEW, CRASHING, OLD, OLD), BACK, way_back=False)
    assert not rollout.restored
    assert rollout.wait is not None
    assert "release 1 is not in the image catalogue" in rollout.wait.message
    resumed = decide(states(NEW, CRASHING, OLD, OLD), rollout.operation, now=200)
    assert resumed.restored == {"user", "gateway", "edge"}
    assert stands(resumed)[2] == 200


def test_taken_back_it_stays_so_until_another_version_is_asked_for() -> None:
    failed = operation(phase=OperationPhase.ROLLED_BACK)
    assert decide(UNTOUCHED, failed, now=10**6).operation == failed
    assert decide(UNTOUCHED, failed, wanted="1") == Rollout(ALL)
    again = decide(UNTOUCHED, failed, wanted="3", schema=Schema())
    assert again.operation is not None
    assert (again.operation.to_version, again.operation.step) == ("3", EXPAND)


def test_set_back_by_hand_it_goes_back_step_by_step_and_set_forth_again_it_is_another_try() -> None:
    rollout = decide(states(NEW, ROLLING, OLD, OLD), operation(), wanted="1")
    assert rollout.restored == {"user", "gateway", "edge"}
    assert rollout.operation is not None
    assert rollout.operation.message == SET_BACK
    again = decide(states(NEW, ROLLING, OLD, OLD), rollout.operation)
    assert stands(again)[0] is OperationPhase.RUNNING
    assert decide(UNTOUCHED, rollout.operation, wanted="1") == Rollout(ALL)


@pytest.mark.parametrize("phase", [OperationPhase.RUNNING, OperationPhase.ROLLING_BACK])
def test_a_release_that_mends_another_need_not_wait(phase: OperationPhase) -> None:
    """Whatever is not ready is so because of the one under way, which is left for it."""
    known = operation("user", phase=phase, message="user: it crashes")
    rollout = decide(
        states(NEW, CRASHING, OLD, OLD), known, wanted="3", schema=Schema(), begin=Wait("Unhealthy", "waits")
    )
    assert rollout.operation is not None
    assert (rollout.operation.to_version, rollout.operation.from_version) == ("3", "1")
    assert not rollout.renewed
    assert not rollout.restored


def test_a_closed_window_lets_the_step_finish_and_the_next_one_wait() -> None:
    running = decide(states(NEW, ROLLING, OLD, OLD), operation(), go_on=CLOSED)
    assert (running.renewed, running.wait) == ({"postgres", "user"}, None)
    waiting = decide(states(NEW, NEW, OLD, OLD), operation(), go_on=CLOSED)
    assert (waiting.renewed, waiting.wait) == ({"postgres", "user"}, CLOSED)
    # While it waits nothing is written, and no time runs.
    later = decide(states(NEW, NEW, OLD, OLD), waiting.operation, go_on=CLOSED, now=9_999)
    assert later.operation == waiting.operation
    unwell = decide(states(NEW, ROLLING, OLD, OLD), waiting.operation, go_on=CLOSED, now=9_999)
    assert stands(unwell) == (OperationPhase.RUNNING, "user", 9_999)
    resumed = decide(states(NEW, NEW, OLD, OLD), waiting.operation, now=10_000)
    assert stands(resumed) == (OperationPhase.RUNNING, "gateway", 10_000)
    assert resumed.operation is not None
    assert resumed.operation.waiting == ""


@pytest.mark.parametrize("phase", [OperationPhase.RUNNING, OperationPhase.CONTRACTING, OperationPhase.ROLLING_BACK])
def test_a_pause_holds_everything_where_it_stands(phase: OperationPhase) -> None:
    known = operation(phase=phase)
    held = decide(states(NEW, CRASHING, OLD, OLD), known, go_on=PAUSED, now=10**6)
    assert (held.renewed, held.restored, held.wait) == (frozenset(), frozenset(), PAUSED)
    assert held.operation == known.model_copy(update={"waiting": PAUSED.message})
    assert decide(states(NEW, CRASHING, OLD, OLD), held.operation, go_on=PAUSED, now=10**7) == held


@dataclass
class World:
    """Workloads that roll out what they are told, or break, as chance has it; Jobs likewise."""

    running: str = "1"
    version: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ORDER, "1"))
    unwell: set[str] = field(default_factory=set[str])
    expanded: bool = False
    contracted: bool = False

    def states(self, wanted: str) -> dict[str, State]:
        return {
            name: State(
                renewed=self.version[name] == wanted,
                restored=self.version[name] == self.running,
                well=name not in self.unwell,
            )
            for name in ORDER
        }

    def apply(self, rollout: Rollout, wanted: str) -> set[str]:
        """Give each component the release decided on; whatever changes is unwell until it has rolled out."""
        after = {
            name: wanted if name in rollout.renewed else self.running if name in rollout.restored else known
            for name, known in self.version.items()
        }
        changed = {name for name in ORDER if after[name] != self.version[name]}
        self.version = after
        self.unwell |= changed
        return changed


@given(
    st.integers(0, 2**32),
    st.sets(st.sampled_from(ORDER)),
    st.sampled_from(["well", "expand fails", "contract fails"]),
)
def test_in_any_world_steps_never_overlap_and_it_comes_to_an_end(seed: int, broken: set[str], schema: str) -> None:
    """`broken` never become well with the new release. Pauses and windows come and go; restarts of the operator change
    nothing, as all that it knows is in the status."""
    chance = random.Random(seed)
    world, known, now, narrowed = World(), None, 0, False
    for look in range(2_000):
        now += chance.randint(1, 60)
        # In the end nothing stands in the way any more, so that it must come to an end.
        hindered = look < 200
        standing = Situation(
            paused=hindered and chance.random() < 0.1,
            hibernated=hindered and chance.random() < 0.1,
            unwell=tuple(sorted(world.unwell)),
            window=Opening(open=not hindered or chance.random() < 0.6, next=now + 100),
        )
        jobs = Schema(
            expanded=world.expanded,
            contracted=world.contracted,
            failed="no" if schema == "expand fails" or (narrowed and schema == "contract fails") else "",
        )
        before = world.states("2")
        rollout = advance(
            wanted="2",
            running=world.running,
            operation=known,
            states=before,
            schema=jobs,
            limits=Limits(step=600, migration=600),
            now=now,
            begin=may_begin(Work.UPGRADE, standing),
            go_on=may_go_on(Work.UPGRADE, standing),
        )
        changed = world.apply(rollout, "2")
        assert len(changed) <= 1, "two components at a time"
        if changed:
            assert not standing.paused
            assert not standing.hibernated
            assert world.expanded or rollout.restored, "before the schemas are wide"
            assert not narrowed, "after the schemas were narrowed"
        for name in changed & rollout.renewed:
            ahead = ORDER[: ORDER.index(name)]
            assert all(before[other].renewed for other in ahead)
            assert all(before[other].well for other in ahead), "over an unwell one"
            assert standing.window.open, "outside a window"
        narrowed |= rollout.operation is not None and not rollout.expand
        if narrowed:
            assert set(world.version.values()) == {"2"}, "narrowed while something runs the release before"
            assert not rollout.restored
        if not hindered or chance.random() < 0.9:
            # Otherwise the operator ends before it has written down what it did.
            known = rollout.operation
        if known is not None and known.phase is OperationPhase.CONTRACTING:
            world.running = "2"
        over = known is None and rollout.wait is None and world.running == "2"
        if over or (known is not None and known.phase is OperationPhase.ROLLED_BACK):
            break
        if narrowed and schema == "contract fails" and not hindered:
            break
        world.expanded |= rollout.expand and schema != "expand fails" and chance.random() < 0.5
        world.contracted |= narrowed and schema != "contract fails" and chance.random() < 0.5
        mending = [name for name in sorted(world.unwell) if name not in broken or world.version[name] != "2"]
        world.unwell -= {name for name in mending if chance.random() < 0.7}
    else:
        pytest.fail("no end")
    failed = bool(broken) or schema == "expand fails"
    assert set(world.version.values()) == {"1" if failed else "2"}
    assert (known is None) is (schema == "well" and not broken)
