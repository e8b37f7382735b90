"""How often a link may be mailed, and how long deliveries wait for the next attempt."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chatcluster_user import outbox
from chatcluster_user.credentials.mails import next_mail_in
from chatcluster_user.leaving import erasure

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes_ago", "wait_minutes"),
    [([], 0), ([0], 1), ([0.5], 0.5), ([1], 0), ([2, 4, 6, 8], 0), ([2, 4, 6, 8, 10], 50), ([0, 55, 56, 57, 59], 1)],
)
def test_one_a_minute_and_five_an_hour(minutes_ago: list[float], wait_minutes: float) -> None:
    sent = [NOW - timedelta(minutes=minutes) for minutes in minutes_ago]
    assert max(next_mail_in(sent, NOW), timedelta(0)) == timedelta(minutes=wait_minutes)


@pytest.mark.parametrize("pause_after", [outbox.pause_after, erasure.pause_after])
def test_pauses_grow_to_a_bound(pause_after: Callable[[int], timedelta]) -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 200)]
    assert pauses == sorted(pauses)
    assert timedelta(seconds=1) <= pauses[0] < pauses[1]
    assert pauses[-1] <= timedelta(hours=1)
