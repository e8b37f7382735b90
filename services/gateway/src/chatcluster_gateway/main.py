"""The program: `chatcluster-gateway`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from chatcluster_common import server
from chatcluster_common.app import create_app, with_context
from chatcluster_common.health import Health
from chatcluster_gateway.callers import Callers
from chatcluster_gateway.limiter import RedisLimiter
from chatcluster_gateway.proxy import Gateway
from chatcluster_gateway.settings import GatewaySettings
from chatcluster_gateway.upstream import Upstreams


def create_gateway(settings: GatewaySettings) -> tuple[ASGIApp, Health]:
    """The gateway as an ASGI application, and its health.

    It is ready as soon as it can check tokens: without Redis it counts by itself, and a service that is away concerns
    that service's paths alone.
    """
    upstreams = Upstreams(
        {
            "user": settings.user_url,
            "message": settings.message_url,
            "notification": settings.notification_url,
            "presence": settings.presence_url,
        },
        connections=settings.upstream_connections,
        connect_seconds=settings.connect_seconds,
        answer_seconds=settings.answer_seconds,
    )
    limiter = RedisLimiter(settings.redis_url.get_secret_value(), settings.redis_seconds)

    @asynccontextmanager
    async def resources(_app: FastAPI) -> AsyncGenerator[None]:
        async with upstreams:
            try:
                yield
            finally:
                await limiter.close()

    app = create_app(service="gateway", title="ChatCluster: gateway", settings=settings, resources=resources)
    health: Health = app.state.health

    async def token_keys() -> None:
        app.state.verifier.keys()

    health.add_check("token_keys", token_keys)
    return Gateway(app, settings, Callers(app.state.verifier), limiter, upstreams), health


def main() -> None:
    """Console entry."""
    settings = server.load_settings(GatewaySettings, "gateway")
    app, health = create_gateway(settings)
    server.run(with_context(app, "gateway"), settings, health)


if __name__ == "__main__":
    main()
