"""Routes of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from chatcluster_common.auth import Auditor
from chatcluster_user.audit import models
from chatcluster_user.audit.service import AuditLog
from chatcluster_user.audit.store import EventKind
from chatcluster_user.documented import SIGNED_IN
from chatcluster_user.session import Cursor, Limit, SessionUser


def _log(request: Request) -> AuditLog:
    return request.app.state.audit


LogDep = Annotated[AuditLog, Depends(_log)]
Kind = Annotated[EventKind | None, Query(description="Only events of this kind.")]
Person = Annotated[str | None, Query(max_length=64, description="A person's id.")]

public = APIRouter(prefix="/api/v1/users/me", tags=["users"], responses=SIGNED_IN)
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"], responses=SIGNED_IN)


@public.get("/security-events", operation_id="listSecurityEvents")
async def own_events(
    caller: SessionUser, log: LogDep, kind: Kind = None, cursor: Cursor = None, limit: Limit = 50
) -> models.SecurityEventPage:
    """What happened to the caller's account, the latest first."""
    return await log.page(user_id=caller.user_id, kind=kind, cursor=cursor, limit=limit)


@admin.get("/audit", operation_id="readAudit")
async def audit(
    *,
    _caller: Auditor,
    log: LogDep,
    user_id: Person = None,
    actor_id: Person = None,
    kind: Kind = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> models.SecurityEventPage:
    """What happened to accounts, and who did it, the latest first."""
    return await log.page(user_id=user_id, actor_id=actor_id, kind=kind, cursor=cursor, limit=limit)
