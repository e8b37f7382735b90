"""Routes of export and erasure."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, status
from fastapi.responses import StreamingResponse

from chatcluster_common.auth import UserManager
from chatcluster_common.errors import problems
from chatcluster_user.client import Caller
from chatcluster_user.credentials.models import Confirmation
from chatcluster_user.documented import SIGNED_IN
from chatcluster_user.leaving import models
from chatcluster_user.leaving.erasure import Erasures
from chatcluster_user.leaving.export import Exports
from chatcluster_user.session import Cursor, Limit, SessionUser


def _erasures(request: Request) -> Erasures:
    return request.app.state.erasures


def _exports(request: Request) -> Exports:
    return request.app.state.exports


ErasuresDep = Annotated[Erasures, Depends(_erasures)]
ExportsDep = Annotated[Exports, Depends(_exports)]

public = APIRouter(prefix="/api/v1/users/me", tags=["users"], responses=SIGNED_IN)
admin = APIRouter(prefix="/api/v1/admin/erasures", tags=["admin"], responses=SIGNED_IN)

_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`{format, user_id, exported_at, services: {<service>: [{kind, data}]}, complete, missing}`. "
        "Only a document whose `complete` is true holds everything; `missing` names the services that did not answer.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@public.get("/export", operation_id="exportMe", response_class=StreamingResponse, responses=_EXPORT)
async def export(caller: SessionUser, exports: ExportsDep, client: Caller) -> StreamingResponse:
    """Everything that any service holds about the caller, streamed as one JSON document."""
    pieces = exports.document(caller.user_id, client)
    first = await anext(pieces)

    async def document() -> AsyncGenerator[bytes]:
        async with aclosing(pieces):  # also when the caller hangs up
            yield first
            async for piece in pieces:
                yield piece

    headers = {"Content-Disposition": 'attachment; filename="chatcluster-export.json"', "Cache-Control": "no-store"}
    return StreamingResponse(document(), media_type="application/json", headers=headers)


@public.delete(
    "",
    operation_id="eraseMe",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(
        _401="No access token, a wrong password (`bad_credentials`), or a code is needed (`totp_required`).",
        _409="The last admin cannot go.",
        _429="Too many attempts; see `Retry-After`.",
    ),
)
async def erase(body: Confirmation, caller: SessionUser, erasures: ErasuresDep, client: Caller) -> None:
    """Erase the caller's account, for ever. The account, its address and its sessions are gone when this answers; what
    the other services hold follows within minutes. Nobody can register its name again."""
    await erasures.request(caller.user_id, body, client)


@admin.get("", operation_id="listErasures")
async def list_erasures(
    _caller: UserManager, erasures: ErasuresDep, unfinished: bool = True, cursor: Cursor = None, limit: Limit = 50
) -> models.ErasurePage:
    """How far erasures have come."""
    return await erasures.page(unfinished=unfinished, cursor=cursor, limit=limit)


@admin.post(
    "/{user_id}/retry",
    operation_id="retryErasure",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems(_404="No such unfinished erasure."),
)
async def retry(user_id: str, _caller: UserManager, erasures: ErasuresDep) -> None:
    """Ask the services again at once, also after it was given up."""
    await erasures.retry(user_id)
