"""Removes what nobody will ask for: files no message took, uploads that were never ended, what crashes have left."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from prometheus_client import Counter
from pydantic import BaseModel

from chatcluster_common import errors, logs, tasks
from chatcluster_common.clock import utc_now
from chatcluster_file.bucket import Bucket
from chatcluster_file.intake import Intake
from chatcluster_file.pending import PendingUploads
from chatcluster_file.settings import FileSettings
from chatcluster_file.store import FileStore, read_model, write_model

log = logs.get_logger(__name__)

HOLDER = "collector"
"""Who claims the files that are collected."""
_LEASE = "leases/collector.json"
_MOST = 500
"""What one round removes of each kind; the next one goes on."""
_CONDEMNED_SECONDS = 600.0
"""A removal that has not ended after this long has crashed."""

COLLECTED = Counter("chat_file_collected_total", "What the collector removed.", ["kind"])


class Lease(BaseModel):
    """Who collects, and until when nobody else does."""

    holder: str
    until: datetime


async def take_lease(bucket: Bucket, holder: str, seconds: float) -> bool:
    """Whether this process collects now.

    Two may rarely think so. That costs work and no more: every step is safe beside itself.
    """
    lease = await read_model(bucket, _LEASE, Lease)
    if lease and lease.holder != holder and lease.until > utc_now():
        return False
    await write_model(bucket, _LEASE, Lease(holder=holder, until=utc_now() + timedelta(seconds=seconds)))
    lease = await read_model(bucket, _LEASE, Lease)
    return bool(lease and lease.holder == holder)


class Collector:
    """Looks through the store again and again; of all replicas, one does. Run it with `async with`."""

    def __init__(self, settings: FileSettings, store: FileStore, intake: Intake, pending: PendingUploads) -> None:
        self._settings = settings
        self._store = store
        self._bucket = store.bucket
        self._intake = intake
        self._pending = pending
        self._holder = uuid.uuid4().hex
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Collector":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([self._task] if self._task else [])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.collect_seconds * random.uniform(0.8, 1.2))  # noqa: S311 jitter
            try:
                if await take_lease(self._bucket, self._holder, 3 * self._settings.collect_seconds):
                    await self.collect()
            except errors.Problem:
                log.warning("collection cut short: the store does not answer")
            except Exception:
                log.exception("collection cut short")

    async def collect(self) -> None:
        """One round: a bounded number of each kind."""
        settings = self._settings
        uploads = await self._bucket.older("uploads/", settings.upload_expiry_seconds, _MOST)
        await self._each("upload", (name for name in uploads if name.endswith(".json")), self._upload)
        loose = await self._bucket.older("unattached/", settings.orphan_seconds, _MOST)
        await self._each("file", loose, self._loose)
        condemned = await self._bucket.older("condemned/", _CONDEMNED_SECONDS, _MOST)
        await self._each("content", condemned, self._condemned)

    async def _each(self, kind: str, names: Iterable[str], remove: Callable[[str], Awaitable[bool]]) -> None:
        for name in names:
            if self._settings.collect_dry_run:
                log.info("would be collected", kind=kind, name=name)
            elif await remove(name):
                COLLECTED.labels(kind).inc()
                log.info("collected", kind=kind, name=name)

    async def _upload(self, name: str) -> bool:
        pending = await self._pending.get(name.removesuffix(".json"))
        if pending is None or pending.expires_at > utc_now():
            return False
        await self._pending.drop(pending)
        return True

    async def _loose(self, file_id: str) -> bool:
        record = await self._store.get(file_id)
        if record is None:
            if await self._pending.get(file_id):
                return False  # still under way: its own time has not come
            await self._store.discard(file_id)
            return True
        if record.message_id or not await self._store.claim(file_id, HOLDER):
            return False
        await self._intake.remove(record)
        return True

    async def _condemned(self, name: str) -> bool:
        sha256, blob_id, _ = name.split("/", 2)
        await self._store.blobs.sweep(sha256, blob_id)
        await self._bucket.remove(f"condemned/{name}")
        return True
