"""From bytes that have arrived to a file: what is it, is it safe, is it here already. All ways to upload end here."""

import hashlib

from prometheus_client import Counter

from chatcluster_common.clock import utc_now
from chatcluster_file import content, names
from chatcluster_file.images import Images, refused
from chatcluster_file.models import Blob, Content, Record, State, ThumbnailSize
from chatcluster_file.quota import Quotas
from chatcluster_file.scanning import Scanner
from chatcluster_file.settings import FileSettings
from chatcluster_file.store import FileStore, content_key, owner_key, thumbnail_key
from chatcluster_file.writer import Received

UPLOADS = Counter("chat_file_uploads_total", "Uploads ended, by result.", ["result"])
UPLOADED_BYTES = Counter("chat_file_uploaded_bytes_total", "Bytes of files stored.")


class Intake:
    """Settles content that lies under `content_key(file_id)`, and makes files of it."""

    def __init__(
        self, settings: FileSettings, store: FileStore, images: Images, quotas: Quotas, scanner: Scanner | None
    ) -> None:
        self._settings = settings
        self._store = store
        self._images = images
        self._quotas = quotas
        self._scanner = scanner

    async def settle(self, file_id: str, received: Received) -> Blob:
        """The content's blob: one that is there already, or a new one, clean, with thumbnails, and on its way to the
        scanner. 422 for an image that cannot be made safe."""
        if shared := await self._share(received.sha256, file_id):
            return shared
        found = Content(
            content_type=content.content_type(received.head),
            size=received.size,
            sha256=received.sha256,
            state=State.SCANNING if self._scanner else State.UNSCANNED,
        )
        if found.content_type in content.IMAGES | content.UNDECODED_IMAGES:
            found = await self._clean(file_id, found)
            if found.sha256 != received.sha256 and (shared := await self._share(found.sha256, file_id)):
                return shared
        if self._scanner is None:
            return await self._store.blobs.add(file_id, found)
        await self._scanner.announce(found.sha256, file_id)
        return await self._scanner.scan_soon(await self._store.blobs.add(file_id, found))

    def record(self, file_id: str, owner_id: str, name: str, conversation_id: str | None, blob: Blob) -> Record:
        """The file that `commit` will make."""
        return Record(
            id=file_id,
            name=names.sanitise(name),
            owner_id=owner_id,
            conversation_id=conversation_id,
            created_at=utc_now(),
            blob_id=blob.id,
            **blob.model_dump(exclude={"id"}),
        )

    async def commit(self, record: Record) -> None:
        """From now on the file exists."""
        await self._store.bucket.put(owner_key(record.owner_id, record.id, record.size))
        await self._store.put(record)
        self._quotas.note(record.owner_id, 1, record.size)
        UPLOADED_BYTES.inc(record.size)

    async def remove(self, record: Record) -> None:
        """The file is no more."""
        await self._store.remove(record)
        self._quotas.note(record.owner_id, -1, -record.size)

    async def abandon(self, file_id: str) -> None:
        """Leave nothing of an upload that failed."""
        if record := await self._store.get(file_id):
            await self.remove(record)
        else:
            await self._store.discard(file_id)

    async def _share(self, sha256: str, file_id: str) -> Blob | None:
        blob = await self._store.blobs.join(sha256, file_id)
        if blob and blob.id != file_id:
            own = [content_key(file_id), *(thumbnail_key(file_id, size) for size in ThumbnailSize)]
            await self._store.bucket.remove(*own)
        return blob

    async def _clean(self, file_id: str, found: Content) -> Content:
        if found.size > self._settings.max_image_bytes:
            raise refused(f"An image may have {self._settings.max_image_bytes} bytes at most.")
        async with self._images.place():
            data = await self._store.bucket.read(content_key(file_id), self._settings.max_image_bytes)
            work = self._images.clean if found.content_type in content.IMAGES else self._images.strip
            image = await work(data or b"")
            del data
            if image.cleaned is not None:
                await self._store.bucket.put(content_key(file_id), image.cleaned)
                digest = hashlib.sha256(image.cleaned).hexdigest()
                found = found.model_copy(update={"size": len(image.cleaned), "sha256": digest})
            for thumbnail, webp in image.made:
                await self._store.bucket.put(thumbnail_key(file_id, thumbnail.size), webp, "image/webp")
        return found.model_copy(
            update={
                "width": image.width,
                "height": image.height,
                "animated": image.animated,
                "thumbnails": [thumbnail for thumbnail, _ in image.made],
            }
        )
