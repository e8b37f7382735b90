"""The process: settings, stores, routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chatcluster_common.app import create_app, with_context
from chatcluster_common.internal import InternalClient
from chatcluster_common.server import load_settings, run
from chatcluster_common.startup import wait_for
from chatcluster_file.access import Memberships
from chatcluster_file.api import router
from chatcluster_file.images import Thumbnailer
from chatcluster_file.service import FileService
from chatcluster_file.settings import FileSettings
from chatcluster_file.store import FileStore

SERVICE = "file"


def build(settings: FileSettings) -> FastAPI:
    """The application; nothing is opened before it starts."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        store = FileStore(settings)
        try:
            await wait_for(
                f"the bucket {settings.s3_bucket} (CHAT_S3_ENDPOINT, CHAT_S3_BUCKET and the keys)", store.check
            )
            async with InternalClient(settings.message_url, settings.internal_token) as message:
                thumbnailer = Thumbnailer(settings.thumbnail_workers, settings.max_image_pixels)
                files = FileService(settings, store, Memberships(message), thumbnailer)
                app.state.files = files
                app.state.health.add_check("objects", store.check)
                app.state.health.on_drain(files.drain)
                yield
        finally:
            store.close()

    app = create_app(service=SERVICE, title="ChatCluster files", settings=settings, resources=resources)
    app.include_router(router)
    return app


def main() -> None:
    """Console entry: serve until told to stop."""
    settings = load_settings(FileSettings, SERVICE)
    app = build(settings)
    run(with_context(app, SERVICE), settings, app.state.health)


if __name__ == "__main__":
    main()
