"""The rules about files that are there: who may read and delete, which message has them."""

import asyncio
from collections.abc import Iterable

from prometheus_client import Counter

from chatcluster_common import errors, logs
from chatcluster_common.auth import Principal
from chatcluster_common.permissions import Permission, Scope
from chatcluster_file.access import MODERATORS, Memberships
from chatcluster_file.bucket import Download
from chatcluster_file.intake import Intake
from chatcluster_file.models import Attach, File, Record, State, ThumbnailSize
from chatcluster_file.store import FileStore, content_key, thumbnail_key

log = logs.get_logger(__name__)

DOWNLOADS = Counter("chat_file_downloads_total", "Contents and thumbnails whose download began.", ["kind"])


def may_moderate(user: Principal) -> bool:
    """Whether someone is a moderator of the platform, and their token good for that."""
    return user.may(Permission.MODERATE) and user.in_scope(Scope.MODERATION)


class FileService:
    """Reads and deletes files for a signed-in user; binds them to messages for the message service."""

    def __init__(self, store: FileStore, memberships: Memberships, intake: Intake) -> None:
        self._store = store
        self._memberships = memberships
        self._intake = intake

    async def get(self, user: Principal, file_id: str, *, moderation: bool = False) -> Record:
        """A file that the user may read, or 404.

        With `moderation` a moderator of the platform may read any file that a message has; each time is logged.
        """
        if moderation and not may_moderate(user):
            raise errors.forbidden("Only a moderator of the platform may ask for moderation.")
        record = await self._find(file_id)
        if record.owner_id == user.user_id:
            return record
        if record.conversation_id and await self._memberships.role(record.conversation_id, user.user_id):
            return record
        if moderation and record.message_id:
            log.warning("a moderator read a file", moderator_id=user.user_id, file_id=file_id)
            return record
        raise errors.not_found("file")

    async def open_content(self, record: Record, offset: int, length: int) -> Download:
        """`length` bytes of the content from `offset` on; 0 is all."""
        return await self._open("content", content_key(record.blob_id), offset, length)

    async def open_thumbnail(self, record: Record, size: ThumbnailSize) -> Download:
        """The WebP bytes of a thumbnail, or 404 when the file has none of this size."""
        if size not in {thumbnail.size for thumbnail in record.thumbnails}:
            raise errors.not_found("thumbnail")
        return await self._open("thumbnail", thumbnail_key(record.blob_id, size))

    async def delete(self, user: Principal, file_id: str) -> None:
        """Remove the file: for its owner, the moderators of its conversation, and those of the platform. Other members
        get 403."""
        record = await self._find(file_id)
        if record.owner_id != user.user_id and not may_moderate(user):
            role = await self._role(record, user)
            if role is None:
                raise errors.not_found("file")
            if role not in MODERATORS:
                raise errors.forbidden("Only the file's owner or a moderator may delete it.")
        await self._intake.remove(record)

    async def attach(self, body: Attach) -> list[File]:
        """Bind files to a message, all or none of them as far as can be told before. Safe to repeat.

        Problems: 404 for a file that is not the owner's, 409 for one that has another message or conversation, 422 for
        one that the virus scanner found something in.
        """
        if len(set(body.ids)) != len(body.ids):
            raise errors.invalid("body.ids", "Name each file once.")
        records = await asyncio.gather(*(self._find(file_id) for file_id in body.ids))
        for record in records:
            self._check_attachable(record, body)
        return list(await asyncio.gather(*(self._attach(record, body) for record in records)))

    async def release(self, message_id: str, ids: Iterable[str]) -> None:
        """The message is gone: so are those of the files that were its. Safe to repeat."""

        async def release(file_id: str) -> None:
            record = await self._store.get(file_id)
            if record and record.message_id == message_id:
                await self._intake.remove(record)

        await asyncio.gather(*(release(file_id) for file_id in ids))

    def _check_attachable(self, record: Record, body: Attach) -> None:
        if record.owner_id != body.owner_id:
            raise errors.not_found("file")
        if record.message_id not in {None, body.message_id}:
            raise _taken()
        if record.conversation_id not in {None, body.conversation_id}:
            raise errors.conflict("other_conversation", "The file was uploaded for another conversation.")
        if record.state is State.INFECTED:
            raise errors.Problem(422, "infected", "The virus scanner found something in the file.")

    async def _attach(self, record: Record, body: Attach) -> File:
        if record.message_id == body.message_id:
            return record.public()
        if not await self._store.claim(record.id, body.message_id):
            raise _taken()
        bound = record.model_copy(update={"conversation_id": body.conversation_id, "message_id": body.message_id})
        if not await self._store.attach(bound):
            raise errors.not_found("file")
        return bound.public()

    async def _role(self, record: Record, user: Principal) -> str | None:
        if record.conversation_id is None:
            return None
        return await self._memberships.role(record.conversation_id, user.user_id)

    async def _find(self, file_id: str) -> Record:
        record = await self._store.get(file_id)
        if record is None:
            raise errors.not_found("file")
        if record.state is not State.SCANNING:
            return record
        # The verdict, once there is one, is kept with the content.
        blob = await self._store.blobs.get(record.sha256, record.blob_id)
        return record.model_copy(update={"state": blob.state}) if blob else record

    async def _open(self, kind: str, key: str, offset: int = 0, length: int = 0) -> Download:
        download = await self._store.bucket.open(key, offset, length)
        if download is None:  # deleted a moment ago
            raise errors.not_found("file")
        DOWNLOADS.labels(kind).inc()
        return download


def check_released(record: Record) -> None:
    """409 while the file has not been scanned, 403 when something was found in it."""
    if record.state is State.SCANNING:
        raise errors.Problem(409, "not_scanned", "The virus scanner has not seen the file yet.", retry_seconds=2.0)
    if record.state is State.INFECTED:
        raise errors.Problem(403, "infected", "The virus scanner found something in the file: it is not given out.")


def _taken() -> errors.Problem:
    return errors.conflict("attached", "The file belongs to another message, or is being taken for one.")
