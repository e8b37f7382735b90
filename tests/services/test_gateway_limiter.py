"""The rate limiter on a real Redis: its script decides as `gcra.decide` does."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from chatcluster_gateway.gcra import SECOND, Decision, Policy, decide
from chatcluster_gateway.limiter import KEY_PREFIX, SCRIPT, RedisLimiter
from chatcluster_testing.redis import Redis


@pytest.fixture
async def limiter(redis: Redis) -> AsyncIterator[RedisLimiter]:
    """The limiter as the gateway's user, with time for a busy machine."""
    limiter = RedisLimiter(SecretStr(redis.url("gateway")), 5)
    yield limiter
    await limiter.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ahead=st.integers(-10 * SECOND, 100 * SECOND),
    rate=st.floats(0.05, 1000),
    burst=st.integers(1, 1000),
    calls=st.integers(1, 20),
)
async def test_the_script_decides_as_the_function(
    redis: Redis, ahead: int, rate: float, burst: int, calls: int
) -> None:
    policy, key = Policy("user", rate, burst), KEY_PREFIX + secrets.token_hex(8)
    async with _admin(redis) as admin:
        seconds, micros = await admin.time()
        tat = seconds * SECOND + micros + ahead
        await admin.set(key, tat)
        answer = await admin.eval(SCRIPT, calls, *([key] * calls), *([policy.interval, policy.tolerance] * calls))
        now = answer[0]
        for call in range(calls):
            expected = decide(policy, tat, now)
            assert answer[2 * call + 1 : 2 * call + 3] == [int(expected.allowed), expected.tat]
            tat = expected.tat


async def take(limiter: RedisLimiter, policy: Policy, key: str) -> Decision:
    """One call under one policy."""
    [decision] = await limiter.take([(policy, key)])
    return decision


def _admin(server: Redis) -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(server.admin_url)


async def test_many_at_once_get_exactly_the_burst(limiter: RedisLimiter) -> None:
    policy, key = Policy("user", 0.001, 100), secrets.token_hex(8)
    decisions = await asyncio.gather(*(take(limiter, policy, key) for _ in range(1000)))
    assert sum(decision.allowed for decision in decisions) == 100
    assert sorted(decision.remaining for decision in decisions if decision.allowed) == list(range(100))


async def test_replicas_share_one_count(redis: Redis, limiter: RedisLimiter) -> None:
    other = RedisLimiter(SecretStr(redis.url("gateway")), 5)
    policy, key = Policy("user", 0.001, 20), secrets.token_hex(8)
    decisions = await asyncio.gather(*(take(each, policy, key) for _ in range(50) for each in (limiter, other)))
    await other.close()
    assert sum(decision.allowed for decision in decisions) == 20


async def test_keys_are_our_own_and_go_away(redis: Redis, limiter: RedisLimiter) -> None:
    key = secrets.token_hex(8)
    await take(limiter, Policy("user", 0.05, 200), key)
    async with _admin(redis) as admin:
        assert 0 < await admin.pttl(f"gateway:rate:{key}") <= 20_001


async def test_callers_that_left_do_not_stop_the_others(limiter: RedisLimiter) -> None:
    policy = Policy("user", 1000, 1000)
    tasks = [asyncio.create_task(take(limiter, policy, secrets.token_hex(8))) for _ in range(300)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert not any(isinstance(result, BaseException) for result in results[1::2])
    assert (await take(limiter, policy, secrets.token_hex(8))).allowed


async def test_a_call_may_count_under_several_policies(limiter: RedisLimiter) -> None:
    wide, narrow, key = Policy("user", 0.001, 3), Policy("token", 0.001, 1), secrets.token_hex(8)
    seen = [await limiter.take([(wide, key), (narrow, f"{key}:narrow")]) for _ in range(4)]
    assert [[decision.allowed for decision in decisions] for decisions in seen] == [
        [True, True],
        [True, False],
        [True, False],
        [False, False],
    ]
