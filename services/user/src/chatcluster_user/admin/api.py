"""Routes for those who run the platform."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status

from chatcluster_common.auth import UserManager
from chatcluster_common.errors import problems
from chatcluster_common.permissions import Role
from chatcluster_user.admin import models
from chatcluster_user.admin.service import Admin
from chatcluster_user.client import Caller
from chatcluster_user.documented import SIGNED_IN
from chatcluster_user.people.models import State
from chatcluster_user.session import Cursor, Limit
from chatcluster_user.sign_in import models as session_models
from chatcluster_user.sign_in.api import SignInDep


def _admin(request: Request) -> Admin:
    return request.app.state.admin


AdminDep = Annotated[Admin, Depends(_admin)]

public = APIRouter(prefix="/api/v1/admin/users", tags=["admin"], responses=SIGNED_IN | problems(_404="No such user."))

_LAST = problems(_409="This is the last admin.")


@public.get("", operation_id="adminListUsers")
async def list_users(
    *,
    _caller: UserManager,
    admin: AdminDep,
    query: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=320,
            pattern=r"^[^\x00]+$",
            description="How the username or display name begins, or a whole e-mail address.",
        ),
    ] = None,
    role: Annotated[models.AssignableRole | None, Query(description="Only those of this role.")] = None,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> models.AdminUserPage:
    """Look through all accounts."""
    return await admin.page(query=query, role=role, state=state, cursor=cursor, limit=limit)


@public.get("/{user_id}", operation_id="adminGetUser")
async def get_user(user_id: str, _caller: UserManager, admin: AdminDep) -> models.AdminUser:
    """One account."""
    return await admin.user(user_id)


@public.put("/{user_id}/role", operation_id="setRole", responses=_LAST)
async def set_role(
    user_id: str, body: models.SetRole, caller: UserManager, admin: AdminDep, client: Caller
) -> models.AdminUser:
    """Change what somebody may do. Their access tokens are void at once; they refresh and go on."""
    return await admin.set_role(caller.user_id, user_id, Role(body.role), client)


@public.put("/{user_id}/suspension", operation_id="suspendUser", responses=_LAST)
async def suspend(
    user_id: str, body: models.Suspension, caller: UserManager, admin: AdminDep, client: Caller
) -> models.AdminUser:
    """Keep somebody out: their sessions end at once, and they cannot sign in."""
    return await admin.suspend(caller.user_id, user_id, body.reason, client)


@public.delete("/{user_id}/suspension", operation_id="unsuspendUser")
async def unsuspend(user_id: str, caller: UserManager, admin: AdminDep, client: Caller) -> models.AdminUser:
    """Let somebody sign in again."""
    return await admin.unsuspend(caller.user_id, user_id, client)


@public.get("/{user_id}/sessions", operation_id="adminListSessions")
async def list_sessions(
    user_id: str, _caller: UserManager, admin: AdminDep, sign_in: SignInDep
) -> session_models.SessionPage:
    """Where somebody is signed in."""
    await admin.user(user_id)
    return await sign_in.sessions(user_id, "")


@public.delete("/{user_id}/sessions", operation_id="adminEndSessions", status_code=status.HTTP_204_NO_CONTENT)
async def end_sessions(user_id: str, caller: UserManager, admin: AdminDep, client: Caller) -> None:
    """Sign somebody out everywhere, at once."""
    await admin.end_sessions(caller.user_id, user_id, client)
