"""Signals over a real Redis: what happened before a process started, while it ran, and while Redis was away."""

import asyncio
import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis as Client
from redis.exceptions import NoPermissionError

from chatcluster_common import signals
from chatcluster_common.signals import Revocations, Signals
from chatcluster_testing.redis import Redis, running_redis


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)


async def test_a_process_hears_of_the_past_and_of_what_follows(redis: Redis) -> None:
    async with Client.from_url(redis.url("user")) as user, Client.from_url(redis.url("file")) as mine:
        before = time.time()
        await signals.send(user, "session_revoked", session_id="before", user_id="ann")
        revocations = Revocations()
        changed: list[str] = []
        follower = Signals(mine, revocations)
        follower.on("user_changed", lambda fields: changed.append(fields["user_id"]))
        async with follower:
            assert revocations.revoked("ann", "before", time.time())
            await signals.send(user, "user_revoked", user_id="bob")
            await signals.send(user, "user_changed", user_id="cid")
            await until(lambda: "cid" in changed, "the change")
            assert revocations.revoked("bob", "any", before - 1)
            assert not revocations.revoked("bob", "later", time.time() + 5)
            assert not revocations.revoked("ann", "other", time.time())


async def test_silence_is_no_failure_whatever_time_limits_others_have(redis: Redis) -> None:
    """A limiter's client gives up after a tenth of a second; the stream may say nothing for hours."""
    signals.SIGNALS_UP.set(0)
    async with Client.from_url(redis.url("gateway"), socket_timeout=0.1) as mine, Signals(mine, Revocations()):
        await until(lambda: signals.SIGNALS_UP._value.get() == 1, "a read without an answer to end well")


async def test_nobody_but_the_user_service_may_write(redis: Redis) -> None:
    async with Client.from_url(redis.url("message")) as client:
        with pytest.raises(NoPermissionError):
            await signals.send(client, "user_revoked", user_id="ann")


async def test_what_is_said_after_redis_came_back_is_heard() -> None:
    with running_redis() as server:
        async with Client.from_url(server.url("file")) as mine:
            revocations = Revocations()
            async with Signals(mine, revocations):
                server.program.stop()
                server.program.start()
                async with Client.from_url(server.url("user")) as user:
                    await signals.send(user, "session_revoked", session_id="s", user_id="ann")
                await until(lambda: revocations.revoked("ann", "s", time.time()), "the revocation")


async def test_a_process_starts_without_redis() -> None:
    with running_redis() as server:
        server.program.stop()
        async with Client.from_url(server.url("file")) as mine, Signals(mine, Revocations()):
            pass


def test_revocations_are_forgotten_when_no_token_can_be_left() -> None:
    now = 1000.0
    revocations = Revocations(keep_seconds=100, now=lambda: now)
    revocations.revoke_session("old", now)
    now += 200
    revocations.revoke_session("new", now)
    assert not revocations.revoked("ann", "old", 0)
    assert revocations.revoked("ann", "new", 0)
