"""Background work of one process: done in rounds, woken or after a pause, ended in time.

Replicas run the same workers. What keeps them from doing the same thing twice is in the rounds: they claim rows.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from chatcluster_common import errors, logs, tasks

log = logs.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0


class Worker:
    """Runs `round_` while it returns True, for there is more, then waits `idle_seconds` or for `wake`.

    Run it with `async with`; the end cancels a round at work, so a round must be safe to cut off. A round that raises
    is tried again, after longer and longer pauses while it goes on raising.
    """

    def __init__(self, name: str, round_: Callable[[], Awaitable[bool]], *, idle_seconds: float) -> None:
        self._name = name
        self._round = round_
        self._idle = idle_seconds
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    async def __aenter__(self) -> "Worker":
        self._task = asyncio.create_task(self._run(), name=self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([self._task] if self._task else [])

    async def _run(self) -> None:
        pause = self._idle
        while True:
            self._woken.clear()
            try:
                while await self._round():
                    pass
                pause = self._idle
            except errors.Problem as problem:  # a store or a service is away; the cause is in the log
                log.warning("background work is put off", worker=self._name, reason=problem.code)
                pause = min(max(pause * 2, 1.0), _LONGEST_PAUSE_SECONDS)
            except Exception:
                log.exception("background work failed; tried again later", worker=self._name)
                pause = min(max(pause * 2, 1.0), _LONGEST_PAUSE_SECONDS)
            try:
                # Replicas started together do not all come at once.
                async with asyncio.timeout(pause * random.uniform(0.5, 1.5)):  # noqa: S311 jitter
                    await self._woken.wait()
            except TimeoutError:
                pass
