"""Every content goes through the virus scanner once. What waits for it is marked in the store, so that nothing is
forgotten: the process that took it in scans it at once, and any process what is left after a while."""

import asyncio
import random
from contextlib import suppress

from prometheus_client import Counter, Gauge

from chatcluster_common import errors, logs, tasks
from chatcluster_file import clamav
from chatcluster_file.bucket import Bucket
from chatcluster_file.models import Blob, State
from chatcluster_file.settings import FileSettings
from chatcluster_file.store import Blobs, content_key, scanning_key

log = logs.get_logger(__name__)

_AT_A_TIME = 2
_MOST_WAITING = 256
_LONGEST_PAUSE_SECONDS = 60.0
_BATCH = 100

SCANS = Counter("chat_file_scans_total", "Scans, by result.", ["result"])
SCANNER_UP = Gauge("chat_file_scanner_up", "Whether the virus scanner gave a verdict when last asked.")


class Scanner:
    """Asks clamd about each blob, and keeps its verdict with the blob. Run it with `async with`."""

    def __init__(self, settings: FileSettings, bucket: Bucket, blobs: Blobs) -> None:
        self._settings = settings
        self._bucket = bucket
        self._blobs = blobs
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._under_way: dict[str, asyncio.Task[State | None]] = {}
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Scanner":
        self._loop = asyncio.create_task(self._look_again())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([task for task in (self._loop, *self._under_way.values()) if task])

    async def announce(self, sha256: str, blob_id: str) -> None:
        """Mark a blob that is about to be stored: from now on it will be scanned, whatever happens to this process."""
        await self._bucket.put(scanning_key(sha256, blob_id))

    async def scan_soon(self, blob: Blob) -> Blob:
        """The blob, with the verdict if that comes within `scan_wait_seconds`."""
        task = self._start(blob.sha256, blob.id)
        if task is None:
            return blob
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.scan_wait_seconds):
                state = await asyncio.shield(task)
                return blob.model_copy(update={"state": state}) if state else blob
        return blob

    def _start(self, sha256: str, blob_id: str) -> "asyncio.Task[State | None] | None":
        if blob_id not in self._under_way and len(self._under_way) >= _MOST_WAITING:
            return None  # the loop finds it later
        if blob_id not in self._under_way:
            task = asyncio.create_task(self._scan(sha256, blob_id))
            self._under_way[blob_id] = task
            task.add_done_callback(lambda _: self._under_way.pop(blob_id, None))
        return self._under_way[blob_id]

    async def _scan(self, sha256: str, blob_id: str) -> State | None:
        try:
            async with self._slots:
                return await self._judge(sha256, blob_id)
        except clamav.ScannerAwayError as error:
            SCANNER_UP.set(0)
            SCANS.labels("failed").inc()
            log.warning("the virus scanner gave no verdict; tried again", reason=str(error))
        except errors.Problem:
            SCANS.labels("failed").inc()  # the store: its own call has logged why
        return None

    async def _judge(self, sha256: str, blob_id: str) -> State | None:
        blob = await self._blobs.get(sha256, blob_id)
        download = await self._bucket.open(content_key(blob_id)) if blob and blob.state is State.SCANNING else None
        if blob is None or download is None:  # removed, or scanned by another process
            await self._bucket.remove(scanning_key(sha256, blob_id))
            return blob.state if blob else None
        try:
            found = await clamav.scan(
                self._settings.clamav_host, self._settings.clamav_port, aiter(download), self._settings.scan_seconds
            )
        finally:
            download.close()
        SCANNER_UP.set(1)
        state = State.INFECTED if found else State.CLEAN
        SCANS.labels(state.value).inc()
        if found:
            log.warning("the virus scanner found something", blob_id=blob_id, finding=found[:100])
        await self._blobs.save(blob.model_copy(update={"state": state}))
        await self._bucket.remove(scanning_key(sha256, blob_id))
        return state

    async def _look_again(self) -> None:
        first = pause = self._settings.scan_again_seconds
        while True:
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 jitter
            try:
                left = await self._bucket.older("scanning/", 2 * first, _BATCH)
                tasks = [self._start(*name.split("/", 1)) for name in left]
                verdicts = await asyncio.gather(*(task for task in tasks if task))
            except errors.Problem:
                verdicts = [None]
            except Exception:
                log.exception("what waits for the scanner could not be gone through")
                verdicts = [None]
            # All of them failed: whoever does not answer gets time to recover.
            failed = bool(verdicts) and not any(verdicts)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS) if failed else first
