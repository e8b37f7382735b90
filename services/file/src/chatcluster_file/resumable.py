"""Resumable uploads: the rules of tus 1.0, on the parts of an S3 multipart upload.

How far an upload got is what the store has: whole parts, and after a request that ended within a part, the piece of it
as an object of its own. So nothing is lost with a process, and no other copy of the offset can be wrong.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

from chatcluster_common import errors
from chatcluster_file.models import Pending, Record
from chatcluster_file.pending import PendingUploads, pieces_prefix
from chatcluster_file.store import FileStore, content_key
from chatcluster_file.writer import PART_BYTES, Parts, PartSender


@dataclass(frozen=True, slots=True)
class Progress:
    """What the store has of an upload: whole parts, and the piece that follows them."""

    parts: Parts
    piece: str
    """The piece's key, or empty."""
    offset: int


class ResumableUploads:
    """Appends to uploads and says how far they got."""

    def __init__(self, store: FileStore, pending: PendingUploads) -> None:
        self._store = store
        self._bucket = store.bucket
        self._pending = pending
        self._busy: set[str] = set()

    async def begin(self, owner_id: str, name: str, size: int, conversation_id: str | None) -> Pending:
        """A new upload of `size` bytes; an empty one is a file at once."""
        pending = await self._pending.begin(
            "resumable", owner_id, name=name, size=size, conversation_id=conversation_id
        )
        if not size:
            await self._finish(pending, None)
        return pending

    async def status(self, owner_id: str, file_id: str) -> tuple[Pending | Record, int]:
        """The upload, or the file that it has become, and the bytes that are there.

        With all of them there it ends the upload first: a client that sees them all asks for nothing more.
        """
        record = await self._store.get(file_id)
        if record and record.owner_id == owner_id:
            return record, record.size
        pending = await self._pending.find("resumable", owner_id, file_id)
        progress = await self._progress(pending)
        if (progress is None or progress.offset == pending.size) and file_id not in self._busy:
            async with _Lock(self._busy, file_id):
                await self._finish(pending, progress)
        return pending, progress.offset if progress else pending.size

    async def append(self, owner_id: str, file_id: str, offset: int, body: AsyncIterator[bytes]) -> tuple[Pending, int]:
        """Add what comes at `offset`; returns how far the upload got, and makes the file of it at its end.

        What came before a body broke off is kept. 409 for another offset than what is there, 413 for more than was
        announced, 423 while another request adds to it; at the end, what is wrong with the content.
        """
        pending = await self._pending.find("resumable", owner_id, file_id)
        async with _Lock(self._busy, file_id):
            progress = await self._progress(pending)
            there = progress.offset if progress else pending.size
            if there != offset:
                raise errors.conflict("wrong_offset", f"The upload has {there} bytes: go on from there.")
            if progress and there < pending.size:
                progress, problem = await self._take(pending, progress, body)
                there = progress.offset
                if problem:
                    raise problem
            if there == pending.size:
                await self._finish(pending, progress)
            return pending, there

    async def drop(self, owner_id: str, file_id: str) -> None:
        """End an upload that is not wanted any more."""
        pending = await self._pending.find("resumable", owner_id, file_id)
        async with _Lock(self._busy, file_id):
            await self._pending.drop(pending)

    async def _take(
        self, pending: Pending, progress: Progress, body: AsyncIterator[bytes]
    ) -> tuple[Progress, errors.Problem | None]:
        sender = PartSender(self._bucket, progress.parts)
        offset = progress.offset
        problem: errors.Problem | None = None
        try:
            if progress.piece:
                await sender.write(await self._bucket.read(progress.piece, PART_BYTES) or b"")
            try:
                async for chunk in body:
                    if offset + len(chunk) > pending.size:
                        raise errors.Problem(
                            413, "too_large", f"The upload was announced to have {pending.size} bytes."
                        )
                    offset += len(chunk)
                    await sender.write(chunk)
            except ClientDisconnect:
                problem = errors.Problem(400, "malformed", "The body ended early.")
            except errors.Problem as error:
                if error.status >= 500:
                    raise
                problem = error
            rest = await sender.flush()
            if offset == pending.size and rest:
                await sender.send_last(rest)
                rest = b""
        finally:
            await sender.stop()
        piece = ""
        if rest:
            piece = f"{pieces_prefix(pending.id)}{len(progress.parts.stored) + 1}.{len(rest)}"
            await self._bucket.put(piece, rest)
        return Progress(progress.parts, piece, offset), problem

    async def _progress(self, pending: Pending) -> Progress | None:
        """None: the parts have been put together."""
        key = content_key(pending.id)
        multipart_id = pending.multipart_id or ""
        stored, names = await asyncio.gather(
            self._bucket.parts(key, multipart_id), self._bucket.keys(pieces_prefix(pending.id))
        )
        if stored is None:
            return None
        parts = Parts(key, multipart_id, stored)
        # Only a piece that begins where the parts end counts; those before have become part of one.
        sizes = [int(size) for number, _, size in (n.partition(".") for n in names) if int(number) == len(stored) + 1]
        if not sizes:
            return Progress(parts, "", parts.size)
        piece = f"{pieces_prefix(pending.id)}{len(stored) + 1}.{max(sizes)}"
        return Progress(parts, piece, parts.size + max(sizes))

    async def _finish(self, pending: Pending, progress: Progress | None) -> None:
        key = content_key(pending.id)
        if not pending.size:
            await self._bucket.abort_parts(key, pending.multipart_id or "")
            await self._bucket.put(key)
        elif progress:
            await self._bucket.complete_parts(key, progress.parts.upload_id, progress.parts.stored)
        await self._pending.finish(pending)


class _Lock:
    """One request at a time for each upload. Across replicas none is needed: see `PartSender`."""

    def __init__(self, busy: set[str], file_id: str) -> None:
        self._busy = busy
        self._file_id = file_id

    async def __aenter__(self) -> None:
        if self._file_id in self._busy:
            raise errors.Problem(423, "locked", "Another request is adding to this upload. Try again shortly.")
        self._busy.add(self._file_id)

    async def __aexit__(self, *_: object) -> None:
        self._busy.discard(self._file_id)
