"""One bucket of any S3, as asynchronous calls. The only module that speaks S3.

The client is synchronous: calls run in bounded thread pools, parts of uploads apart from the rest, so that neither can
starve the other. Every call has a time limit; a store that does not answer becomes a 503 promptly.
"""

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.datatypes import Part
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from prometheus_client import Counter, Histogram
from pydantic import HttpUrl

from chatcluster_common import errors, logs
from chatcluster_file.settings import FileSettings

log = logs.get_logger(__name__)

READ_BYTES = 512 * 1024

_CALL_THREADS = 16
_CALL_SECONDS = 7.0
_PART_SECONDS = 60.0
_COPY_SECONDS = 300.0
_LONG_LIST_SECONDS = 120.0
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 7.0
_ABSENT = {"NoSuchKey", "NoSuchObject", "ResourceNotFound", "NoSuchUpload"}
_PAGE = 1000

S3_SECONDS = Histogram(
    "chat_file_s3_seconds",
    "Time of a call to the object store.",
    ["operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
S3_ERRORS = Counter("chat_file_s3_errors_total", "Calls to the object store that failed.", ["operation"])

T = TypeVar("T")


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


class Download:
    """Bytes on their way out of the store: while one piece is sent on, the next is read.

    Iterate once; `close` always, it never blocks.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, calls: ThreadPoolExecutor, done: Callable[[], None]) -> None:
        self._response = response
        self._calls = calls
        self._done = done
        self._reading: asyncio.Future[bytes] | None = None
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            reading = self._reading or self._read()
            with _guard("read"):
                # Unlike `timeout` this leaves the read alone: only once it has ended may the response be closed.
                if not (await asyncio.wait([reading], timeout=_CALL_SECONDS))[0]:
                    raise TimeoutError
                chunk = reading.result()
            if not chunk:
                return
            self._reading = self._read()
            yield chunk

    def close(self) -> None:
        """Give the connection and the place back, as soon as nobody reads."""
        if self._closed:
            return
        self._closed = True
        if self._reading is None or self._reading.done():
            self._end()
        else:
            self._reading.add_done_callback(lambda _: self._end())

    def _read(self) -> "asyncio.Future[bytes]":
        self._reading = asyncio.get_running_loop().run_in_executor(
            self._calls, partial(self._response.read, READ_BYTES, decode_content=False)
        )
        return self._reading

    def _end(self) -> None:
        if self._reading and not self._reading.cancelled():
            self._reading.exception()  # seen: nobody waits for it any more
        self._response.close()
        self._done()


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of a multipart upload that the store has."""

    number: int
    etag: str
    size: int


def _client(endpoint: HttpUrl, settings: FileSettings, http: urllib3.PoolManager | None = None) -> Minio:
    return Minio(
        f"{endpoint.host}:{endpoint.port}",
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=endpoint.scheme == "https",
        region=settings.s3_region,  # known, so that nothing is asked to sign a URL
        http_client=http,
    )


class Bucket:
    """Objects by key. Every method raises a 503 problem when the store does not answer well in time."""

    def __init__(self, settings: FileSettings) -> None:
        self._bucket = settings.s3_bucket
        self._parts = ThreadPoolExecutor(settings.max_uploads, "s3-part")
        self._calls = ThreadPoolExecutor(_CALL_THREADS, "s3-call")
        self._downloads = settings.max_downloads
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
            maxsize=_CALL_THREADS + settings.max_uploads,
            # A member that is gone is led to until its Service knows: the next try may meet another. All that is asked
            # of the store is safe to repeat, what is posted too: removals, and the beginning and end of an upload in
            # parts, which is found ended the second time. About two seconds in all, with jitter.
            retries=urllib3.Retry(
                total=4,
                backoff_factor=0.15,
                backoff_jitter=0.15,
                status_forcelist=(500, 502, 503, 504),
                allowed_methods=None,
            ),
        )
        self._s3 = _client(settings.s3_endpoint, settings, self._http)
        public = settings.s3_public_endpoint
        self._public = _client(public, settings) if public else None

    async def check(self) -> None:
        """Returns when the bucket is there; raises `LookupError` when the store says it is not."""
        if not await self._call("check", self._s3.bucket_exists, self._bucket):
            raise LookupError(f"no bucket {self._bucket!r}")

    def close(self) -> None:
        """End the threads; what they do is bounded in time."""
        self._parts.shutdown(wait=False, cancel_futures=True)
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    async def put(self, key: str, data: bytes = b"", content_type: str = "application/octet-stream") -> None:
        """Write a small object whole."""
        await self._call(
            "put", self._s3.put_object, self._bucket, key, io.BytesIO(data), len(data), content_type=content_type
        )

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

    async def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is none."""

        def stat() -> int | None:
            try:
                return self._s3.stat_object(self._bucket, key).size or 0
            except S3Error as error:
                if error.code in _ABSENT:
                    return None
                raise

        return await self._call("stat", stat)

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

    async def keys(self, prefix: str, most: int = _PAGE, after: str = "") -> list[str]:
        """The first keys under `prefix`, in order, `prefix` cut off; after `after`, which has none either."""

        def walk() -> list[str]:
            start = prefix + after if after else None
            found = self._s3.list_objects(self._bucket, prefix, recursive=True, start_after=start)
            return [str(item.object_name).removeprefix(prefix) for item in islice(found, most)]

        return await self._call("list", walk)

    async def walk(self, prefix: str) -> AsyncIterator[str]:
        """All keys under `prefix`, a page at a time."""
        after = ""
        while page := await self.keys(prefix, after=after):
            for key in page:
                yield key
            if len(page) < _PAGE:
                return
            after = page[-1]

    async def older(self, prefix: str, seconds: float, most: int) -> list[str]:
        """Up to `most` keys under `prefix`, which is cut off, that were last written more than `seconds` ago."""

        def walk() -> list[str]:
            limit = datetime.now(UTC) - timedelta(seconds=seconds)
            found = self._s3.list_objects(self._bucket, prefix, recursive=True)
            old = (item for item in found if item.last_modified and item.last_modified < limit)
            return [str(item.object_name).removeprefix(prefix) for item in islice(old, most)]

        return await self._call("list", walk, seconds=_LONG_LIST_SECONDS)

    async def remove(self, *keys: str) -> None:
        """Remove objects, in no particular order; those that are not there are no error."""

        def run() -> None:
            for failure in self._s3.remove_objects(self._bucket, [DeleteObject(key) for key in keys]):
                raise MinioException(f"{failure.code}: {failure.message}")

        if keys:
            await self._call("delete", run)

    async def copy(self, source: str, target: str) -> None:
        """Copy within the store."""
        await self._call(
            "copy",
            self._s3.copy_object,
            *(self._bucket, target, CopySource(self._bucket, source)),
            seconds=_COPY_SECONDS,
        )

    @property
    def public(self) -> bool:
        """Whether clients can reach the store."""
        return self._public is not None

    def presigned_put(self, key: str, seconds: float) -> str:
        """A URL that anybody may PUT the object to for so long. There must be a public endpoint."""
        assert self._public is not None, "no public endpoint"  # noqa: S101
        return self._public.presigned_put_object(self._bucket, key, timedelta(seconds=seconds))

    # Multipart uploads. The client's own methods for single steps are not public, but it has no others, and an upload
    # that goes on in another process needs the steps apart.

    async def begin_parts(self, key: str) -> str:
        """The id of a new multipart upload."""
        headers: dict[str, Any] = {"Content-Type": "application/octet-stream"}
        return await self._call("begin_parts", self._s3._create_multipart_upload, self._bucket, key, headers)

    async def put_part(self, key: str, upload_id: str, number: int, make: Callable[[], bytes]) -> StoredPart:
        """Send one part; `make` gives its bytes, in the thread that sends them."""

        def send() -> StoredPart:
            data = make()
            etag = self._s3._upload_part(self._bucket, key, data, None, upload_id, number)
            return StoredPart(number, etag, len(data))

        with _guard("put_part"):
            async with asyncio.timeout(_PART_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._parts, send)

    async def parts(self, key: str, upload_id: str) -> list[StoredPart] | None:
        """The parts that the store has, in order; None when the upload is over."""

        def walk() -> list[StoredPart] | None:
            found: list[StoredPart] = []
            marker: str | None = None
            while True:
                try:
                    page = self._s3._list_parts(self._bucket, key, upload_id, part_number_marker=marker)
                except S3Error as error:
                    if error.code in _ABSENT:
                        return None
                    raise
                found += [StoredPart(part.part_number, part.etag, part.size or 0) for part in page.parts]
                marker = page.next_part_number_marker
                if not page.is_truncated or not marker:
                    return found

        return await self._call("parts", walk)

    async def complete_parts(self, key: str, upload_id: str, parts: Iterable[StoredPart]) -> bool:
        """Make the object of the parts; False when the upload was over already."""

        def complete() -> bool:
            listed = [Part(part.number, part.etag) for part in parts]
            try:
                self._s3._complete_multipart_upload(self._bucket, key, upload_id, listed)
            except S3Error as error:
                if error.code in _ABSENT:
                    return False
                raise
            return True

        return await self._call("complete_parts", complete, seconds=_PART_SECONDS)

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Forget a multipart upload and its parts."""

        def abort() -> None:
            try:
                self._s3._abort_multipart_upload(self._bucket, key, upload_id)
            except S3Error as error:
                if error.code not in _ABSENT:
                    raise

        await self._call("abort_parts", abort)

    async def unfinished(self, key: str) -> list[str]:
        """The ids of the multipart uploads of an object that were begun and not ended."""

        def find() -> list[str]:
            listed = self._s3._list_multipart_uploads(self._bucket, prefix=key)
            return [str(upload.upload_id) for upload in listed.uploads if upload.object_name == key]

        return await self._call("unfinished", find)

    def _get(self, key: str, offset: int = 0, length: int = 0) -> urllib3.BaseHTTPResponse | None:
        try:
            return self._s3.get_object(self._bucket, key, offset, length)
        except S3Error as error:
            if error.code in _ABSENT:
                return None
            raise

    def _release(self) -> None:
        self._downloads += 1

    async def _call(
        self, operation: str, function: Callable[..., T], *args: Any, seconds: float = _CALL_SECONDS, **kwargs: Any
    ) -> T:
        with _guard(operation):
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._calls, partial(function, *args, **kwargs))
