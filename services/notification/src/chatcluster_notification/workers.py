"""The loops of the process: one reads events, some send mails. Each tells when it last moved, for liveness."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import Gauge
from redis.exceptions import RedisError

from chatcluster_common import logs
from chatcluster_common.events import ConsumerLoop
from chatcluster_notification.service import Postman
from chatcluster_notification.store import NotificationStore

log = logs.get_logger(__name__)

STUCK_SECONDS = 180.0
"""Longer than any single step of a loop may take."""
_POLL_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_STOP_SECONDS = 5.0

WAITING = Gauge("chat_notification_mails_waiting", "Mails in the outbox of this ChatCluster, due or delayed.")


class Workers:
    """Runs the consumer, and `senders` loops that empty the outbox."""

    def __init__(self, consumer: ConsumerLoop, postman: Postman, store: NotificationStore, senders: int) -> None:
        self._consumer = consumer
        self._postman = postman
        self._store = store
        self._last_turns = [time.monotonic()] * senders
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Start the loops; at the end let a mail under way be sent, within seconds."""
        self._tasks = [asyncio.create_task(self._consumer.run(), name="consumer")]
        for number in range(len(self._last_turns)):
            self._tasks.append(asyncio.create_task(self._send(number), name=f"sender-{number}"))
        try:
            yield
        finally:
            self._stopping.set()
            self._tasks[0].cancel()
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def why_stuck(self) -> str:
        """What a restart would mend; "" when all loops move. A store or Kafka that is away is none of it."""
        if self._stopping.is_set():
            return ""
        ended = [task.get_name() for task in self._tasks if task.done()]
        if ended:
            return f"ended: {', '.join(ended)}"
        oldest = min([self._consumer.last_turn, *self._last_turns])
        age = time.monotonic() - oldest
        return f"no progress for {age:.0f} s" if age > STUCK_SECONDS else ""

    async def _send(self, number: int) -> None:
        pause = _POLL_SECONDS
        while not self._stopping.is_set():
            self._last_turns[number] = time.monotonic()
            try:
                if await self._postman.send_next():
                    pause = _POLL_SECONDS
                    continue
                if number == 0:
                    WAITING.set(await self._store.waiting())
                pause = _POLL_SECONDS
            except (RedisError, OSError) as error:
                log.warning("redis does not answer", error=type(error).__name__, retry_seconds=pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            except Exception:
                # The job's lease ends by itself: one bad job must not end the loop, nor spin it.
                log.exception("a mail failed unexpectedly")
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            try:
                async with asyncio.timeout(pause * random.uniform(0.75, 1.25)):  # noqa: S311 jitter
                    await self._stopping.wait()
            except TimeoutError:
                pass
