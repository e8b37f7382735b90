"""Tasks that do not want to end."""

import asyncio
from contextlib import suppress

from chatcluster_common import tasks


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.end([task]), 10)
    assert task.cancelled()
    assert swallowed == 2


async def test_tasks_that_have_ended_or_fail_are_no_trouble() -> None:
    async def fails() -> None:
        raise ValueError

    task = asyncio.create_task(fails())
    with suppress(ValueError):
        await task
    await tasks.end([task])
    await tasks.end([])
