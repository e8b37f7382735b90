"""Pauses between attempts, and what makes the process count as stuck."""

import asyncio
import time
from typing import Any, cast

from chatcluster_common.events import ConsumerLoop
from chatcluster_notification.service import MAX_ATTEMPTS, Postman, pause
from chatcluster_notification.store import NotificationStore
from chatcluster_notification.workers import STUCK_SECONDS, Workers


def test_pauses_grow_and_end() -> None:
    pauses = [pause(attempt) for attempt in range(1, MAX_ATTEMPTS)]
    assert 0.75 <= pauses[0] <= 1.25
    assert 450 <= pauses[-1] <= 750
    assert 2400 <= sum(pauses) <= 4800


class Idle:
    """Stands for the consumer, the postman and the store at once: there is nothing to do."""

    def __init__(self) -> None:
        self.last_turn = time.monotonic()
        self.crash = asyncio.Event()

    async def run(self) -> None:
        await self.crash.wait()

    async def send_next(self) -> bool:
        return False

    async def waiting(self) -> int:
        return 0


async def test_a_loop_that_hangs_or_ended_is_told() -> None:
    idle = Idle()
    parts = cast(Any, idle)
    workers = Workers(cast(ConsumerLoop, parts), cast(Postman, parts), cast(NotificationStore, parts), senders=2)
    async with workers.running():
        assert workers.why_stuck() == ""
        idle.last_turn -= STUCK_SECONDS + 1
        assert "no progress" in workers.why_stuck()
        idle.last_turn = time.monotonic()
        idle.crash.set()
        async with asyncio.timeout(5):
            while not workers.why_stuck():
                await asyncio.sleep(0)
        assert workers.why_stuck() == "ended: consumer"
    assert workers.why_stuck() == ""
