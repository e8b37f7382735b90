"""The program: `chatcluster-presence` serves until it is told to go."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.types import ASGIApp

from chatcluster_common import server
from chatcluster_common.app import create_app, with_context
from chatcluster_common.internal import InternalClient
from chatcluster_common.realtime import Publisher
from chatcluster_common.signals import Signals
from chatcluster_common.startup import wait_for
from chatcluster_presence import api, sockets
from chatcluster_presence.live import Live
from chatcluster_presence.service import People
from chatcluster_presence.settings import PresenceSettings
from chatcluster_presence.store import connect
from chatcluster_presence.typists import Typists
from chatcluster_presence.visibility import Visibility


def create_presence_app(settings: PresenceSettings) -> tuple[FastAPI, ASGIApp]:
    """The REST application, and the whole with Socket.IO beside it."""
    redis = connect(settings.redis_url)
    publisher = Publisher(redis)
    messages = InternalClient(settings.message_url, settings.internal_token)
    users = InternalClient(settings.user_url, settings.internal_token)
    visibility = Visibility(users, seconds=settings.relations_seconds)
    live = Live(redis, publisher, visibility, settings)

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            await wait_for("Redis", live.store.ping, seconds=settings.startup_seconds)
            for resource in (messages, users, publisher):
                await stack.enter_async_context(resource)
            people = People(live, visibility)
            sockets.register(live, people, Typists(live, messages, visibility, settings.max_typing_members))
            live.sockets.verifier = app.state.verifier
            signals = Signals(redis, app.state.verifier.revocations)
            live.follow(signals)
            await stack.enter_async_context(signals)
            await stack.enter_async_context(live)
            app.state.people = people
            app.state.health.add_store("redis", live.store.ping)
            app.state.health.on_drain(live.drain)
            yield

    app = create_app(
        service="presence",
        title="ChatCluster: presence and typing",
        settings=settings,
        resources=resources,
        away=(RedisError,),
    )
    app.include_router(api.public)
    app.include_router(api.internal)
    return app, live.sockets.asgi(app)


def main() -> None:
    """Console entry."""
    settings = server.load_settings(PresenceSettings, "presence")
    app, whole = create_presence_app(settings)
    server.run(with_context(whole, "presence"), settings, app.state.health)


if __name__ == "__main__":
    main()
