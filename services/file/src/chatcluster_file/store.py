"""What is in the bucket, and in which order it is written.

    content/<blob>, thumbnails/<blob>/<size>.webp   the bytes; `<blob>` is the id of the file that brought them first
    blobs/<sha256>/<blob>.json                      what is known about them, and where equal content is looked for
    references/<blob>/<file>                        which files share them
    condemned/<sha256>/<blob>/<attempt>             somebody is removing them
    meta/<file>.json                                a file; written last: it exists only when all of it does
    owners/<person>/<file>.<bytes>                  a person's files: quota, export, erasure
    unattached/<file>                               files no message has, and uploads under way; what a crash leaves
    claims/<file>/<holder>                          who takes a file for good: a message, or the collector
    scanning/<sha256>/<blob>                        content that waits for the virus scanner
    uploads/<file>.json, uploads/<file>/…, incoming/<file>   resumable and direct uploads under way
    avatars/<token>.webp, portraits/<person>/<token>         pictures of people

Metadata lives beside the content on purpose: it is read by id alone, so that a database would add a second store to
run, back up and keep in step. What must not be done twice rests on one property that S3 has had since 2020: a read or
a list sees every write that was acknowledged before it. Each side first writes its own key, then looks for the other's.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from chatcluster_file.bucket import Bucket
from chatcluster_file.models import Blob, Content, Record, ThumbnailSize

_RECORD_BYTES = 1 << 16

M = TypeVar("M", bound=BaseModel)


def content_key(blob_id: str) -> str:
    """Where a blob's bytes are."""
    return f"content/{blob_id}"


def thumbnail_key(blob_id: str, size: ThumbnailSize) -> str:
    """Where one thumbnail is."""
    return f"thumbnails/{blob_id}/{size}.webp"


def owner_prefix(person: str) -> str:
    """Under which a person's files are listed. Ids come out of tokens: they are made safe."""
    return f"owners/{quote(person, safe='')}/"


def owner_key(person: str, file_id: str, size: int) -> str:
    """Says that the person has a file of this size."""
    return f"{owner_prefix(person)}{file_id}.{size}"


def _blob_key(sha256: str, blob_id: str) -> str:
    return f"blobs/{sha256}/{blob_id}.json"


def _reference_key(blob_id: str, file_id: str) -> str:
    return f"references/{blob_id}/{file_id}"


def unattached_key(file_id: str) -> str:
    """Says that a file has no message yet, or is being uploaded."""
    return f"unattached/{file_id}"


def scanning_key(sha256: str, blob_id: str) -> str:
    """Says that a blob waits for the scanner."""
    return f"scanning/{sha256}/{blob_id}"


def is_file_id(value: str) -> bool:
    """Whether this can be a file's id: a UUID as we write them. Nothing else may become part of a key."""
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False


async def read_model(bucket: Bucket, key: str, model: type[M]) -> M | None:
    """A stored JSON document; None when there is none."""
    data = await bucket.read(key, _RECORD_BYTES)
    if data is None:
        return None
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise RuntimeError(f"{key} is damaged") from error


async def write_model(bucket: Bucket, key: str, value: BaseModel) -> None:
    """Store a JSON document."""
    await bucket.put(key, value.model_dump_json().encode(), "application/json")


class Blobs:
    """Content that is stored once, however many files have it.

    Joining and removing may meet. Who joins first writes a reference, then looks for a condemnation; who removes first
    writes a condemnation, then looks for references. So at least one of the two sees the other: a remover that sees a
    reference leaves the content, and a joiner that sees a condemnation, or no content any more, keeps its own copy.
    Each removal writes a key of its own, so that one that ends does not hide another. Two first uploads of one content
    at the same moment may both be stored: that costs space and nothing else.
    """

    def __init__(self, bucket: Bucket, *, joinable: Callable[[Blob], bool]) -> None:
        self._bucket = bucket
        self._joinable = joinable

    async def get(self, sha256: str, blob_id: str) -> Blob | None:
        """What is known about a blob."""
        return await read_model(self._bucket, _blob_key(sha256, blob_id), Blob)

    async def join(self, sha256: str, file_id: str) -> Blob | None:
        """Share content that is there already; None when there is none that can be shared."""
        for name in await self._bucket.keys(f"blobs/{sha256}/", most=8):
            blob_id = name.removesuffix(".json")
            if blob_id == file_id:  # an upload that is ended twice, by two processes
                return await self.get(sha256, blob_id)
            await self._refer(sha256, blob_id, file_id)
            condemned, size, blob = await asyncio.gather(
                self._bucket.keys(f"condemned/{sha256}/{blob_id}/", most=1),
                self._bucket.size(content_key(blob_id)),
                self.get(sha256, blob_id),
            )
            if blob and not condemned and size == blob.size and self._joinable(blob):
                return blob
            await self.leave(sha256, blob_id, file_id)
        return None

    async def add(self, file_id: str, content: Content) -> Blob:
        """Content and thumbnails are stored under `file_id`: make them known. Later uploads may join from now on."""
        blob = Blob(id=file_id, **content.model_dump())
        await self._refer(blob.sha256, blob.id, file_id)
        await self.save(blob)
        return blob

    async def _refer(self, sha256: str, blob_id: str, file_id: str) -> None:
        # First where the collector finds it: what a crash leaves of the next steps.
        await self._bucket.put(unattached_key(file_id), f"{sha256}/{blob_id}".encode())
        await self._bucket.put(_reference_key(blob_id, file_id))

    async def save(self, blob: Blob) -> None:
        """Store what is known about a blob."""
        await write_model(self._bucket, _blob_key(blob.sha256, blob.id), blob)

    async def holds(self, blob_id: str, file_id: str) -> bool:
        """Whether the file still has its content; not so once its removal has begun."""
        return await self._bucket.size(_reference_key(blob_id, file_id)) is not None

    async def leave(self, sha256: str, blob_id: str, file_id: str) -> None:
        """The file no longer has this content, which goes with its last file. Safe to repeat."""
        await self._bucket.remove(_reference_key(blob_id, file_id))
        await self.sweep(sha256, blob_id)

    async def sweep(self, sha256: str, blob_id: str) -> None:
        """Remove content that no file has."""
        mark = f"condemned/{sha256}/{blob_id}/{uuid.uuid4().hex}"
        await self._bucket.put(mark)
        if not await self._bucket.keys(f"references/{blob_id}/", most=1):
            await self._bucket.remove(
                content_key(blob_id),
                *(thumbnail_key(blob_id, size) for size in ThumbnailSize),
                _blob_key(sha256, blob_id),
                scanning_key(sha256, blob_id),
            )
        await self._bucket.remove(mark)


class FileStore:
    """Files: their records, and the keys by which they are found."""

    def __init__(self, bucket: Bucket, blobs: Blobs) -> None:
        self.bucket = bucket
        self.blobs = blobs

    async def begin(self, file_id: str) -> None:
        """An upload begins: should it never end, the collector finds what it leaves."""
        await self.bucket.put(unattached_key(file_id))

    async def get(self, file_id: str) -> Record | None:
        """A file, or None."""
        if not is_file_id(file_id):
            return None
        return await read_model(self.bucket, f"meta/{file_id}.json", Record)

    async def put(self, record: Record) -> None:
        """Store the record: from now on the file exists."""
        await write_model(self.bucket, f"meta/{record.id}.json", record)

    async def claim(self, file_id: str, holder: str) -> bool:
        """Take a file for good. Of several who try, one succeeds, or none, who may then try again."""
        await self.bucket.put(f"claims/{file_id}/{holder}")
        if await self.bucket.keys(f"claims/{file_id}/", most=2) == [holder]:
            return True
        await self.bucket.remove(f"claims/{file_id}/{holder}")
        return False

    async def attach(self, record: Record) -> bool:
        """Store a claimed file with the message it now belongs to; False when it was removed in the meantime."""
        await self.put(record)
        if not await self.blobs.holds(record.blob_id, record.id):
            # A removal takes the reference first and the record last: it, or this, leaves none.
            await self.bucket.remove(f"meta/{record.id}.json")
            return False
        await self.bucket.remove(unattached_key(record.id))
        return True

    async def remove(self, record: Record) -> None:
        """Remove all there is of a file, the record last: after a failure the caller can do it again."""
        await self.blobs.leave(record.sha256, record.blob_id, record.id)
        holders = [f"claims/{record.id}/{name}" for name in await self.bucket.keys(f"claims/{record.id}/")]
        await self.bucket.remove(
            owner_key(record.owner_id, record.id, record.size), unattached_key(record.id), *holders
        )
        await self.bucket.remove(f"meta/{record.id}.json")
        # By now no new record can come: `attach` has looked for the reference.

    async def discard(self, file_id: str) -> None:
        """Remove what an upload that failed or crashed has left, whatever it got to."""
        for upload_id in await self.bucket.unfinished(content_key(file_id)):
            await self.bucket.abort_parts(content_key(file_id), upload_id)
        sha256, _, blob_id = (await self.bucket.read(unattached_key(file_id), 256) or b"").decode().partition("/")
        if blob_id:
            await self.blobs.leave(sha256, blob_id, file_id)
        if blob_id != file_id:  # nobody else can have got to know the content
            await self.bucket.remove(content_key(file_id), *(thumbnail_key(file_id, size) for size in ThumbnailSize))
        await self.bucket.remove(unattached_key(file_id))
