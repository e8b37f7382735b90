"""How guessing is slowed down: what is free, how long one waits, and what strangers can do to somebody."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_user.sign_in import throttle
from chatcluster_user.sign_in.throttle import ACCOUNT, NETWORK, PAIR, Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(free=3, first=timedelta(seconds=2), longest=timedelta(seconds=60), forget=timedelta(hours=1))


@pytest.mark.parametrize(
    ("failures", "seconds_ago", "wait"),
    [(0, 0, 0), (2, 0, 0), (3, 0, 2), (4, 0, 4), (5, 0, 8), (8, 0, 60), (1000, 0, 60), (5, 3, 5), (1000, 3600, 0)],
)
def test_waiting(failures: int, seconds_ago: int, wait: int) -> None:
    last_at = NOW - timedelta(seconds=seconds_ago)
    assert throttle.wait(POLICY, failures, last_at, NOW) == timedelta(seconds=wait)


@given(st.sampled_from([PAIR, ACCOUNT, NETWORK]), st.integers(0, 10**6), st.integers(0, 10**6))
def test_it_is_never_worse_than_the_policy_says(policy: Policy, failures: int, seconds_ago: int) -> None:
    last_at = NOW - timedelta(seconds=seconds_ago)
    wait = throttle.wait(policy, failures, last_at, NOW)
    assert wait <= policy.longest
    assert wait <= throttle.wait(policy, failures + 1, last_at, NOW), "more failures, no shorter wait"
    if failures < policy.free or last_at + policy.longest <= NOW:
        assert wait <= timedelta(0)


def test_what_counts_for_what() -> None:
    here, there = throttle.login_limits("ada", "198.51.100.7", None), throttle.login_limits("ada", "203.0.113.1", None)
    assert here[0].key != there[0].key
    assert here[1].key == there[1].key, "the account is counted over all networks"
    assert here[2].key == throttle.login_limits("bob", "198.51.100.7", None)[2].key, "a network over all accounts"
    assert len({limit.key for limit in here}) == 3
    known = throttle.login_limits("ada", "203.0.113.1", "phone")
    assert not {limit.key for limit in known} & {limit.key for limit in [*here, *there]}, "strangers' failures are not"


def test_everything_is_forgotten_by_the_time_it_is_purged() -> None:
    assert max(policy.forget for policy in (PAIR, ACCOUNT, NETWORK)) <= throttle.LONGEST_MEMORY
