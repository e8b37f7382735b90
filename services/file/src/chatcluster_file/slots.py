"""How many uploads are under way: bounded, and waited for before the process goes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from chatcluster_common import errors

_QUEUE_SECONDS = 5.0

UPLOADING = Gauge("chat_file_uploads_in_progress", "Uploads under way.")


class Slots:
    """Places for uploads."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[None]:
        """One of the places; 503 when none comes free in time."""
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise errors.unavailable("Too many uploads are under way. Try again shortly.") from error
        self._busy += 1
        self._idle.clear()
        UPLOADING.inc()
        try:
            yield
        finally:
            self._free.release()
            UPLOADING.dec()
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait until the uploads under way have ended, `seconds` at most."""
        async with asyncio.timeout(seconds):
            await self._idle.wait()
