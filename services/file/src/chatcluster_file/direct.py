"""Direct uploads: the client sends the bytes to the store itself, to an address that is good for one object."""

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_file.models import DirectTarget, DirectUpload, Record
from chatcluster_file.pending import PendingUploads, incoming_key
from chatcluster_file.store import FileStore, content_key


class DirectUploads:
    """Gives out addresses, and takes in what was sent to them."""

    def __init__(self, store: FileStore, pending: PendingUploads) -> None:
        self._store = store
        self._pending = pending

    async def begin(self, owner_id: str, body: DirectUpload) -> DirectTarget:
        """Where to send the file. 501 where clients cannot reach the store."""
        if not self._store.bucket.public:
            raise errors.Problem(
                501, "no_direct_upload", "This platform takes no direct uploads: send the file to POST /api/v1/files."
            )
        pending = await self._pending.begin(
            "direct",
            owner_id,
            name=body.name,
            size=body.size,
            sha256=body.sha256,
            conversation_id=body.conversation_id,
        )
        seconds = (pending.expires_at - utc_now()).total_seconds()
        url = self._store.bucket.presigned_put(incoming_key(pending.id), seconds)
        return DirectTarget(id=pending.id, url=url, expires_at=pending.expires_at)

    async def complete(self, owner_id: str, file_id: str) -> Record:
        """All bytes are there: make the file. 409 while they are not, 422 when they are not what was announced."""
        record = await self._store.get(file_id)
        if record and record.owner_id == owner_id:  # asked again
            return record
        pending = await self._pending.find("direct", owner_id, file_id)
        size = await self._store.bucket.size(incoming_key(file_id))
        if size is None:
            raise errors.conflict("not_uploaded", "Nothing was sent to the upload's URL yet.")
        if size != pending.size:
            await self._pending.drop(pending)
            raise errors.Problem(422, "wrong_size", f"{pending.size} bytes were announced, {size} came.")
        await self._store.bucket.copy(incoming_key(file_id), content_key(file_id))
        return await self._pending.finish(pending)
