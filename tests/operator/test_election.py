"""Two operators: one acts, the other takes over, quickly after a clean exit and in time after a crash."""

from collections.abc import Callable
from typing import Any

from chatcluster_operator.leader import LEASE_DURATION, RETRY_PERIOD
from chatcluster_testing.control_plane import until


def test_one_acts_and_the_other_takes_over(room: Any, operator: Any, start_operator: Callable[..., Any]) -> None:
    standby = start_operator("operator-b")
    room.create()
    until(room.settled, "everything applied", 60)
    assert operator.leading
    assert not standby.leading
    assert standby.metric("chatcluster_operator_applies_total") == 0
    assert standby.metric("chatcluster_operator_workers") >= 1, "the standby watches too"

    before = room.contents()
    operator.program.kill()
    try:
        until(lambda: standby.leading, "the standby to lead", LEASE_DURATION + 3 * RETRY_PERIOD)
        until(
            lambda: standby.metric("chatcluster_operator_reconciles_total", result="ok") >= 1,
            "it to look at everything",
        )
        assert standby.metric("chatcluster_operator_applies_total") == 0, "it knows what the other has applied"
        assert room.contents() == before, "taking over changes nothing where nothing differs"
    finally:
        operator.program.start()
    assert not operator.leading
    assert standby.program.stop() == 0
    until(lambda: operator.leading, "the lease handed over", 2 * RETRY_PERIOD + 1)
