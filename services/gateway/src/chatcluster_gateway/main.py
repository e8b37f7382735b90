"""The program: `chatcluster-gateway` serves, `chatcluster-gateway migrate` brings the database's schema up to date."""

import argparse
import asyncio
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.types import ASGIApp

from chatcluster_common import clock, logs, migration, server, tasks
from chatcluster_common.acceptance import not_refused
from chatcluster_common.app import create_app, with_context
from chatcluster_common.auth import TokenVerifier
from chatcluster_common.database import database_not_refused, open_engine
from chatcluster_common.health import Health
from chatcluster_common.internal import InternalClient
from chatcluster_common.redis_client import REFUSALS, connect
from chatcluster_common.signals import Signals
from chatcluster_gateway import api
from chatcluster_gateway.apitokens import STREAM, ApiTokens
from chatcluster_gateway.audit import Audit
from chatcluster_gateway.callers import Callers
from chatcluster_gateway.documents import Documents
from chatcluster_gateway.limiter import RedisLimiter
from chatcluster_gateway.proxy import Gateway
from chatcluster_gateway.routes import Upstream
from chatcluster_gateway.settings import GatewaySettings
from chatcluster_gateway.store import SCHEMA, GatewayStore
from chatcluster_gateway.upstream import Upstreams

log = logs.get_logger(__name__)

_APPLICATION = "chat-gateway"
_PURGE_SECONDS = 3600.0
_TOKENS_KEPT = timedelta(days=30)
_AUDIT_KEPT = timedelta(days=366)


def create_gateway(settings: GatewaySettings) -> tuple[ASGIApp, Health]:
    """The gateway as an ASGI application, and its health.

    It is ready as soon as it can check access tokens: without Redis it counts by itself, without its database it
    answers 503 to API tokens, and a service that is away concerns that service's paths alone.
    """
    known: dict[Upstream, str] = {
        "user": settings.user_url,
        "message": settings.message_url,
        "notification": settings.notification_url,
        "presence": settings.presence_url,
    }
    urls: dict[Upstream, str] = {upstream: url for upstream, url in known.items() if url}
    upstreams = Upstreams(
        urls,
        connections=settings.upstream_connections,
        connect_seconds=settings.connect_seconds,
        answer_seconds=settings.answer_seconds,
        circuit_failures=settings.circuit_failures,
        circuit_seconds=settings.circuit_seconds,
    )
    limiter = RedisLimiter(settings.redis_url, settings.redis_seconds)
    signals_redis = connect(settings.redis_url, connections=8)
    engine = open_engine(settings.database_url.get_secret_value(), settings.database_pool, application=_APPLICATION)
    store = GatewayStore(engine)
    clients = {
        service: InternalClient(url, settings.internal_token)
        for service, url in {**urls, "file": settings.file_url}.items()
        if url
    }

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncGenerator[None]:
        verifier: TokenVerifier = app.state.verifier
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            stack.push_async_callback(signals_redis.aclose)
            stack.push_async_callback(limiter.close)
            for client in clients.values():
                await stack.enter_async_context(client)
            await stack.enter_async_context(upstreams)
            await stack.enter_async_context(Signals(signals_redis, verifier.revocations))
            await stack.enter_async_context(Signals(signals_redis, verifier.revocations, stream=STREAM))
            purge = asyncio.create_task(_purge_now_and_then(store))
            try:
                yield
            finally:
                await tasks.end([purge])

    app = create_app(service="gateway", title="ChatCluster: gateway", settings=settings, resources=resources)
    audit = Audit(store)
    api_tokens = ApiTokens(
        store, clients["user"], signals_redis, app.state.verifier, audit, per_person=settings.tokens_per_person
    )
    app.state.audit = audit
    app.state.api_tokens = api_tokens
    app.state.documents = Documents(app.openapi, clients)
    for router in (api.tokens, api.admin, api.documentation, api.internal):
        app.include_router(router)
    health: Health = app.state.health

    async def token_keys() -> None:
        app.state.verifier.keys()

    health.add_check("token_keys", token_keys)
    health.add_check("redis_password", not_refused("redis", signals_redis.ping, REFUSALS))
    health.add_check("database_password", database_not_refused(engine))
    gateway = Gateway(
        app,
        settings,
        callers=Callers(app.state.verifier),
        api_tokens=api_tokens,
        audit=audit,
        limiter=limiter,
        upstreams=upstreams,
        services=frozenset({"gateway", *clients}),
    )
    return gateway, health


async def _purge_now_and_then(store: GatewayStore) -> None:
    while True:
        # Replicas started together do not purge together.
        await asyncio.sleep(_PURGE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 no secret
        try:
            count = await store.purge(clock.utc_now(), tokens_after=_TOKENS_KEPT, audit_after=_AUDIT_KEPT)
            log.info("old API tokens and audit entries deleted", count=count)
        except Exception:
            log.exception("old API tokens and audit entries could not be deleted; tried again later")


def main() -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="chatcluster-gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve; also without any command")
    migration.add_arguments(commands.add_parser("migrate", help="bring the database's schema up to date"))
    arguments = parser.parse_args()
    if arguments.command == "migrate":
        sys.exit(migration.migrate(SCHEMA, "gateway", contract=arguments.contract))
    settings = server.load_settings(GatewaySettings, "gateway")
    app, health = create_gateway(settings)
    server.run(with_context(app, "gateway"), settings, health)


if __name__ == "__main__":
    main()
