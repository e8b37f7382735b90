"""The rate limit's arithmetic."""

import re

from hypothesis import given
from hypothesis import strategies as st

from chatcluster_gateway.gcra import SECOND, Policy, decide, headers

START = 1_700_000_000 * SECOND

policies = st.builds(
    Policy,
    name=st.just("user"),
    rate_per_second=st.floats(0.01, 10_000, allow_nan=False),
    burst=st.integers(1, 10_000),
)
gaps = st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=200)


@given(policies, gaps)
def test_never_more_than_a_burst_and_the_rate(policy: Policy, pauses: list[int]) -> None:
    now, tat, allowed = START, 0, []
    for pause in pauses:
        now += pause
        decision = decide(policy, tat, now)
        tat = decision.tat
        if decision.allowed:
            allowed.append(now)
    for first, begin in enumerate(allowed):
        for count, end in enumerate(allowed[first:], start=1):
            assert count <= policy.burst + (end - begin) / policy.interval


@given(policies, st.integers(0, 10**12))
def test_a_rested_key_has_its_whole_burst(policy: Policy, rest: int) -> None:
    tat = START - rest
    for used in range(1, min(policy.burst, 50) + 1):
        decision = decide(policy, tat, START)
        assert decision.allowed
        assert decision.remaining == policy.burst - used
        tat = decision.tat


@given(policies, gaps)
def test_waiting_as_told_is_enough(policy: Policy, pauses: list[int]) -> None:
    now, tat = START, 0
    for pause in pauses:
        now += pause
        decision = decide(policy, tat, now)
        tat = decision.tat
        if not decision.allowed:
            assert decision.retry_seconds >= 1
            assert decision.remaining == 0
            assert decide(policy, tat, now + decision.retry_seconds * SECOND).allowed
        rested = decide(policy, tat, now + decision.reset_seconds * SECOND)
        assert rested.remaining == policy.burst - 1


@given(policies, gaps)
def test_a_refused_call_costs_nothing(policy: Policy, pauses: list[int]) -> None:
    now, tat = START, 0
    for pause in pauses:
        now += pause
        decision = decide(policy, tat, now)
        if not decision.allowed:
            assert decision.tat == tat
        tat = decision.tat


def test_steady_calls_at_the_rate_are_all_allowed() -> None:
    policy, tat = Policy("user", 50, 1), 0
    for call in range(1000):
        decision = decide(policy, tat, START + call * policy.interval)
        assert decision.allowed
        tat = decision.tat


def test_headers() -> None:
    policy, tat = Policy("user", 2, 3), 0
    shown = []
    for _ in range(4):
        decision = decide(policy, tat, START)
        tat = decision.tat
        shown.append({name.decode(): value.decode() for name, value in headers([decision])})
    assert [fields["ratelimit"] for fields in shown] == [
        '"user";r=2;t=1',
        '"user";r=1;t=1',
        '"user";r=0;t=2',
        '"user";r=0;t=1',
    ]
    assert all(fields["ratelimit-policy"] == '"user";q=3;w=2' for fields in shown)
    assert [fields.get("retry-after") for fields in shown] == [None, None, None, "1"]


@given(policies, gaps)
def test_headers_are_structured_fields(policy: Policy, pauses: list[int]) -> None:
    now, tat = START, 0
    for pause in pauses:
        now += pause
        decision = decide(policy, tat, now)
        tat = decision.tat
        fields = dict(headers([decision]))
        assert re.fullmatch(rb'"user";q=[1-9]\d*;w=[1-9]\d*', fields[b"ratelimit-policy"])
        assert re.fullmatch(rb'"user";r=\d+;t=\d+', fields[b"ratelimit"])


def test_a_call_under_two_policies_shows_both() -> None:
    user, search = Policy("user", 10, 10), Policy("search", 1, 1)
    decisions = [decide(user, 0, START), decide(search, START + search.tolerance, START)]
    assert dict(headers(decisions)) == {
        b"ratelimit-policy": b'"user";q=10;w=1, "search";q=1;w=1',
        b"ratelimit": b'"user";r=9;t=1, "search";r=0;t=1',
        b"retry-after": b"1",
    }
