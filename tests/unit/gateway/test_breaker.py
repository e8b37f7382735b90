"""The circuit breaker, step by step and under any sequence of events."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatcluster_gateway.breaker import Breaker, State

FAILURES, FIRST, LONGEST = 3, 1.0, 8.0


def made() -> Breaker:
    """One with room for three failures."""
    return Breaker(failures=FAILURES, first_seconds=FIRST, longest_seconds=LONGEST)


def fail(breaker: Breaker, now: float) -> None:
    """One call that goes wrong at once."""
    permit = breaker.admit(now)
    assert permit is not None
    breaker.failed(permit, now)


@pytest.mark.parametrize(
    ("results", "state"),
    [("", State.CLOSED), ("ff", State.CLOSED), ("fff", State.OPEN), ("ffsff", State.CLOSED), ("ffsfff", State.OPEN),
     ("faf", State.CLOSED), ("faff", State.OPEN), ("sss", State.CLOSED)],
)  # fmt: skip
def test_only_failures_in_a_row_open_it(results: str, state: State) -> None:
    breaker = made()
    for result in results:
        permit = breaker.admit(0)
        assert permit is not None
        match result:
            case "f":
                breaker.failed(permit, 0)
            case "s":
                breaker.succeeded(permit)
            case _:
                breaker.abandoned(permit)
    assert breaker.state is state


def test_each_failed_try_doubles_the_wait() -> None:
    breaker, now, waits = made(), 0.0, []
    for _ in range(FAILURES):
        fail(breaker, now)
    for _ in range(6):
        wait = breaker.retry_seconds(now)
        waits.append(wait)
        assert breaker.admit(now + wait - 0.001) is None
        now += wait
        fail(breaker, now)
    assert waits == [1, 2, 4, 8, 8, 8]
    permit = breaker.admit(now + LONGEST)
    assert permit is not None
    breaker.succeeded(permit)
    for _ in range(FAILURES):
        fail(breaker, now)
    assert breaker.retry_seconds(now) == 1, "a success begins anew"


def test_one_call_tries_and_the_others_wait() -> None:
    breaker = made()
    for _ in range(FAILURES):
        fail(breaker, 0)
    permit = breaker.admit(FIRST)
    assert permit is not None
    assert breaker.admit(FIRST) is None
    breaker.abandoned(permit)
    assert breaker.admit(FIRST) is not None, "the one who tried has left"


class AnyHistory(RuleBasedStateMachine):
    """Calls begin and end in any order, as time goes on."""

    @initialize()
    def begin(self) -> None:
        """Nothing has happened."""
        self.breaker = made()
        self.now = 0.0
        self.open: list[int] = []
        self.tries = 0
        self.last_open = -1.0

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        """Time goes on."""
        self.now += seconds

    @rule()
    def call(self) -> None:
        """Somebody calls."""
        before = self.breaker.state
        permit = self.breaker.admit(self.now)
        if before is State.CLOSED:
            assert permit is not None
        if before is State.HALF_OPEN:
            assert permit is None
        if permit is not None:
            self.open.append(permit)
        else:
            assert 1 <= self.breaker.retry_seconds(self.now) <= LONGEST

    @precondition(lambda self: self.open)
    @rule(data=st.data(), result=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, data: st.DataObject, result: str) -> None:
        """A call comes to its end."""
        permit = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        before = self.breaker.state
        match result:
            case "succeeded":
                self.breaker.succeeded(permit)
                assert self.breaker.state in {before, State.CLOSED}
            case "failed":
                self.breaker.failed(permit, self.now)
                assert self.breaker.state in {before, State.OPEN}
            case _:
                self.breaker.abandoned(permit)
                assert self.breaker.state in {before, State.OPEN}
        if before is State.OPEN:
            assert self.breaker.state is State.OPEN, "only a try closes it"

    @invariant()
    def it_can_always_recover(self) -> None:
        """However it got here: once all calls are over, waiting long enough lets one through."""
        if hasattr(self, "breaker") and not self.open:
            assert self.breaker.state is not State.HALF_OPEN


AnyHistory.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestAnyHistory = AnyHistory.TestCase
