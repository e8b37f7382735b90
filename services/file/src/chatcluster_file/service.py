"""The rules: what an upload must be, who may read and delete, and that nothing stays of what failed."""

import asyncio
import uuid
from collections.abc import AsyncIterator

from prometheus_client import Counter, Gauge

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.ids import new_id
from chatcluster_file import content, names
from chatcluster_file.access import MODERATORS, Memberships
from chatcluster_file.images import Thumbnailer
from chatcluster_file.models import File, ThumbnailSize
from chatcluster_file.multipart import Event, PartBegin, PartData, PartEnd
from chatcluster_file.settings import FileSettings
from chatcluster_file.store import Download, FileStore, content_key, thumbnail_key

log = logs.get_logger(__name__)

MAX_FILES = 20
"""Files in one upload."""
MAX_BODY_OVERHEAD = 64 * 1024
"""What part headers and fields may add to an upload, bytes."""
_MAX_FIELD_BYTES = 256
_MAX_FIELDS = 10
_QUEUE_SECONDS = 5.0
_CLEAN_UP_SECONDS = 60.0

UPLOADS = Counter("chat_file_uploads_total", "Uploads ended, by result.", ["result"])
UPLOADED_BYTES = Counter("chat_file_uploaded_bytes_total", "Bytes of files stored.")
UPLOADING = Gauge("chat_file_uploads_in_progress", "Uploads under way.")
DOWNLOADS = Counter("chat_file_downloads_total", "Contents and thumbnails whose download began.", ["kind"])


class FileService:
    """Uploads, reads and deletes files on behalf of a signed-in user."""

    def __init__(
        self, settings: FileSettings, store: FileStore, memberships: Memberships, thumbnailer: Thumbnailer
    ) -> None:
        self._settings = settings
        self._store = store
        self._memberships = memberships
        self._thumbnailer = thumbnailer
        self._slots = asyncio.Semaphore(settings.max_uploads)
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def upload(self, owner_id: str, events: AsyncIterator[Event]) -> list[File]:
        """Store the files of a multipart body, all or none.

        Problems: 400 malformed, 404 for a conversation the owner is not in, 413 for a file that is too large, 422 for
        wrong fields, 503 when the store does not answer or too many uploads are under way.
        """
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._slots.acquire()
        except TimeoutError as error:
            UPLOADS.labels("busy").inc()
            raise errors.unavailable("Too many uploads are under way. Try again shortly.") from error
        self._busy += 1
        self._idle.clear()
        UPLOADING.inc()
        try:
            files = await _Form(owner_id, self._settings, self._store, self._memberships, self._thumbnailer).take(
                events
            )
        except BaseException:
            UPLOADS.labels("failed").inc()
            raise
        finally:
            self._slots.release()
            UPLOADING.dec()
            self._busy -= 1
            if not self._busy:
                self._idle.set()
        UPLOADS.labels("stored").inc()
        UPLOADED_BYTES.inc(sum(file.size for file in files))
        return files

    async def get(self, user_id: str, file_id: str) -> File:
        """A file that the user may read, or 404."""
        file = await self._find(file_id)
        if file.owner_id == user_id:
            return file
        if file.conversation_id and await self._memberships.role(file.conversation_id, user_id):
            return file
        raise errors.not_found("file")

    async def open_content(self, file: File, offset: int, length: int) -> Download:
        """`length` bytes of the content from `offset` on; 0 is all."""
        return await self._open("content", content_key(file.id), offset, length)

    async def open_thumbnail(self, file: File, size: ThumbnailSize) -> Download:
        """The WebP bytes of a thumbnail, or 404 when the file has none of this size."""
        if size not in {thumbnail.size for thumbnail in file.thumbnails}:
            raise errors.not_found("thumbnail")
        return await self._open("thumbnail", thumbnail_key(file.id, size))

    async def delete(self, user_id: str, file_id: str) -> None:
        """Remove the file; for its owner and the moderators of its conversation. Other members get 403."""
        file = await self.get(user_id, file_id)
        if file.owner_id != user_id:
            role = await self._memberships.role(file.conversation_id, user_id) if file.conversation_id else None
            if role not in MODERATORS:
                raise errors.forbidden("Only the file's owner or a moderator of its conversation may delete it.")
        await self._store.delete(file.id, [thumbnail.size for thumbnail in file.thumbnails])

    async def drain(self, seconds: float) -> None:
        """Wait until the uploads under way are stored, `seconds` at most."""
        async with asyncio.timeout(seconds):
            await self._idle.wait()

    async def _find(self, file_id: str) -> File:
        try:
            canonical = str(uuid.UUID(file_id))
        except ValueError:
            canonical = ""
        file = await self._store.get_file(file_id) if canonical == file_id else None
        if file is None:
            raise errors.not_found("file")
        return file

    async def _open(self, kind: str, key: str, offset: int = 0, length: int = 0) -> Download:
        download = await self._store.open(key, offset, length)
        if download is None:  # deleted a moment ago
            raise errors.not_found("file")
        DOWNLOADS.labels(kind).inc()
        return download


class _Form:
    """One upload: takes the form's events, writes contents as they come, and the metadata once all is there."""

    def __init__(
        self,
        owner_id: str,
        settings: FileSettings,
        store: FileStore,
        memberships: Memberships,
        thumbnailer: Thumbnailer,
    ) -> None:
        self._owner_id = owner_id
        self._settings = settings
        self._store = store
        self._memberships = memberships
        self._thumbnailer = thumbnailer
        self._conversation_id: str | None = None
        self._fields = 0
        self._begun: list[str] = []

    async def take(self, events: AsyncIterator[Event]) -> list[File]:
        files: list[File] = []
        try:
            async for event in events:
                match event:
                    case PartBegin(name="file", filename=str(filename)):
                        files.append(await self._file(filename, events))
                    case PartBegin(name="conversation_id"):
                        await self._conversation(await self._field(event.name, events))
                    case PartBegin():
                        await self._field(event.name, events)
                    case _:
                        raise AssertionError("an event outside of a part")
            if not files:
                raise errors.invalid("body.file", "Send at least one part named `file` with a file name.")
            files = [file.model_copy(update={"conversation_id": self._conversation_id}) for file in files]
            for file in files:
                await self._store.put_file(file)
        except BaseException:
            # A task of its own: what cancels the request must not leave half of it in the store.
            clean_up = asyncio.create_task(self._clean_up())
            await asyncio.shield(clean_up)
            raise
        return files

    async def _field(self, name: str, events: AsyncIterator[Event]) -> str:
        self._fields += 1
        if self._fields > _MAX_FIELDS:
            raise errors.invalid("body", f"Send no more than {_MAX_FIELDS} fields.")
        value = bytearray()
        async for event in events:
            if isinstance(event, PartEnd):
                break
            assert isinstance(event, PartData)  # noqa: S101 the parser's order
            value += event.data
            if len(value) > _MAX_FIELD_BYTES:
                raise errors.invalid("body.field", f"A field has more than {_MAX_FIELD_BYTES} bytes.")
        return value.decode(errors="replace")

    async def _conversation(self, conversation_id: str) -> None:
        if self._conversation_id is not None:
            raise errors.invalid("body.conversation_id", "Send it once.")
        if not conversation_id:
            return
        if await self._memberships.role(conversation_id, self._owner_id) is None:
            raise errors.not_found("conversation")
        self._conversation_id = conversation_id

    async def _file(self, filename: str, events: AsyncIterator[Event]) -> File:
        if len(self._begun) == MAX_FILES:
            raise errors.invalid("body.file", f"Send no more than {MAX_FILES} files at a time.")
        file_id = new_id()
        self._begun.append(file_id)
        head = bytearray()
        size = 0
        async with self._store.upload(content_key(file_id)) as upload:
            async for event in events:
                if isinstance(event, PartEnd):
                    break
                assert isinstance(event, PartData)  # noqa: S101 the parser's order
                size += len(event.data)
                if size > self._settings.max_file_bytes:
                    raise too_large(self._settings.max_file_bytes)
                if len(head) < content.HEAD_BYTES:
                    head += event.data[: content.HEAD_BYTES - len(head)]
                await upload.write(event.data)
            written = await upload.finish()
        file = File(
            id=file_id,
            name=names.sanitise(filename),
            content_type=content.content_type(bytes(head)),
            size=written.size,
            sha256=written.sha256,
            owner_id=self._owner_id,
            conversation_id=None,
            created_at=utc_now(),
        )
        return await self._with_thumbnails(file)

    async def _with_thumbnails(self, file: File) -> File:
        if file.content_type not in content.IMAGES or file.size > self._settings.max_image_bytes:
            return file
        data = await self._store.read(content_key(file.id), self._settings.max_image_bytes)
        thumbnails = await self._thumbnailer.make(data) if data else None
        if thumbnails is None:
            return file
        for thumbnail, webp in thumbnails.made:
            await self._store.put(thumbnail_key(file.id, thumbnail.size), webp, "image/webp")
        return file.model_copy(
            update={
                "width": thumbnails.width,
                "height": thumbnails.height,
                "thumbnails": [thumbnail for thumbnail, _ in thumbnails.made],
            }
        )

    async def _clean_up(self) -> None:
        for file_id in self._begun:
            try:
                async with asyncio.timeout(_CLEAN_UP_SECONDS):
                    await self._store.delete(file_id, list(ThumbnailSize))
            except (errors.Problem, TimeoutError):
                log.warning("content of a failed upload may be left in the store", file_id=file_id)


def too_large(limit: int) -> errors.Problem:
    """413 that says what would be accepted."""
    return errors.Problem(413, "too_large", f"A file may have {limit} bytes at most.")


def check_length(content_length: str | None, settings: FileSettings) -> None:
    """Refuse by its declared length a body that cannot be right, before any of it is read."""
    most = MAX_FILES * settings.max_file_bytes + MAX_BODY_OVERHEAD
    if content_length and content_length.isdigit() and int(content_length) > most:
        raise too_large(settings.max_file_bytes)
