"""The loops of the process. Each tells when it last moved, for liveness."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

from redis.exceptions import RedisError

from chatcluster_common import logs, tasks
from chatcluster_common.events import ConsumerLoop

log = logs.get_logger(__name__)

T = TypeVar("T")

STUCK_SECONDS = 180.0
"""Longer than any single step of a loop may take."""
_POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0
_STOP_SECONDS = 5.0


class QueueLoop(Generic[T]):
    """Claims what is due and works on it, on at most `most` at a time.

    It looks once a second, and when `changed` says that this process has added something.
    """

    def __init__(
        self,
        name: str,
        claim: Callable[[], Awaitable[T | None]],
        work: Callable[[T], Coroutine[Any, Any, None]],
        *,
        most: int,
        changed: asyncio.Event,
    ) -> None:
        self.name = name
        self.last_turn = time.monotonic()
        self._claim = claim
        self._work = work
        self._slots = asyncio.Semaphore(most)
        self._changed = changed
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is under way has ended."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Work until `stop`. Redis may be away meanwhile."""
        pause = _POLL_SECONDS
        while not self._stopping:
            await self._slots.acquire()
            self.last_turn = time.monotonic()
            self._changed.clear()
            claimed: T | None = None
            try:
                claimed = None if self._stopping else await self._claim()
                pause = _POLL_SECONDS
            except (RedisError, OSError) as error:
                log.warning("redis does not answer", loop=self.name, error=type(error).__name__, retry_seconds=pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            except Exception:
                # Its lease ends by itself: one bad entry must neither end the loop nor spin it.
                log.exception("a claim failed unexpectedly", loop=self.name)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            if claimed is None:
                self._slots.release()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause * random.uniform(0.75, 1.25)):  # noqa: S311 jitter
                        await self._changed.wait()
                continue
            task = asyncio.create_task(self._finish(claimed), name=self.name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*self._tasks)

    async def _finish(self, claimed: T) -> None:
        try:
            await self._work(claimed)
        except (RedisError, OSError) as error:
            log.warning("redis does not answer", loop=self.name, error=type(error).__name__)
        except Exception:
            log.exception("work failed unexpectedly", loop=self.name)
        finally:
            self._slots.release()


class Workers:
    """Runs the consumer of events and the loops that empty the queues."""

    def __init__(self, consumer: ConsumerLoop, loops: Sequence[QueueLoop[Any]]) -> None:
        self._consumer = consumer
        self._loops = loops
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Start the loops; at the end let what is under way be sent, within seconds."""
        consumer = asyncio.create_task(self._consumer.run(), name="consumer")
        self._tasks = [consumer, *(asyncio.create_task(loop.run(), name=loop.name) for loop in self._loops)]
        try:
            yield
        finally:
            self._stopping = True
            consumer.cancel()
            for loop in self._loops:
                loop.stop()
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            await tasks.end(late)

    def why_stuck(self) -> str:
        """What a restart would mend; "" when all loops move. A store or Kafka that is away is none of it."""
        if self._stopping:
            return ""
        ended = [task.get_name() for task in self._tasks if task.done()]
        if ended:
            return f"ended: {', '.join(ended)}"
        age = time.monotonic() - min(self._consumer.last_turn, *(loop.last_turn for loop in self._loops))
        return f"no progress for {age:.0f} s" if age > STUCK_SECONDS else ""
