"""Uploads that outlive a request: their records in the store, and how they become files. Nothing of them is in memory,
so that any replica may go on where another one stopped."""

import hashlib
from datetime import timedelta
from typing import Literal

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_common.ids import new_id
from chatcluster_file import content, names
from chatcluster_file.access import Memberships
from chatcluster_file.forms import too_large
from chatcluster_file.intake import UPLOADS, Intake
from chatcluster_file.models import Pending, Record
from chatcluster_file.quota import Quotas
from chatcluster_file.settings import FileSettings
from chatcluster_file.store import FileStore, content_key, is_file_id, owner_key, read_model, write_model
from chatcluster_file.writer import Received

Kind = Literal["resumable", "direct"]


def pending_key(file_id: str) -> str:
    """Where the record of an upload under way is."""
    return f"uploads/{file_id}.json"


def pieces_prefix(file_id: str) -> str:
    """Where a resumable upload keeps what is no whole part yet."""
    return f"uploads/{file_id}/"


def incoming_key(file_id: str) -> str:
    """Where a direct upload is sent to. It is copied from there: its sender could write to it again."""
    return f"incoming/{file_id}"


class PendingUploads:
    """Begins, finds, ends and drops uploads under way."""

    def __init__(
        self, settings: FileSettings, store: FileStore, memberships: Memberships, quotas: Quotas, intake: Intake
    ) -> None:
        self._settings = settings
        self._store = store
        self._memberships = memberships
        self._quotas = quotas
        self._intake = intake
        self._bucket = store.bucket

    async def begin(
        self,
        kind: Kind,
        owner_id: str,
        *,
        name: str,
        size: int,
        sha256: str | None = None,
        conversation_id: str | None = None,
    ) -> Pending:
        """A new upload; its size counts towards the quota from now on. 404, 409, 413 as for other uploads."""
        if size > self._settings.max_file_bytes:
            raise too_large(self._settings.max_file_bytes)
        if conversation_id:
            await self._memberships.require(conversation_id, owner_id)
        await self._quotas.check(owner_id, 1, size)
        file_id = new_id()
        await self._store.begin(file_id)
        pending = Pending(
            id=file_id,
            kind=kind,
            owner_id=owner_id,
            name=names.sanitise(name),
            size=size,
            sha256=sha256,
            conversation_id=conversation_id,
            multipart_id=await self._bucket.begin_parts(content_key(file_id)) if kind == "resumable" else None,
            expires_at=utc_now() + timedelta(seconds=self._settings.upload_expiry_seconds),
        )
        await write_model(self._bucket, pending_key(file_id), pending)
        await self._bucket.put(owner_key(owner_id, file_id, size))
        self._quotas.note(owner_id, 1, size)
        return pending

    async def get(self, file_id: str) -> Pending | None:
        """An upload under way, or None."""
        return await read_model(self._bucket, pending_key(file_id), Pending) if is_file_id(file_id) else None

    async def find(self, kind: Kind, owner_id: str, file_id: str) -> Pending:
        """Somebody's own upload. 404 when there is none, 410 when its time is over."""
        pending = await self.get(file_id)
        if pending is None or (pending.kind, pending.owner_id) != (kind, owner_id):
            raise errors.not_found("upload")
        if pending.expires_at < utc_now():
            raise errors.Problem(410, "upload_expired", "The upload took too long. Begin again.")
        return pending

    async def finish(self, pending: Pending) -> Record:
        """The content lies under `content_key`, whole: make the file. What is wrong with it drops the upload."""
        try:
            received = await self._examine(content_key(pending.id))
            if received is None:
                return await self._finished(pending)
            if received.size != pending.size:
                raise errors.Problem(422, "wrong_size", f"{pending.size} bytes were announced, {received.size} came.")
            if pending.sha256 not in {None, received.sha256}:
                raise errors.Problem(422, "wrong_checksum", "The content does not have the SHA-256 announced.")
            blob = await self._intake.settle(pending.id, received)
            record = self._intake.record(pending.id, pending.owner_id, pending.name, pending.conversation_id, blob)
            await self._intake.commit(record)
        except errors.Problem as problem:
            if problem.status < 500:
                UPLOADS.labels("failed").inc()
                await self.drop(pending)
            raise
        await self._forget(pending, keep=record.size)
        UPLOADS.labels("stored").inc()
        return record

    async def drop(self, pending: Pending) -> None:
        """Leave nothing of the upload. Safe to repeat."""
        if pending.multipart_id:
            await self._bucket.abort_parts(content_key(pending.id), pending.multipart_id)
        await self._store.discard(pending.id)
        await self._forget(pending)

    async def _forget(self, pending: Pending, keep: int | None = None) -> None:
        pieces = [pieces_prefix(pending.id) + name for name in await self._bucket.keys(pieces_prefix(pending.id))]
        if keep != pending.size:
            pieces.append(owner_key(pending.owner_id, pending.id, pending.size))
        await self._bucket.remove(incoming_key(pending.id), *pieces)
        await self._bucket.remove(pending_key(pending.id))
        self._quotas.note(pending.owner_id, -1, -pending.size)

    async def _finished(self, pending: Pending) -> Record:
        record = await self._store.get(pending.id)
        if record is None:
            raise errors.unavailable("The upload is being ended. Try again shortly.")
        return record

    async def _examine(self, key: str) -> Received | None:
        download = await self._bucket.open(key)
        if download is None:
            return None
        received = Received()
        digest = hashlib.sha256()
        try:
            async for chunk in download:
                received.head += chunk[: content.HEAD_BYTES - len(received.head)]
                received.size += len(chunk)
                digest.update(chunk)
        finally:
            download.close()
        received.sha256 = digest.hexdigest()
        return received
