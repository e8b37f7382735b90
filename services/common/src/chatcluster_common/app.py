"""The application factory: what a service need not say again."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import orjson
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp

from chatcluster_common import errors
from chatcluster_common.auth import InternalTokens, TokenVerifier
from chatcluster_common.health import Health
from chatcluster_common.http import RequestContext
from chatcluster_common.settings import ServiceSettings, secrets_dir

Resources = Callable[[FastAPI], AbstractAsyncContextManager[None]]
"""Opens what the service needs (stores, clients, background tasks), puts it on `app.state`, closes it at the end."""


def create_app(
    *,
    service: str,
    title: str,
    settings: ServiceSettings,
    resources: Resources,
    away: Sequence[type[Exception]] = (),
) -> FastAPI:
    """A FastAPI application with `/livez`, `/readyz`, `/metrics` and problem documents.

    `app.state` holds `settings`, `health` and `verifier` (`TokenVerifier`); `resources` adds the service's own.
    Wrap the result in `with_context` before it is served. `away` names what the drivers of the service's stores raise
    when a store does not answer: the caller is told to try again.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with resources(app):
            yield

    app = FastAPI(
        title=title,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        responses={
            "4XX": {"model": errors.ProblemDetails, "description": "The request cannot be served as it is."},
            "5XX": {"model": errors.ProblemDetails, "description": "The service failed."},
        },
    )
    health = Health(service, store_grace_seconds=settings.store_grace_seconds)
    app.state.settings = settings
    app.state.health = health
    app.state.verifier = TokenVerifier(settings.jwks_file)
    app.state.internal_tokens = InternalTokens(settings.internal_token, secrets_dir() / "chat_internal_token")
    errors.install(app, away)
    errors.document_problems(app)

    async def livez() -> Response:
        why = health.not_live()
        return Response(
            orjson.dumps({"live": not why, "not_live": why}),
            status_code=503 if why else 200,
            media_type="application/json",
        )

    async def readyz() -> Response:
        why = await health.not_ready()
        return Response(
            orjson.dumps({"ready": not why, "not_ready": why}),
            status_code=503 if why else 200,
            media_type="application/json",
        )

    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.add_api_route("/livez", livez, include_in_schema=False)
    app.add_api_route("/readyz", readyz, include_in_schema=False)
    app.add_api_route("/metrics", metrics, include_in_schema=False)
    return app


def with_context(app: ASGIApp, service: str) -> ASGIApp:
    """The outermost layer of a service: request context, access log and metrics around `app`."""
    return RequestContext(app, service)
