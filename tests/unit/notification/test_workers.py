"""Pauses between attempts, loops that work on a bounded number of things, and what makes the process count as stuck."""

import asyncio
import time
from typing import Any, cast

from chatcluster_common.events import ConsumerLoop
from chatcluster_notification.delivery import MAX_ATTEMPTS, pause
from chatcluster_notification.workers import STUCK_SECONDS, QueueLoop, Workers


def test_pauses_grow_and_end() -> None:
    pauses = [pause(attempt) for attempt in range(1, MAX_ATTEMPTS)]
    assert 0.75 <= pauses[0] <= 1.25
    assert 450 <= pauses[-1] <= 750
    assert 2400 <= sum(pauses) <= 4800


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


class Idle:
    """Stands for the consumer: there is nothing to do."""

    def __init__(self) -> None:
        self.last_turn = time.monotonic()
        self.crash = asyncio.Event()

    async def run(self) -> None:
        await self.crash.wait()


class Work:
    """Things to do, none of which ends before it is let go."""

    def __init__(self, things: int) -> None:
        self.waiting = list(range(things))
        self.busy: set[int] = set()
        self.go = asyncio.Event()
        self.done: list[int] = []

    async def claim(self) -> int | None:
        return self.waiting.pop(0) if self.waiting else None

    async def work(self, thing: int) -> None:
        self.busy.add(thing)
        await self.go.wait()
        self.busy.remove(thing)
        self.done.append(thing)


async def test_a_loop_does_a_few_things_at_a_time_and_ends_what_it_began() -> None:
    work, changed = Work(5), asyncio.Event()
    loop = QueueLoop("work", work.claim, work.work, most=2, changed=changed)
    running = asyncio.create_task(loop.run())
    await until(lambda: len(work.busy) == 2)
    assert work.waiting == [2, 3, 4]
    loop.stop()
    work.go.set()
    async with asyncio.timeout(5):
        await running
    assert work.done == [0, 1]


async def test_what_this_process_adds_is_looked_at_at_once() -> None:
    work, changed = Work(0), asyncio.Event()
    work.go.set()
    loop = QueueLoop("work", work.claim, work.work, most=1, changed=changed)
    running = asyncio.create_task(loop.run())
    for thing in range(20):  # would take as many seconds
        work.waiting.append(thing)
        changed.set()
        await until(lambda thing=thing: work.done and work.done[-1] == thing)
    loop.stop()
    await running


async def test_what_fails_neither_ends_a_loop_nor_takes_a_place_for_good() -> None:
    work, changed = Work(4), asyncio.Event()
    failed: list[int] = []

    async def fail(thing: int) -> None:
        failed.append(thing)
        raise ValueError

    loop = QueueLoop("work", work.claim, fail, most=1, changed=changed)
    running = asyncio.create_task(loop.run())
    await until(lambda: failed == [0, 1, 2, 3])
    loop.stop()
    await running


async def test_a_loop_that_hangs_or_ended_is_told() -> None:
    idle, work = Idle(), Work(0)
    loop = QueueLoop("work", work.claim, work.work, most=1, changed=asyncio.Event())
    workers = Workers(cast(ConsumerLoop, cast(Any, idle)), [loop])
    async with workers.running():
        assert workers.why_stuck() == ""
        idle.last_turn -= STUCK_SECONDS + 1
        assert "no progress" in workers.why_stuck()
        idle.last_turn = time.monotonic()
        idle.crash.set()
        await until(workers.why_stuck)
        assert workers.why_stuck() == "ended: consumer"
    assert workers.why_stuck() == ""
