"""The bucket, and the only module that speaks S3.

    content/<id>                  the file's bytes
    thumbnails/<id>/<size>.webp   its thumbnails
    meta/<id>.json                what is known about it, written last: a file exists only when all of it does

Metadata lives beside the content on purpose. It is written once and read by id alone, so a database would add a second
store to run, back up and keep in step, and nothing else.

The S3 client is synchronous: calls run in bounded thread pools, uploads apart from the rest, so that neither can starve
the other. Every call has a time limit; a store that does not answer becomes a 503 promptly.
"""

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar, cast

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from chatcluster_common import errors, logs
from chatcluster_file.models import File, ThumbnailSize
from chatcluster_file.pipe import Pipe, PipeBroken
from chatcluster_file.settings import MIB, FileSettings

log = logs.get_logger(__name__)

PART_BYTES = 5 * MIB
"""The smallest part that S3 allows: what one upload holds in memory is a small multiple of it."""
READ_BYTES = 256 * 1024

_CALL_THREADS = 16
_CALL_SECONDS = 10.0
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_ABSENT = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}

S3_SECONDS = Histogram(
    "chat_file_s3_seconds",
    "Time of a call to the object store; of an upload, from its first byte to its last.",
    ["operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
S3_ERRORS = Counter("chat_file_s3_errors_total", "Calls to the object store that failed.", ["operation"])

T = TypeVar("T")


def content_key(file_id: str) -> str:
    """Where a file's bytes are."""
    return f"content/{file_id}"


def thumbnail_key(file_id: str, size: ThumbnailSize) -> str:
    """Where one thumbnail is."""
    return f"thumbnails/{file_id}/{size}.webp"


def _meta_key(file_id: str) -> str:
    return f"meta/{file_id}.json"


@contextlib.contextmanager
def _guard(operation: str) -> Generator[None]:
    """Measures a call and turns what a failing store raises into a 503 problem."""
    started = time.perf_counter()
    try:
        yield
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        S3_ERRORS.labels(operation).inc()
        why = error.code if isinstance(error, S3Error) else type(error).__name__
        log.warning("object store call failed", operation=operation, reason=why)
        raise errors.unavailable("The file store does not answer. Try again shortly.") from error
    finally:
        S3_SECONDS.labels(operation).observe(time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Written:
    """What an upload put into the store."""

    size: int
    sha256: str


class Upload:
    """One object on its way to the store, as an S3 multipart upload of `PART_BYTES` parts.

    `async with` it: leaving by an exception, or without `finish`, aborts it and leaves nothing in the store.
    """

    def __init__(self, pipe: Pipe, put: "asyncio.Future[None]") -> None:
        self._pipe = pipe
        self._put = put

    async def write(self, data: bytes) -> None:
        """Add bytes, held back while the store is slower than the sender. Raises a 503 problem when it fails."""
        try:
            await self._pipe.write(data)
        except PipeBroken as error:
            await self._put  # says why, if the store did
            raise errors.unavailable("The file store does not answer. Try again shortly.") from error

    async def finish(self) -> Written:
        """The content is complete: wait until the store has it."""
        self._pipe.close()
        await asyncio.shield(self._put)
        return Written(self._pipe.size, self._pipe.digest.hexdigest())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None):
        if not self._put.done():
            self._pipe.break_()
        await asyncio.wait([self._put])
        if not self._put.cancelled():
            self._put.exception()  # seen; the caller has it from `write` or `finish`, or caused it


class Download:
    """Bytes on their way out of the store. Iterate once; `close` always, it never blocks."""

    def __init__(self, response: urllib3.BaseHTTPResponse, calls: ThreadPoolExecutor, done: Callable[[], None]) -> None:
        self._response = response
        self._calls = calls
        self._done = done
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while True:
            with _guard("read"):
                async with asyncio.timeout(_CALL_SECONDS):
                    chunk = await loop.run_in_executor(self._calls, self._response.read, READ_BYTES)
            if not chunk:
                return
            yield chunk

    def close(self) -> None:
        """Give the connection and the place back."""
        if not self._closed:
            self._closed = True
            self._response.close()
            self._done()


class FileStore:
    """Objects and metadata in one bucket."""

    def __init__(self, settings: FileSettings) -> None:
        self._bucket = settings.s3_bucket
        self._idle_seconds = settings.upload_idle_seconds
        self._uploads = ThreadPoolExecutor(settings.max_uploads, "s3-upload")
        self._calls = ThreadPoolExecutor(_CALL_THREADS, "s3-call")
        self._downloads = settings.max_downloads
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
            maxsize=_CALL_THREADS + settings.max_uploads,
            retries=urllib3.Retry(total=1, backoff_factor=0.1, status_forcelist=(500, 502, 503, 504)),
        )
        endpoint = settings.s3_endpoint
        self._s3 = Minio(
            f"{endpoint.host}:{endpoint.port}",
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=settings.s3_region,
            http_client=self._http,
        )

    async def check(self) -> None:
        """Returns when the bucket is there; raises `LookupError` when the store says it is not."""
        if not await self._call("check", self._s3.bucket_exists, self._bucket):
            raise LookupError(f"no bucket {self._bucket!r}")

    def close(self) -> None:
        """End the threads; what they do is bounded in time."""
        self._uploads.shutdown(wait=False, cancel_futures=True)
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    def upload(self, key: str) -> Upload:
        """Begin to write an object. At most `max_uploads` at a time: the caller sees to it."""
        pipe = Pipe(self._idle_seconds)
        loop = asyncio.get_running_loop()
        return Upload(pipe, loop.run_in_executor(self._uploads, partial(self._put_stream, key, pipe)))

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write a small object whole."""
        await self._call(
            "put", self._s3.put_object, self._bucket, key, io.BytesIO(data), len(data), content_type=content_type
        )

    async def open(self, key: str, offset: int = 0, length: int = 0) -> Download | None:
        """Read an object from `offset` on, `length` bytes or (0) all of it; None when there is none."""
        if self._downloads == 0:
            raise errors.unavailable("Too many downloads are under way. Try again shortly.")
        self._downloads -= 1
        try:
            response = await self._call("get", self._get, key, offset, length)
        except BaseException:
            self._release()
            raise
        if response is None:
            self._release()
            return None
        return Download(response, self._calls, self._release)

    async def read(self, key: str, most: int) -> bytes | None:
        """A small object whole; None when there is none or it has more than `most` bytes."""

        def fetch() -> bytes | None:
            response = self._get(key)
            if response is None:
                return None
            try:
                data = response.read(most + 1)
                return data if len(data) <= most else None
            finally:
                response.close()

        return await self._call("get", fetch)

    async def put_file(self, file: File) -> None:
        """Write the metadata: from now on the file exists."""
        await self.put(_meta_key(file.id), file.model_dump_json().encode(), "application/json")

    async def get_file(self, file_id: str) -> File | None:
        """The metadata, or None when there is no such file."""
        data = await self.read(_meta_key(file_id), MIB)
        if data is None:
            return None
        try:
            return File.model_validate_json(data)
        except ValidationError as error:
            raise RuntimeError(f"the metadata of file {file_id} is damaged") from error

    async def delete(self, file_id: str, thumbnails: Iterable[ThumbnailSize]) -> None:
        """Remove all there is of a file, the metadata last: after a failure the caller can delete it again."""
        keys = [*(thumbnail_key(file_id, size) for size in thumbnails), content_key(file_id), _meta_key(file_id)]
        for key in keys:
            await self._call("delete", self._s3.remove_object, self._bucket, key)

    def _put_stream(self, key: str, pipe: Pipe) -> None:
        try:
            with _guard("upload"):
                # The client aborts the multipart upload when reading the pipe, or anything else, fails.
                self._s3.put_object(
                    self._bucket, key, cast(BinaryIO, pipe), -1, part_size=PART_BYTES, num_parallel_uploads=1
                )
        finally:
            pipe.break_()

    def _get(self, key: str, offset: int = 0, length: int = 0) -> urllib3.BaseHTTPResponse | None:
        try:
            return self._s3.get_object(self._bucket, key, offset, length)
        except S3Error as error:
            if error.code in _ABSENT:
                return None
            raise

    def _release(self) -> None:
        self._downloads += 1

    async def _call(self, operation: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        with _guard(operation):
            async with asyncio.timeout(_CALL_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._calls, partial(function, *args, **kwargs))
