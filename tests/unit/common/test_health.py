"""Readiness while a store that all replicas share is away."""

import pytest

from chatcluster_common.health import Health


class Store:
    """Something that answers or does not."""

    def __init__(self) -> None:
        self.away = False

    async def ping(self) -> None:
        if self.away:
            raise ConnectionError


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("answered_before", "seconds_away", "ready"),
    [
        (True, 0.0, True),
        (True, 29.9, True),
        (True, 30.0, False),
        (True, 1e6, False),
        (False, 0.0, False),
        (False, 29.9, False),
    ],
)
async def test_a_store_that_was_there_may_be_away_for_the_time_of_a_failover(
    answered_before: bool, seconds_away: float, ready: bool
) -> None:
    store, clock = Store(), Clock()
    health = Health("test", store_grace_seconds=30, now=clock)
    health.add_store("database", store.ping)
    store.away = not answered_before
    assert await health.not_ready() == ({} if answered_before else {"database": "ConnectionError"})
    store.away = True
    clock.now += seconds_away
    assert await health.not_ready() == ({} if ready else {"database": "ConnectionError"})
    store.away = False
    assert await health.not_ready() == {}


async def test_what_is_this_replicas_own_has_no_grace() -> None:
    store = Store()
    health = Health("test", store_grace_seconds=30)
    health.add_check("key", store.ping)
    assert await health.not_ready() == {}
    store.away = True
    assert await health.not_ready() == {"key": "ConnectionError"}


async def test_draining_has_no_grace() -> None:
    health = Health("test", store_grace_seconds=30)
    health.add_store("database", Store().ping)
    assert await health.not_ready() == {}
    await health.drain(0, 1)
    assert "draining" in await health.not_ready()
