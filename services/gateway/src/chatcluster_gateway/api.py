"""The gateway's own routes: API tokens, the audit log, and what the user service asks of every service."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chatcluster_common import errors, ids
from chatcluster_common.auth import AccountUser, Auditor, InternalCaller
from chatcluster_common.errors import problems
from chatcluster_gateway import models
from chatcluster_gateway.apitokens import ApiTokens, fields
from chatcluster_gateway.audit import ADDRESS, Audit, Call
from chatcluster_gateway.documents import Documents, Rendered
from chatcluster_gateway.page import CONTENT_SECURITY_POLICY

_NO_STORE = {"Cache-Control": "no-store"}


def _tokens(request: Request) -> ApiTokens:
    return request.app.state.api_tokens


def _audit(request: Request) -> Audit:
    return request.app.state.audit


def _call(request: Request) -> Call:
    return Call(request.method, request.url.path, request.scope.get(ADDRESS, ""))


def _documents(request: Request) -> Documents:
    return request.app.state.documents


DocumentsDep = Annotated[Documents, Depends(_documents)]
TokensDep = Annotated[ApiTokens, Depends(_tokens)]
AuditDep = Annotated[Audit, Depends(_audit)]
CallDep = Annotated[Call, Depends(_call)]
ApiTokenSecret = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(scheme_name="ApiToken", auto_error=False, description="An API token, `cct_…`.")),
]


_COMMON = problems(_401="No valid access token.", _429="Too many requests; see `Retry-After`.")
_SESSIONS_ONLY = "API tokens may not do this, or your role does not allow it."
_AWAY = "API tokens cannot be looked up at the moment; see `Retry-After`."

tokens = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])
documentation = APIRouter(prefix="/api/v1", tags=["documentation"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


@tokens.post(
    "",
    operation_id="createApiToken",
    status_code=status.HTTP_201_CREATED,
    responses=_COMMON
    | problems(_403=_SESSIONS_ONLY, _409="You have as many as one may have.", _422="A field is refused.", _503=_AWAY),
)
async def create_token(
    body: models.NewApiToken, caller: AccountUser, api_tokens: TokensDep, call: CallDep, response: Response
) -> models.MadeApiToken:
    """Make an API token for a program to call with. The answer has its secret, this once."""
    response.headers.update(_NO_STORE)
    return await api_tokens.make(caller, body, call)


@tokens.get("", operation_id="listApiTokens", responses=_COMMON | problems(_403=_SESSIONS_ONLY, _503=_AWAY))
async def list_tokens(caller: AccountUser, api_tokens: TokensDep) -> models.ApiTokenList:
    """The caller's API tokens, without their secrets."""
    return models.ApiTokenList(
        items=[models.ApiToken.model_validate(fields(token)) for token in await api_tokens.of(caller.user_id)]
    )


@tokens.delete(
    "/{token_id}",
    operation_id="revokeApiToken",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_COMMON | problems(_403=_SESSIONS_ONLY, _404="No such API token.", _422="The id is refused.", _503=_AWAY),
)
async def revoke_token(
    token_id: Annotated[str, Path(max_length=64, description="As `listApiTokens` has it.")],
    caller: AccountUser,
    api_tokens: TokensDep,
    call: CallDep,
) -> None:
    """Revoke an API token: it opens nothing any more, and neither do the access tokens made for it at the gateway."""
    await api_tokens.revoke(caller, token_id, call)


@tokens.post(
    "/access",
    operation_id="exchangeApiToken",
    responses=_COMMON | problems(_403="The caller is signed in and needs no exchange.", _503=_AWAY),
)
async def exchange_token(request: Request, response: Response, sent: ApiTokenSecret) -> models.AccessToken:
    """A short-lived access token for the API token that calls: for `/files` and the sockets, which the gateway is not
    before. It is good for some minutes, there also after the API token was revoked."""
    response.headers.update(_NO_STORE)
    if sent is None:
        raise errors.unauthorized()
    # The gateway has put the access token in the API token's place already.
    principal = request.app.state.verifier.verify(sent.credentials)
    if principal.scopes is None:
        raise errors.Problem(403, "not_an_api_token", "Call this with an API token; yours is an access token already.")
    expires_in = max(0, principal.expires_at - int(time.time()))
    return models.AccessToken(access_token=sent.credentials, expires_in=expires_in)


@admin.get(
    "/requests",
    operation_id="listAuditEntries",
    responses=_COMMON | problems(_403="Your role does not allow this.", _422="A parameter is refused.", _503=_AWAY),
)
async def list_entries(
    _caller: Auditor,
    audit: AuditDep,
    user_id: Annotated[
        str | None, Query(max_length=64, pattern=r"^[!-~]+$", description="What this person did.")
    ] = None,
    token_id: Annotated[
        str | None, Query(max_length=64, pattern=r"^[!-~]+$", description="About this API token.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Entries a page.")] = 50,
) -> models.AuditPage:
    """The gateway's audit log: API tokens made, first used and revoked; calls of administration and moderation."""
    if cursor is not None and not ids.is_id(cursor):
        raise errors.invalid("query.cursor", "is none that this list has given")
    rows = await audit.page(user_id=user_id, token_id=token_id, before_id=cursor, limit=limit + 1)
    items = [models.AuditEntry.model_validate(row, from_attributes=True) for row in rows[:limit]]
    return models.AuditPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


IfNoneMatch = Annotated[str, Header(description="The `ETag` of the copy at hand: 304 when it is still good.")]


@documentation.get(
    "/openapi.json",
    operation_id="getOpenApi",
    response_class=JSONResponse,
    responses={
        200: {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}},
        304: {"description": "The copy at hand is good."},
    },
)
async def openapi_document(documents: DocumentsDep, if_none_match: IfNoneMatch = "") -> Response:
    """This document: all parts of the API in one. `x-unavailable` names services that did not answer."""
    return _cached(await documents.json(), if_none_match, {"Content-Type": "application/json"})


@documentation.get(
    "/docs",
    operation_id="getDocumentation",
    response_class=HTMLResponse,
    responses={304: {"description": "The copy at hand is good."}},
)
async def documentation_page(documents: DocumentsDep, if_none_match: IfNoneMatch = "") -> Response:
    """The OpenAPI document as a page to read: HTML without script or anything from elsewhere."""
    fields = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return _cached(await documents.page(), if_none_match, fields)


def _cached(rendered: Rendered, if_none_match: str, fields: dict[str, str]) -> Response:
    fields |= {"ETag": rendered.etag, "Cache-Control": "public, max-age=60"}
    if rendered.etag in if_none_match:
        return Response(status_code=304, headers=fields)
    return Response(rendered.content, headers=fields)


@internal.get("/users/{user_id}/export")
async def export(user_id: str, api_tokens: TokensDep) -> StreamingResponse:
    """The person's API tokens and what the audit log has of them, a line of JSON each."""

    async def lines() -> AsyncIterator[bytes]:
        async for item in api_tokens.export(user_id):
            yield orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@internal.post("/users/{user_id}/erase")
async def erase(user_id: str, api_tokens: TokensDep) -> models.Erased:
    """Delete the person's API tokens. The audit log keeps its entries for their year: they name an id alone."""
    await api_tokens.erase(user_id)
    return models.Erased(done=True)
