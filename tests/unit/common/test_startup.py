"""Waiting at start-up."""

import asyncio

import pytest

from chatcluster_common.startup import StartupError, wait_for


async def test_it_waits_until_the_attempt_succeeds() -> None:
    calls = 0

    async def third_time_lucky() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ConnectionRefusedError

    await wait_for("the store", third_time_lucky, seconds=5)
    assert calls == 3


async def test_it_ends_and_says_what_was_missing() -> None:
    async def never() -> None:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(StartupError, match=r"the store: not there within 0\.3 s \(nobody there\)"):
        await wait_for("the store", never, seconds=0.3)


async def test_an_attempt_that_hangs_is_ended_too() -> None:
    with pytest.raises(StartupError, match="TimeoutError"):
        await wait_for("the store", asyncio.Event().wait, seconds=0.2)
