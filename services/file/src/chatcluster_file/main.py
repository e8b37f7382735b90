"""The process: settings, stores, routes."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from chatcluster_common.acceptance import not_refused
from chatcluster_common.app import create_app, with_context
from chatcluster_common.internal import InternalClient
from chatcluster_common.redis_client import REFUSALS, connect
from chatcluster_common.server import load_settings, run
from chatcluster_common.signals import Signals
from chatcluster_common.startup import wait_for
from chatcluster_file import api, internal_api, uploads_api
from chatcluster_file.access import Memberships
from chatcluster_file.app_state import FilesState
from chatcluster_file.avatars import Avatars
from chatcluster_file.bucket import Bucket
from chatcluster_file.collector import Collector
from chatcluster_file.direct import DirectUploads
from chatcluster_file.forms import Forms
from chatcluster_file.images import Images
from chatcluster_file.intake import Intake
from chatcluster_file.models import Blob, State
from chatcluster_file.pending import PendingUploads
from chatcluster_file.people import People
from chatcluster_file.quota import Quotas
from chatcluster_file.resumable import ResumableUploads
from chatcluster_file.scanning import Scanner
from chatcluster_file.service import FileService
from chatcluster_file.settings import FileSettings
from chatcluster_file.slots import Slots
from chatcluster_file.store import Blobs, FileStore

SERVICE = "file"


def build(settings: FileSettings) -> FastAPI:
    """The application; nothing is opened before it starts."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            bucket = Bucket(settings)
            stack.callback(bucket.close)
            await wait_for(
                f"the bucket {settings.s3_bucket} (CHAT_S3_ENDPOINT, CHAT_S3_BUCKET and the keys)", bucket.check
            )
            message = await stack.enter_async_context(InternalClient(settings.message_url, settings.internal_token))
            if settings.redis_url:
                redis = await stack.enter_async_context(connect(settings.redis_url))
                await stack.enter_async_context(Signals(redis, app.state.verifier.revocations))
                app.state.health.add_check("redis_password", not_refused("redis", redis.ping, REFUSALS))
            app.state.files = await _assemble(settings, bucket, Memberships(message), stack)
            app.state.health.add_store("objects", bucket.check)
            app.state.health.on_drain(app.state.files.slots.drain)
            yield

    app = create_app(service=SERVICE, title="ChatCluster files", settings=settings, resources=resources)
    # The more particular paths first: they lie below `/files/{id}`.
    app.include_router(uploads_api.router)
    app.include_router(api.router)
    app.include_router(internal_api.router)
    return app


async def _assemble(
    settings: FileSettings, bucket: Bucket, memberships: Memberships, stack: AsyncExitStack
) -> FilesState:
    # Where there is a scanner, what it has not seen is not shared.
    blobs = Blobs(bucket, joinable=lambda blob: _scanned(blob) or not settings.clamav_host)
    store = FileStore(bucket, blobs)
    scanner = Scanner(settings, bucket, blobs) if settings.clamav_host else None
    images = Images(settings.image_workers, settings.max_image_pixels)
    quotas = Quotas(bucket, files=settings.quota_files, bytes_=settings.quota_bytes)
    intake = Intake(settings, store, images, quotas, scanner)
    pending = PendingUploads(settings, store, memberships, quotas, intake)
    avatars = Avatars(bucket, images)
    slots = Slots(settings.max_uploads)
    if scanner:
        await stack.enter_async_context(scanner)
    await stack.enter_async_context(Collector(settings, store, intake, pending))
    return FilesState(
        files=FileService(store, memberships, intake),
        forms=Forms(settings=settings, store=store, memberships=memberships, quotas=quotas, intake=intake, slots=slots),
        resumable=ResumableUploads(store, pending),
        direct=DirectUploads(store, pending),
        avatars=avatars,
        people=People(store, pending, intake, avatars),
        slots=slots,
    )


def _scanned(blob: Blob) -> bool:
    return blob.state is not State.UNSCANNED


def main() -> None:
    """Console entry: serve until told to stop."""
    settings = load_settings(FileSettings, SERVICE)
    app = build(settings)
    run(with_context(app, SERVICE), settings, app.state.health)


if __name__ == "__main__":
    main()
