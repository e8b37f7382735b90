"""Uploads as a form: several files in one `multipart/form-data` body, all or none, streamed as they come."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from chatcluster_common import errors, logs
from chatcluster_common.ids import new_id
from chatcluster_file import content
from chatcluster_file.access import Memberships
from chatcluster_file.intake import UPLOADS, Intake
from chatcluster_file.models import Record
from chatcluster_file.multipart import Event, PartBegin, PartData, PartEnd
from chatcluster_file.quota import Quotas
from chatcluster_file.settings import FileSettings
from chatcluster_file.slots import Slots
from chatcluster_file.store import FileStore, content_key
from chatcluster_file.writer import Writer

log = logs.get_logger(__name__)

MAX_FILES = 20
"""Files in one upload."""
MAX_BODY_OVERHEAD = 64 * 1024
"""What part headers and fields may add to an upload, bytes."""
_MAX_FIELD_BYTES = 256
_MAX_FIELDS = 10
_CLEAN_UP_SECONDS = 60.0
_CLEAN_UP_WAIT_SECONDS = 1.0


class Forms:
    """Takes uploads on behalf of a signed-in user."""

    def __init__(
        self,
        *,
        settings: FileSettings,
        store: FileStore,
        memberships: Memberships,
        quotas: Quotas,
        intake: Intake,
        slots: Slots,
    ) -> None:
        self.settings = settings
        self.store = store
        self.memberships = memberships
        self.quotas = quotas
        self.intake = intake
        self._slots = slots
        self._cleaning: set[asyncio.Task[None]] = set()

    async def upload(self, owner_id: str, events: AsyncIterator[Event]) -> list[Record]:
        """Store the files of a multipart body, all or none.

        Problems: 400 malformed, 404 for a conversation the owner is not in, 409 and 413 for what is too much or too
        large, 422 for wrong fields and images that cannot be made safe, 503 when the store does not answer or too many
        uploads are under way.
        """
        async with self._slots.one():
            try:
                records = await _Form(owner_id, self, await self.quotas.room(owner_id)).take(events)
            except BaseException:
                UPLOADS.labels("failed").inc()
                raise
        UPLOADS.labels("stored").inc()
        return records

    def clean_up(self, file_ids: Sequence[str]) -> asyncio.Task[None]:
        """Begin to remove what a failed upload has left."""

        async def remove() -> None:
            for file_id in file_ids:
                try:
                    async with asyncio.timeout(_CLEAN_UP_SECONDS):
                        await self.intake.abandon(file_id)
                except (errors.Problem, TimeoutError):
                    log.warning("the collector will find what a failed upload has left", file_id=file_id)

        task = asyncio.create_task(remove())
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)
        return task


class _Form:
    """One upload: takes the form's events, writes contents as they come, and the records once all is there."""

    def __init__(self, owner_id: str, forms: Forms, room: int) -> None:
        self._owner_id = owner_id
        self._forms = forms
        self._room = room
        self._conversation_id: str | None = None
        self._fields = 0
        self._begun: list[str] = []

    async def take(self, events: AsyncIterator[Event]) -> list[Record]:
        records: list[Record] = []
        try:
            async for event in events:
                match event:
                    case PartBegin(name="file", filename=str(filename)):
                        records.append(await self._file(filename, events))
                    case PartBegin(name="conversation_id"):
                        await self._conversation(await self._field(event.name, events))
                    case PartBegin():
                        await self._field(event.name, events)
                    case _:
                        raise AssertionError("an event outside of a part")
            if not records:
                raise errors.invalid("body.file", "Send at least one part named `file` with a file name.")
            await self._forms.quotas.check(self._owner_id, len(records), sum(record.size for record in records))
            records = [record.model_copy(update={"conversation_id": self._conversation_id}) for record in records]
            for record in records:
                await self._forms.intake.commit(record)
        except BaseException:
            # A task of its own: what cancels the request must not leave half of it in the store, and a store that does
            # not answer must not keep the caller waiting.
            await asyncio.wait([self._forms.clean_up(self._begun)], timeout=_CLEAN_UP_WAIT_SECONDS)
            raise
        return records

    async def _field(self, name: str, events: AsyncIterator[Event]) -> str:
        if name != "conversation_id":
            raise errors.invalid(
                "body", "The form has a field other than `file` (with a file name) and `conversation_id`."
            )
        value = bytearray()
        async for event in events:
            if isinstance(event, PartEnd):
                break
            assert isinstance(event, PartData)  # noqa: S101 the parser's order
            value += event.data
            if len(value) > _MAX_FIELD_BYTES:
                raise errors.invalid("body.conversation_id", f"It has more than {_MAX_FIELD_BYTES} bytes.")
        return value.decode(errors="replace")

    async def _conversation(self, conversation_id: str) -> None:
        if self._conversation_id is not None:
            raise errors.invalid("body.conversation_id", "Send it once.")
        if not conversation_id:
            return
        await self._forms.memberships.require(conversation_id, self._owner_id)
        self._conversation_id = conversation_id

    async def _file(self, filename: str, events: AsyncIterator[Event]) -> Record:
        if len(self._begun) == MAX_FILES:
            raise errors.invalid("body.file", f"Send no more than {MAX_FILES} files at a time.")
        file_id = new_id()
        self._begun.append(file_id)
        await self._forms.store.begin(file_id)
        writer = Writer(self._forms.store.bucket, content_key(file_id), head_bytes=content.HEAD_BYTES)
        most = self._forms.settings.max_file_bytes
        size = 0
        try:
            async for event in events:
                if isinstance(event, PartEnd):
                    break
                assert isinstance(event, PartData)  # noqa: S101 the parser's order
                size += len(event.data)
                if size > most:
                    raise too_large(most)
                if size > self._room:
                    raise self._forms.quotas.exceeded()
                await writer.write(event.data)
            received = await writer.finish()
        except BaseException:
            await asyncio.shield(asyncio.create_task(writer.abort()))
            raise
        self._room -= size
        blob = await self._forms.intake.settle(file_id, received)
        return self._forms.intake.record(file_id, self._owner_id, filename, None, blob)


def too_large(limit: int) -> errors.Problem:
    """413 that says what would be accepted."""
    return errors.Problem(413, "too_large", f"A file may have {limit} bytes at most.")


def check_length(content_length: str | None, settings: FileSettings) -> None:
    """Refuse by its declared length a body that cannot be right, before any of it is read."""
    most = MAX_FILES * settings.max_file_bytes + MAX_BODY_OVERHEAD
    if content_length and content_length.isdigit() and int(content_length) > most:
        raise too_large(settings.max_file_bytes)
