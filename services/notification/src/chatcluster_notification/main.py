"""The program: `chatcluster-notification` serves, `migrate` brings the database's schema up to date, `dead` shows what
was given up on, tries it again or drops it."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from redis.exceptions import RedisError

from chatcluster_common import logs, migration
from chatcluster_common.acceptance import not_refused
from chatcluster_common.app import create_app, with_context
from chatcluster_common.database import open_engine
from chatcluster_common.events import MESSAGES_TOPIC, ConsumerLoop, kafka_not_refused
from chatcluster_common.internal import InternalClient
from chatcluster_common.redis_client import REFUSALS, connect
from chatcluster_common.server import load_settings, run
from chatcluster_common.signals import Signals
from chatcluster_notification import api, console, internal_api
from chatcluster_notification.dead_letters import DeadLetters
from chatcluster_notification.delivery import Postman
from chatcluster_notification.digests import Closer
from chatcluster_notification.inbox import Inbox
from chatcluster_notification.jobs import Queue
from chatcluster_notification.notifier import Notifier
from chatcluster_notification.outbox import Outbox
from chatcluster_notification.people import People
from chatcluster_notification.sessions import EndedSessions
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.smtp import Mailer
from chatcluster_notification.store import SCHEMA, NotificationStore
from chatcluster_notification.unsubscribe import UnsubscribeLinks
from chatcluster_notification.webpush import PushSender
from chatcluster_notification.workers import QueueLoop, Workers

log = logs.get_logger(__name__)

SERVICE = "notification"
_APPLICATION = "chat-notification"
_CLOSERS = 4
_ACCOUNT_WORKERS = 2


def build(settings: NotificationSettings) -> FastAPI:
    """The application; nothing is opened before it starts."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            engine = open_engine(
                settings.database_url.get_secret_value(), settings.database_pool, application=_APPLICATION
            )
            stack.push_async_callback(engine.dispose)
            await SCHEMA.wait_until_usable(engine, settings.startup_seconds)
            redis = connect(settings.redis_url)
            stack.push_async_callback(redis.aclose)
            user = await stack.enter_async_context(InternalClient(settings.user_url, settings.internal_token))
            presence = await stack.enter_async_context(InternalClient(settings.presence_url, settings.internal_token))
            pusher = await stack.enter_async_context(PushSender(settings))

            store, outbox, inbox = NotificationStore(engine), Outbox(redis), Inbox(redis)
            people, sessions = People(user, presence), EndedSessions(store)
            links = UnsubscribeLinks(settings.link_secret, settings.public_url)
            notifier = Notifier(settings, store, outbox, inbox, people)
            closer = Closer(settings, store, outbox, inbox, people)
            postman = Postman(settings, store, outbox, people, mailer=Mailer(settings), pusher=pusher, links=links)

            signals = Signals(redis, app.state.verifier.revocations)
            signals.on("session_revoked", sessions.ended)
            signals.on("relations_changed", people.forget_relation)
            signals.on("user_changed", people.forget_person)
            await stack.enter_async_context(sessions.followed())
            await stack.enter_async_context(signals)

            consumer = ConsumerLoop(
                settings, group=SERVICE, topics=[MESSAGES_TOPIC], handler=notifier.handle, on_skipped=notifier.bury
            )
            workers = Workers(consumer, _loops(settings, outbox, closer, postman))
            await stack.enter_async_context(workers.running())

            app.state.store = store
            app.state.outbox = outbox
            app.state.inbox = inbox
            app.state.pusher = pusher
            app.state.links = links
            app.state.dead_letters = DeadLetters(outbox, notifier)
            # Preferences are served without Redis, Kafka and the mail server; what is to be sent waits for them.
            app.state.health.add_store("database", store.ping)
            app.state.health.add_check("redis_password", not_refused("redis", redis.ping, REFUSALS))
            app.state.health.add_check("kafka_password", kafka_not_refused(settings))
            app.state.health.add_live_check("loops", workers.why_stuck)
            yield

    app = create_app(
        service=SERVICE,
        title="ChatCluster notifications",
        settings=settings,
        resources=resources,
        away=(RedisError,),
    )
    app.include_router(api.router)
    app.include_router(api.public)
    app.include_router(internal_api.router)
    return app


def _loops(settings: NotificationSettings, outbox: Outbox, closer: Closer, postman: Postman) -> list[QueueLoop[object]]:
    most: dict[Queue, int] = {
        "account": _ACCOUNT_WORKERS,
        "email": settings.email_workers,
        "push": settings.push_workers,
    }
    return [  # pyright: ignore[reportReturnType] each claims and works on one type of its own
        QueueLoop("batches", closer.claim, closer.work, most=_CLOSERS, changed=outbox.batches_changed),
        *(
            QueueLoop(
                queue,
                partial(postman.claim, queue),
                postman.work,
                most=number,
                changed=outbox.queue_changed[queue],
            )
            for queue, number in most.items()
        ),
    ]


def main() -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="chatcluster-notification", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until told to stop; what no command means")
    migration.add_arguments(commands.add_parser("migrate", help="bring the database's schema up to date"))
    console.add_arguments(commands.add_parser("dead", help="what was given up on"))
    arguments = parser.parse_args()
    if arguments.command == "migrate":
        sys.exit(migration.migrate(SCHEMA, SERVICE, contract=arguments.contract))
    settings = load_settings(NotificationSettings, SERVICE)
    if arguments.command == "dead":
        sys.exit(asyncio.run(console.dead(arguments, settings)))
    else:
        app = build(settings)
        run(with_context(app, SERVICE), settings, app.state.health)


if __name__ == "__main__":
    main()
