"""Questions that many ask at the same moment, put to the store as one: when thousands connect again after an outage."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Batched(Generic[K, V]):
    """Looks keys up by `fetch`, one call at a time, each for all keys that were asked for since the call before began.

    A lone question is put at once. An answer is never older than its question: who asks during a call waits for the
    next. `fetch` must answer every key it is given; what it raises, each of them raises.
    """

    def __init__(self, fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, most: int = 64) -> None:
        self._fetch = fetch
        self._most = most
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """The answer for one key."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._run())
        return await asyncio.shield(answer)  # others may wait for it too

    async def _run(self) -> None:
        while self._waiting:
            batch = {key: self._waiting.pop(key) for key in list(self._waiting)[: self._most]}
            try:
                found = await self._fetch(list(batch))
                for key, answer in batch.items():
                    answer.set_result(found[key])
            except Exception as error:
                for answer in batch.values():
                    if not answer.done():
                        answer.set_exception(error)
                        answer.exception()  # nobody may wait any more
        self._task = None
