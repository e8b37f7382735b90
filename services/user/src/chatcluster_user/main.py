"""The program: `chatcluster-user` serves, `chatcluster-user migrate` brings the database's schema up to date, and
`chatcluster-user promote USERNAME` makes somebody an admin."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from chatcluster_common import errors, logs, migration, server, signals
from chatcluster_common.acceptance import not_refused
from chatcluster_common.app import create_app, with_context
from chatcluster_common.database import open_engine
from chatcluster_common.redis_client import REFUSALS, connect
from chatcluster_common.signals import Signals
from chatcluster_user.admin import api as admin_api
from chatcluster_user.admin.service import Admin
from chatcluster_user.audit import api as audit_api
from chatcluster_user.audit.service import AuditLog
from chatcluster_user.contacts import api as contacts_api
from chatcluster_user.contacts.service import Contacts
from chatcluster_user.credentials import api as credentials_api
from chatcluster_user.credentials.identity import Identity
from chatcluster_user.credentials.mails import AccountMails
from chatcluster_user.credentials.service import Credentials
from chatcluster_user.database import SCHEMA, Database
from chatcluster_user.leaving import api as leaving_api
from chatcluster_user.leaving.erasure import Erasures
from chatcluster_user.leaving.export import Exports
from chatcluster_user.others import Others
from chatcluster_user.outbox import Entry, Outbox
from chatcluster_user.passwords import Passwords
from chatcluster_user.people import api as people_api
from chatcluster_user.people.service import People
from chatcluster_user.sealing import Sealer
from chatcluster_user.settings import UserSettings
from chatcluster_user.sign_in import api as sign_in_api
from chatcluster_user.sign_in.service import SignIn
from chatcluster_user.tokens import AccessTokens
from chatcluster_user.worker import Worker

log = logs.get_logger(__name__)

_PURGE_SECONDS = 3600.0
_ROUTERS = (
    sign_in_api.public,
    credentials_api.public,
    leaving_api.public,  # before people's: `/users/me/export` is nobody's id
    audit_api.public,
    people_api.public,
    contacts_api.public,
    admin_api.public,
    audit_api.admin,
    leaving_api.admin,
    people_api.internal,
    contacts_api.internal,
    sign_in_api.internal,
)


def create_user_app(settings: UserSettings) -> FastAPI:
    """The user service's application."""

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            await _open(app, settings, stack)
            yield

    app = create_app(service="user", title="ChatCluster: accounts and sessions", settings=settings, resources=resources)
    for router in _ROUTERS:
        app.include_router(router)
    return app


async def _open(app: FastAPI, settings: UserSettings, stack: AsyncExitStack) -> None:
    """Put all that the routes use on `app.state`."""
    state, revocations = app.state, app.state.verifier.revocations
    engine = _engine(settings)
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
    redis = connect(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    await stack.enter_async_context(Signals(redis, revocations))
    others = await stack.enter_async_context(Others(settings.others, settings.internal_token))
    tokens = AccessTokens(
        settings.token_key_file, settings.access_token_seconds, app.state.verifier.keys, revoked=revocations.revoked
    )
    sealer = Sealer(settings.encryption_key.get_secret_value())

    async def deliver_signal(entry: Entry) -> None:
        if entry.payload["kind"] == "session_revoked":  # at least here it holds without Redis
            revocations.revoke_session(entry.payload["session_id"], time.time())
        await signals.send(redis, **entry.payload)

    async def deliver_mail(entry: Entry) -> None:
        await mails.deliver_mail(others, entry)

    async def deliver_reset(entry: Entry) -> None:
        await mails.deliver_reset(entry)

    async def signing_key() -> None:
        tokens.check()

    outbox = Outbox(database, {"signal": deliver_signal, "mail": deliver_mail, "reset": deliver_reset})
    mails = AccountMails(database, outbox, sealer, settings.public_url, sent="notification" in others.services)
    identity = Identity(database, passwords, sealer)
    state.people = People(database, outbox, others, verification_required=settings.email_verification == "required")
    state.contacts = Contacts(database, outbox, most=settings.contacts_per_user)
    state.sign_in = SignIn(
        database=database,
        outbox=outbox,
        people=state.people,
        passwords=passwords,
        identity=identity,
        mails=mails,
        sealer=sealer,
        tokens=tokens,
        settings=settings,
    )
    state.credentials = Credentials(
        database=database,
        outbox=outbox,
        passwords=passwords,
        identity=identity,
        mails=mails,
        sealer=sealer,
        admin_emails=settings.admins,
    )
    state.audit = AuditLog(database, settings.audit_days)
    state.admin = Admin(database, outbox)
    state.erasures = Erasures(database, outbox, identity, mails, others)
    state.exports = Exports(database, state.people, others)
    state.health.add_store("database", database.ping)
    state.health.add_check("redis_password", not_refused("redis", redis.ping, REFUSALS))
    state.health.add_check("signing_key", signing_key)
    await state.admin.promote_named(settings.admins)
    await stack.enter_async_context(outbox)
    await stack.enter_async_context(state.erasures)
    for purged in (state.sign_in, state.credentials, state.audit):
        await stack.enter_async_context(Worker("purge", purged.purge, idle_seconds=_PURGE_SECONDS))


def _engine(settings: UserSettings) -> AsyncEngine:
    return open_engine(settings.database_url.get_secret_value(), settings.database_pool, application="chat-user")


async def _promote(settings: UserSettings, username: str) -> bool:
    engine = _engine(settings)
    try:
        database = Database(engine)
        return await Admin(database, Outbox(database, {})).promote(username)
    finally:
        await engine.dispose()


def main() -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="chatcluster-user", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve; also without any command")
    migration.add_arguments(commands.add_parser("migrate", help="bring the database's schema up to date"))
    promote = commands.add_parser("promote", help="make somebody an admin")
    promote.add_argument("username")
    arguments = parser.parse_args()
    if arguments.command == "migrate":
        sys.exit(migration.migrate(SCHEMA, "user", contract=arguments.contract))
    settings = server.load_settings(UserSettings, "user")
    match arguments.command:
        case "promote":
            try:
                found = asyncio.run(_promote(settings, arguments.username))
            except errors.Problem as problem:
                log.error("nobody was made an admin", reason=problem.detail)
                sys.exit(1)
            if not found:
                log.error("there is nobody of that name", username=arguments.username)
            sys.exit(0 if found else 1)
        case _:
            app = create_user_app(settings)
            server.run(with_context(app, "user"), settings, app.state.health)


if __name__ == "__main__":
    main()
