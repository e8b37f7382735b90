"""The process: settings, stores, loops, routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chatcluster_common.app import create_app, with_context
from chatcluster_common.events import MESSAGES_TOPIC, ConsumerLoop
from chatcluster_common.internal import InternalClient
from chatcluster_common.realtime.channels import connect
from chatcluster_common.server import load_settings, run
from chatcluster_common.startup import wait_for
from chatcluster_notification.api import router
from chatcluster_notification.service import Notifier, Postman
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.smtp import Mailer
from chatcluster_notification.store import NotificationStore
from chatcluster_notification.workers import Workers

SERVICE = "notification"


def build(settings: NotificationSettings) -> FastAPI:
    """The application; nothing is opened before it starts."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        redis = connect(settings.redis_url)
        store = NotificationStore(redis)
        try:
            await wait_for("Redis (CHAT_REDIS_URL)", store.ping)
            async with (
                InternalClient(settings.user_url, settings.internal_token) as user,
                InternalClient(settings.presence_url, settings.internal_token) as presence,
            ):
                notifier = Notifier(settings, store, presence)
                consumer = ConsumerLoop(
                    settings,
                    group=SERVICE,
                    topics=[MESSAGES_TOPIC],
                    handler=notifier.handle,
                    on_skipped=notifier.bury,
                )
                postman = Postman(settings, store, user, Mailer(settings))
                workers = Workers(consumer, postman, store, settings.email_workers)
                async with workers.running():
                    app.state.store = store
                    # Kafka and the mail server are no readiness checks: lists are served, and mails wait, without them.
                    app.state.health.add_check("redis", store.ping)
                    app.state.health.add_live_check("loops", workers.why_stuck)
                    yield
        finally:
            await redis.aclose()

    app = create_app(service=SERVICE, title="ChatCluster notifications", settings=settings, resources=resources)
    app.include_router(router)
    return app


def main() -> None:
    """Console entry: serve until told to stop."""
    settings = load_settings(NotificationSettings, SERVICE)
    app = build(settings)
    run(with_context(app, SERVICE), settings, app.state.health)


if __name__ == "__main__":
    main()
