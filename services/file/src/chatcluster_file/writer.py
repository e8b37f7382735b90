"""An object written as it arrives, in parts: while one is sent, the next one fills. Memory is two parts."""

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field

from chatcluster_file.bucket import Bucket, StoredPart

PART_BYTES = 5 << 20
"""The smallest part that S3 allows."""
MOST_PARTS = 10_000
"""The most parts that S3 allows."""


@dataclass(slots=True)
class Received:
    """What is known of content once it is all there."""

    size: int = 0
    sha256: str = ""
    head: bytes = b""


@dataclass(slots=True)
class Parts:
    """A multipart upload: its id in the store, and the parts that are there."""

    key: str
    upload_id: str
    stored: list[StoredPart] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes in the parts."""
        return sum(part.size for part in self.stored)


class PartSender:
    """Cuts what is written into parts of exactly `PART_BYTES` and sends them one after the other.

    The parts of one object thus always have the same borders, whoever sends them: a part that is sent twice, by two
    processes even, replaces itself. Hashes in the sending thread, where it costs the event loop nothing.
    """

    def __init__(self, bucket: Bucket, parts: Parts | None = None, *, key: str = "") -> None:
        self._bucket = bucket
        self._key = parts.key if parts else key
        self.parts = parts
        """None until there is a first whole part."""
        self.digest = hashlib.sha256()
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._sending: asyncio.Task[None] | None = None

    async def write(self, data: bytes) -> None:
        """Add bytes; waits while the store is slower than the sender."""
        self._chunks.append(data)
        self._waiting += len(data)
        while self._waiting >= PART_BYTES:
            await self._send(self._cut())

    async def flush(self) -> bytes:
        """Wait for the part under way; returns what is left, less than a part."""
        await self._settle()
        return b"".join(self._chunks)

    async def send_last(self, data: bytes) -> None:
        """Send the last part, which may be smaller."""
        await self._send([data])
        await self._settle()

    async def stop(self) -> None:
        """Wait until no part is under way, however it ends."""
        if self._sending:
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None

    async def _settle(self) -> None:
        if self._sending:
            sending, self._sending = self._sending, None
            await sending

    async def _send(self, chunks: list[bytes]) -> None:
        await self._settle()
        if self.parts is None:
            self.parts = Parts(self._key, await self._bucket.begin_parts(self._key))
        self._sending = asyncio.create_task(self._put(self.parts, chunks))

    async def _put(self, parts: Parts, chunks: list[bytes]) -> None:
        def make() -> bytes:
            data = b"".join(chunks)
            chunks.clear()
            self.digest.update(data)
            return data

        number = len(parts.stored) + 1
        parts.stored.append(await self._bucket.put_part(parts.key, parts.upload_id, number, make))

    def _cut(self) -> list[bytes]:
        taken: list[bytes] = []
        wanted = PART_BYTES
        while wanted:
            chunk = self._chunks.popleft()
            if len(chunk) > wanted:
                self._chunks.appendleft(chunk[wanted:])
                chunk = chunk[:wanted]
            taken.append(chunk)
            wanted -= len(chunk)
        self._waiting -= PART_BYTES
        return taken


class Writer:
    """One object on its way to the store. Call `finish` at the end, or `abort`, which leaves nothing in the store."""

    def __init__(self, bucket: Bucket, key: str, *, head_bytes: int) -> None:
        self._bucket = bucket
        self._key = key
        self._sender = PartSender(bucket, key=key)
        self._head = bytearray()
        self._head_bytes = head_bytes
        self._size = 0

    async def write(self, data: bytes) -> None:
        """Add bytes; waits while the store is slower than the sender. Raises a 503 problem when it fails."""
        if len(self._head) < self._head_bytes:
            self._head += data[: self._head_bytes - len(self._head)]
        self._size += len(data)
        await self._sender.write(data)

    async def finish(self) -> Received:
        """The content is complete: wait until the store has it."""
        rest = await self._sender.flush()
        if self._sender.parts is None:
            self._sender.digest.update(rest)
            await self._bucket.put(self._key, rest)
        else:
            if rest:
                await self._sender.send_last(rest)
            parts = self._sender.parts
            await self._bucket.complete_parts(self._key, parts.upload_id, parts.stored)
        return Received(self._size, self._sender.digest.hexdigest(), bytes(self._head))

    async def abort(self) -> None:
        """Leave nothing of it in the store."""
        await self._sender.stop()
        if self._sender.parts:
            await self._bucket.abort_parts(self._key, self._sender.parts.upload_id)
