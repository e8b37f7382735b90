"""All that is held about one person: given out whole, and removed whole."""

from collections.abc import AsyncIterator
from typing import Any

import orjson

from chatcluster_file.avatars import Avatars
from chatcluster_file.intake import Intake
from chatcluster_file.pending import PendingUploads
from chatcluster_file.quota import parse_owner_key
from chatcluster_file.store import FileStore, owner_prefix

_BATCH = 50
"""Files removed in one call: a few seconds' work."""


class People:
    """Export and erasure."""

    def __init__(self, store: FileStore, pending: PendingUploads, intake: Intake, avatars: Avatars) -> None:
        self._store = store
        self._pending = pending
        self._intake = intake
        self._avatars = avatars

    async def export(self, user_id: str) -> AsyncIterator[bytes]:
        """Lines of JSON, `{"kind", "data"}`: `file` (with the path of its content), `upload`, `avatar`."""
        async for name in self._store.bucket.walk(owner_prefix(user_id)):
            file_id, _ = parse_owner_key(name)
            if record := await self._store.get(file_id):
                data = record.model_dump(mode="json", exclude={"blob_id"})
                yield _line("file", data | {"content": f"/api/v1/files/{file_id}/content"})
            elif pending := await self._pending.get(file_id):
                yield _line("upload", pending.model_dump(mode="json", exclude={"multipart_id"}))
        if path := await self._avatars.path(user_id):
            yield _line("avatar", {"avatar_url": path})

    async def erase(self, user_id: str) -> bool:
        """Remove the person's files, uploads and picture, some at a time; True when there is nothing left."""
        await self._avatars.delete(user_id)
        bucket = self._store.bucket
        names = await bucket.keys(owner_prefix(user_id), most=_BATCH)
        for name in names:
            file_id, _ = parse_owner_key(name)
            if pending := await self._pending.get(file_id):
                await self._pending.drop(pending)
            await self._intake.abandon(file_id)
            await bucket.remove(owner_prefix(user_id) + name)
        return len(names) < _BATCH


def _line(kind: str, data: dict[str, Any]) -> bytes:
    return orjson.dumps({"kind": kind, "data": data}, option=orjson.OPT_APPEND_NEWLINE)
