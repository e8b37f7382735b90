"""Errors as the contract has them: RFC 9457 problems, over HTTP and in Socket.IO acknowledgements alike."""

import math
import random
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from chatcluster_common import context, logs

MEDIA_TYPE = "application/problem+json"
log = logs.get_logger(__name__)


class FieldError(BaseModel):
    """One field that was refused."""

    field: str = Field(description="Where it stands, with dots: `body.username`.")
    message: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem document."""

    type: str = Field(description="`urn:chatcluster:problem:<code>`")
    title: str
    status: int
    detail: str
    code: str = Field(description="Short, stable, for programs: `not_found`.")
    request_id: str
    errors: list[FieldError] | None = Field(default=None, description="Refused fields, for code `invalid`.")
    retry_after_ms: int | None = Field(
        default=None, description="Try again after so long, in milliseconds; `Retry-After` says it in whole seconds."
    )


Responses = dict[int | str, dict[str, Any]]
"""The `responses` of a route, for the OpenAPI document."""


def problems(**described: str) -> Responses:
    """The problems that a route may answer with: `_404="There is no such user."`, and so on."""
    return {
        int(status.removeprefix("_")): {"model": ProblemDetails, "description": text}
        for status, text in described.items()
    }


class Problem(Exception):  # noqa: N818 the RFC's own word
    """Raise it anywhere below a route or event handler; the caller gets it as a problem document.

    `detail` is shown to the caller: say what happened and what to do, nothing internal.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.retry_seconds = retry_seconds
        """When to try again; None: not by itself."""
        if retry_seconds is not None:
            self.headers["Retry-After"] = str(math.ceil(retry_seconds))

    def document(self) -> dict[str, Any]:
        """The problem as plain JSON values, bound to the current request."""
        return ProblemDetails(
            type=f"urn:chatcluster:problem:{self.code}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            code=self.code,
            request_id=context.request_id.get(),
            errors=self.errors or None,
            retry_after_ms=None if self.retry_seconds is None else round(self.retry_seconds * 1000),
        ).model_dump(exclude_none=True)

    def response(self) -> Response:
        """The problem as an HTTP response."""
        return Response(
            orjson.dumps(self.document()), status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers
        )


def unauthorized(detail: str = "Sign in: the access token is missing, malformed or expired.") -> Problem:
    """401, for a caller we do not know."""
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def forbidden(detail: str) -> Problem:
    """403, for a caller we know who may not do this."""
    return Problem(403, "forbidden", detail)


def not_found(what: str) -> Problem:
    """404; also for things the caller may not know of, so that ids cannot be probed."""
    return Problem(404, "not_found", f"There is no such {what}, or you have no access to it.")


def not_installed(service: str) -> Problem:
    """404 for what a service would answer that this ChatCluster does without."""
    return Problem(404, "not_installed", f"This ChatCluster has no {service} service.")


def conflict(code: str, detail: str) -> Problem:
    """409, for a request that contradicts what is stored."""
    return Problem(409, code, detail)


def invalid(field: str, message: str) -> Problem:
    """422 for one field that a rule, rather than the schema, refuses."""
    return Problem(
        422, "invalid", f"The request has an invalid field: {field}.", errors=[FieldError(field=field, message=message)]
    )


def unavailable(detail: str | None = None) -> Problem:
    """503 with `Retry-After`, for a store or a service that does not answer.

    Those who are told so at one moment do not all come back at one moment.
    """
    detail = detail or "A part of the service is not available. Try again shortly."
    return Problem(503, "unavailable", detail, retry_seconds=random.uniform(0.5, 1.0))  # noqa: S311 jitter


def full() -> Problem:
    """503 with `Retry-After`, for a store that has no room left for what is written. Nothing was done; what only reads
    goes on. It takes a person, or whoever they leave it to, to grow the volume: nobody need come back at once."""
    detail = "There is no room left to store this, and nothing of it was stored. Reading goes on. Try again in a while."
    return Problem(503, "storage_full", detail, retry_seconds=random.uniform(10, 20))  # noqa: S311 jitter


def from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """422 from pydantic's error list. The refused input is not repeated: it may be a password."""
    fields = [
        FieldError(field=".".join(str(part) for part in e["loc"]), message=str(e["msg"]).removeprefix("Value error, "))
        for e in errors
    ]
    names = ", ".join(f.field for f in fields[:5])
    return Problem(422, "invalid", f"The request has invalid fields: {names}.", errors=fields)


_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def install(app: FastAPI, away: Sequence[type[Exception]] = ()) -> None:
    """Make every error that leaves `app` a problem document; one of `away` says that a store does not answer."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 registered for this type alone
        return error.response()

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return from_validation(error.errors()).response()

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        code = _HTTP_CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(app, request)
        return Problem(error.status_code, code, str(error.detail), headers=headers).response()

    async def on_away(_request: Request, error: Exception) -> Response:
        return store_away(error).response()

    async def on_unexpected(_request: Request, error: Exception) -> Response:
        return internal(error).response()

    for kind in away:
        app.add_exception_handler(kind, on_away)
    app.add_exception_handler(Exception, on_unexpected)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def _allowed(app: FastAPI, request: Request) -> str:
    """The methods of all routes of the path's own template; the framework names those of the first route alone.

    Of several templates that match, the one with the fewest parameters: as in OpenAPI, a literal path goes first.
    """
    path = request.scope["path"]
    routes = [route for route in iter_route_contexts(app.routes) if route.methods and route.path_regex.match(path)]
    template = min((str(route.path_format) for route in routes), key=lambda path: path.count("{"), default="")
    own = {method for route in routes if route.path_format == template for method in route.methods or ()}
    return ", ".join(method for method in _METHODS if method in own)


_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/ProblemDetails"}


def document_problems(app: FastAPI) -> None:
    """Have the OpenAPI document of `app` say that problems come as `application/problem+json`."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            paths: dict[str, dict[str, dict[str, Any]]] = make().get("paths", {})
            for operation in (operation for path in paths.values() for operation in path.values()):
                for response in operation["responses"].values():
                    content: dict[str, Any] = response.get("content", {})
                    # The framework says it in the type of the route's good answer, such as text/html.
                    for kind in [kind for kind, said in content.items() if said.get("schema") == _PROBLEM_SCHEMA]:
                        content[MEDIA_TYPE] = content.pop(kind)
        return make()

    app.openapi = openapi


def store_away(error: BaseException) -> Problem:
    """503 for a store's driver that gave up: the cause goes to the log."""
    if _says_full(error):
        log.warning("a store takes no writes: its volume is full", error_type=type(error).__name__)
        return full()
    log.warning("a store did not answer", error_type=type(error).__name__)
    return unavailable()


def _says_full(error: BaseException) -> bool:
    """MongoDB's OutOfDiskSpace, or Redis that cannot write its append-only file."""
    return getattr(error, "code", None) == 14031 or str(error).startswith("MISCONF")


def internal(error: BaseException) -> Problem:
    """500 for what nobody expected: the cause goes to the log, never to the caller."""
    log.error("unexpected error", error_type=type(error).__name__, exc_info=error)
    return Problem(500, "internal", "Something went wrong on our side. Quote the request id when you report it.")
