"""The program: `chatcluster-user` serves, `chatcluster-user migrate` brings the database's schema up to date."""

import argparse
import asyncio
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from chatcluster_common import logs, server
from chatcluster_common.app import create_app, with_context
from chatcluster_common.database import open_engine
from chatcluster_common.startup import StartupError
from chatcluster_user import api
from chatcluster_user.passwords import Passwords
from chatcluster_user.service import Accounts
from chatcluster_user.settings import UserSettings
from chatcluster_user.store import SCHEMA, UserStore
from chatcluster_user.tokens import AccessTokens

log = logs.get_logger(__name__)

_PURGE_SECONDS = 3600.0


def create_user_app(settings: UserSettings) -> FastAPI:
    """The user service's application."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        engine = open_engine(settings.database_url.get_secret_value(), settings.database_pool, application="chat-user")
        passwords = Passwords(
            memory_kib=settings.argon2_memory_kib,
            iterations=settings.argon2_iterations,
            parallelism=settings.argon2_parallelism,
            threads=settings.hash_threads,
            queue=settings.hash_queue,
        )
        try:
            store = UserStore(engine)
            await SCHEMA.wait_until_usable(engine, settings.startup_seconds)
            tokens = AccessTokens(settings.token_key_file, settings.access_token_seconds, app.state.verifier.keys)
            accounts = Accounts(store, passwords, tokens, settings)
            app.state.accounts = accounts

            async def signing_key() -> None:
                tokens.check()

            app.state.health.add_check("database", store.ping)
            app.state.health.add_check("signing_key", signing_key)
            purge = asyncio.create_task(_purge_now_and_then(accounts))
            try:
                yield
            finally:
                purge.cancel()
                with suppress(asyncio.CancelledError):
                    await purge
        finally:
            passwords.close()
            await engine.dispose()

    app = create_app(service="user", title="ChatCluster: accounts and sessions", settings=settings, resources=resources)
    app.include_router(api.auth)
    app.include_router(api.users)
    app.include_router(api.internal)
    return app


async def _purge_now_and_then(accounts: Accounts) -> None:
    while True:
        # Replicas started together do not purge together.
        await asyncio.sleep(_PURGE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 no secret
        try:
            log.info("expired sessions deleted", count=await accounts.purge())
        except Exception:
            log.exception("expired sessions could not be deleted; tried again later")


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
