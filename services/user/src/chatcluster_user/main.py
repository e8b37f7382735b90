"""The program: `chatcluster-user` serves, `chatcluster-user migrate` brings the database's schema up to date."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.exc import SQLAlchemyError

from chatcluster_common import logs, server, signals
from chatcluster_common.app import create_app, with_context
from chatcluster_common.database import open_engine
from chatcluster_common.signals import Signals
from chatcluster_common.startup import StartupError
from chatcluster_user.contacts import api as contacts_api
from chatcluster_user.contacts.service import Contacts
from chatcluster_user.database import SCHEMA, Database
from chatcluster_user.outbox import Entry, Outbox
from chatcluster_user.passwords import Passwords
from chatcluster_user.people import api as people_api
from chatcluster_user.people.service import People
from chatcluster_user.settings import UserSettings
from chatcluster_user.sign_in import api as sign_in_api
from chatcluster_user.sign_in.service import SignIn
from chatcluster_user.tokens import AccessTokens
from chatcluster_user.worker import Worker

log = logs.get_logger(__name__)

_PURGE_SECONDS = 3600.0


def create_user_app(settings: UserSettings) -> FastAPI:
    """The user service's application."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            engine = open_engine(
                settings.database_url.get_secret_value(), settings.database_pool, application="chat-user"
            )
            stack.push_async_callback(engine.dispose)
            database = Database(engine)
            passwords = Passwords(
                memory_kib=settings.argon2_memory_kib,
                iterations=settings.argon2_iterations,
                parallelism=settings.argon2_parallelism,
                threads=settings.hash_threads,
                queue=settings.hash_queue,
            )
            stack.callback(passwords.close)
            await SCHEMA.wait_until_usable(engine, settings.startup_seconds)
            # Only signals go through Redis: without it people sign in all the same, and what they ended is told later.
            redis = Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=2, socket_timeout=10)
            stack.push_async_callback(redis.aclose)
            revocations = app.state.verifier.revocations
            await stack.enter_async_context(Signals(redis, revocations))

            async def deliver_signal(entry: Entry) -> None:
                await signals.send(redis, **entry.payload)

            outbox = await stack.enter_async_context(Outbox(database, {"signal": deliver_signal}))
            tokens = AccessTokens(
                settings.token_key_file,
                settings.access_token_seconds,
                app.state.verifier.keys,
                revoked=revocations.revoked,
            )

            async def signing_key() -> None:
                tokens.check()

            state = app.state
            state.people = People(database, outbox, verification_required=settings.email_verification == "required")
            state.contacts = Contacts(database, outbox, most=settings.contacts_per_user)
            state.sign_in = SignIn(
                database=database,
                outbox=outbox,
                people=state.people,
                passwords=passwords,
                tokens=tokens,
                settings=settings,
            )
            state.health.add_check("database", database.ping)
            state.health.add_check("signing_key", signing_key)
            await stack.enter_async_context(Worker("purge", state.sign_in.purge, idle_seconds=_PURGE_SECONDS))
            yield

    app = create_app(service="user", title="ChatCluster: accounts and sessions", settings=settings, resources=resources)
    for feature in (sign_in_api, people_api, contacts_api):
        app.include_router(feature.public)
        app.include_router(feature.internal)
    return app


def main() -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="chatcluster-user", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve")
    command = parser.parse_args().command
    settings = server.load_settings(UserSettings, "user")
    if command == "migrate":
        try:
            url = settings.database_url.get_secret_value()
            asyncio.run(SCHEMA.wait_and_migrate(url, settings.startup_seconds, application="chat-user"))
        except (StartupError, SQLAlchemyError, OSError) as error:
            log.error("the migration failed; the schema is as it was", reason=str(error))
            sys.exit(1)
        return
    app = create_user_app(settings)
    server.run(with_context(app, "user"), settings, app.state.health)


if __name__ == "__main__":
    main()
