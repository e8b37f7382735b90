"""The program: `chatcluster-message` serves until it is told to go."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from pymongo.errors import PyMongoError
from starlette.types import ASGIApp

from chatcluster_common import server
from chatcluster_common.app import create_app, with_context
from chatcluster_common.events import MESSAGES_TOPIC, EventProducer, kafka_not_refused
from chatcluster_common.internal import InternalClient
from chatcluster_common.realtime import Publisher
from chatcluster_common.recent import Recent
from chatcluster_common.redis_client import connect as connect_redis
from chatcluster_common.signals import Signals
from chatcluster_common.startup import wait_for
from chatcluster_message import api, sockets
from chatcluster_message.files import Files
from chatcluster_message.live import Live
from chatcluster_message.models import Conversation
from chatcluster_message.outbox import Relay
from chatcluster_message.people import People
from chatcluster_message.purge import Purge
from chatcluster_message.sequence import Turns
from chatcluster_message.service import Chat
from chatcluster_message.settings import MessageSettings
from chatcluster_message.store import Store, connect


def create_message_app(settings: MessageSettings) -> tuple[FastAPI, ASGIApp]:
    """The REST application, and the whole with Socket.IO beside it."""
    redis = connect_redis(settings.redis_url)
    client = connect(settings.mongodb_url.get_secret_value())
    store = Store(client, settings.mongodb_database)
    turns = Turns()
    # A change that this process hears of drops the copy at once; one that it does not hear of takes effect after this.
    recent = Recent[str, Conversation](seconds=2.0)
    users = InternalClient(settings.user_url, settings.internal_token)
    file_service = InternalClient(settings.file_url, settings.internal_token) if settings.file_url else None
    files = Files(file_service)
    presence = InternalClient(settings.presence_url, settings.internal_token) if settings.presence_url else None
    people = People(users, presence)
    live = Live(redis, store, people, turns, recent)

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(client.close)
            stack.push_async_callback(redis.aclose)
            await wait_for("MongoDB", store.ensure_indexes, seconds=settings.startup_seconds)
            await wait_for("Redis", redis.ping, seconds=settings.startup_seconds)
            for service in (users, file_service, presence):
                if service:
                    await stack.enter_async_context(service)
            # Kafka may be away: messages are stored and delivered without it, and their events follow.
            events = await stack.enter_async_context(
                EventProducer(
                    settings,
                    [MESSAGES_TOPIC],
                    partitions=settings.kafka_partitions,
                    replication=settings.kafka_replication,
                )
            )
            publisher = await stack.enter_async_context(Publisher(redis))
            relay = await stack.enter_async_context(Relay(store, publisher, events, files))
            await stack.enter_async_context(
                Purge(
                    store,
                    files,
                    keep_days=settings.message_retention_days or None,
                    every_seconds=settings.purge_seconds,
                )
            )
            chat = Chat(
                store,
                people,
                files,
                relay,
                publisher,
                turns=turns,
                recent=recent,
                max_members=settings.max_members,
                max_body_length=settings.max_body_length,
            )
            signals = Signals(redis, app.state.verifier.revocations)
            people.follow(signals)
            live.sockets.follow(signals)
            sockets.register(live.sockets, chat)
            live.sockets.verifier = app.state.verifier
            await stack.enter_async_context(live)
            await stack.enter_async_context(signals)
            app.state.chat = chat
            app.state.health.add_store("mongodb", store.ping)
            app.state.health.add_check("kafka_password", kafka_not_refused(settings))
            app.state.health.on_drain(live.sockets.drain)
            yield

    app = create_app(
        service="message",
        title="ChatCluster: conversations and messages",
        settings=settings,
        resources=resources,
        away=(PyMongoError, TimeoutError),
    )
    for router in api.ROUTERS:
        app.include_router(router)
    return app, live.sockets.asgi(app)


def main() -> None:
    """Console entry."""
    settings = server.load_settings(MessageSettings, "message")
    app, whole = create_message_app(settings)
    server.run(with_context(whole, "message"), settings, app.state.health)


if __name__ == "__main__":
    main()
