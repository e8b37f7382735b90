"""A bounded pipe from the event loop to a thread: the S3 client reads a file object, the request arrives as events."""

import asyncio
import hashlib
import threading
from collections import deque

CAPACITY_BYTES = 1 << 20
"""What may wait in the pipe before the sender is held back."""


class PipeBroken(Exception):  # noqa: N818 an event, as much as an error
    """The other end is gone; nothing more can be moved."""


class Pipe:
    """Written to with `await write(…)` and `close` on the event loop; `read` by one thread, as a file object.

    Both ends wait `idle_seconds` at most for each other. Counts and hashes (SHA-256) what is read from it.
    """

    def __init__(self, idle_seconds: float) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False
        self._broken = False

    async def write(self, data: bytes) -> None:
        """Hand `data` on, waiting while the pipe is full. Raises `PipeBroken` when nobody reads any more."""
        with self._changed:
            if self._broken:
                raise PipeBroken("nobody reads")
            self._chunks.append(data)
            self._waiting += len(data)
            full = self._waiting >= CAPACITY_BYTES
            if full:
                self._room.clear()
            self._changed.notify()
        if full:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    await self._room.wait()
            except TimeoutError as error:
                self.break_()
                raise PipeBroken("the reader is stuck") from error
            if self._broken:
                raise PipeBroken("nobody reads")

    def close(self) -> None:
        """The end of the content: the reader gets what is left, then the end of the file."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def break_(self) -> None:
        """Give up, from either end: the writer and the reader both get `PipeBroken`."""
        with self._changed:
            self._broken = True
            self._chunks.clear()
            self._changed.notify()
        self._loop.call_soon_threadsafe(self._room.set)

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer only at the end. One allocation for all: the S3 client asks for whole parts."""
        taken: list[bytes] = []
        wanted = size
        while size < 0 or wanted > 0:
            chunk = self._take(wanted if size >= 0 else CAPACITY_BYTES)
            if not chunk:
                break
            self.size += len(chunk)
            self.digest.update(chunk)
            taken.append(chunk)
            wanted -= len(chunk)
        return b"".join(taken)

    def _take(self, most: int) -> bytes:
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._chunks or self._ended or self._broken, timeout=2 * self._idle_seconds
            ):
                self._broken = True
            if self._broken:
                raise PipeBroken("the sender gave up")
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > most:
                self._chunks.appendleft(chunk[most:])
                chunk = chunk[:most]
            full_before = self._waiting >= CAPACITY_BYTES
            self._waiting -= len(chunk)
            if full_before and self._waiting < CAPACITY_BYTES:
                self._loop.call_soon_threadsafe(self._room.set)
            return chunk
