"""Routes of people, and what the other services call."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from chatcluster_common.auth import AccountUser, CurrentUser, InternalCaller
from chatcluster_common.errors import problems
from chatcluster_user.documented import SIGNED_IN
from chatcluster_user.people import models
from chatcluster_user.people.service import People


def _people(request: Request) -> People:
    return request.app.state.people


PeopleDep = Annotated[People, Depends(_people)]

public = APIRouter(prefix="/api/v1/users", tags=["users"], responses=SIGNED_IN)
internal = APIRouter(prefix="/internal/users", include_in_schema=False, dependencies=[InternalCaller])


@public.get("/me", operation_id="getMe")
async def get_me(caller: AccountUser, people: PeopleDep) -> models.Me:
    """The caller's own account."""
    return await people.me(caller.user_id)


@public.patch("/me", operation_id="updateMe")
async def update_me(body: models.UpdateMe, caller: AccountUser, people: PeopleDep) -> models.Me:
    """Change the caller's own account."""
    return await people.update_me(caller.user_id, body)


@public.put(
    "/me/avatar",
    operation_id="putAvatar",
    responses=problems(
        _404="This ChatCluster has no file service (`not_installed`).",
        _413="The picture is too large.",
        _415="It is no multipart body.",
        _422="It is no picture that can be shown.",
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary", "description": "A picture."}},
                    }
                }
            },
        }
    },
)
async def put_avatar(request: Request, caller: CurrentUser, people: PeopleDep) -> models.Avatar:
    """Set the caller's picture. It is turned upright, cut square, and loses its metadata."""
    passed_on = {name: request.headers[name] for name in ("content-type", "content-length") if name in request.headers}
    return await people.put_avatar(caller.user_id, passed_on, request.stream())


@public.delete("/me/avatar", operation_id="removeAvatar", status_code=204)
async def remove_avatar(caller: CurrentUser, people: PeopleDep) -> None:
    """Remove the caller's picture; also when there is none."""
    await people.remove_avatar(caller.user_id)


@public.get("/{user_id}", operation_id="getUser", responses=problems(_404="No such user."))
async def get_user(user_id: str, _caller: CurrentUser, people: PeopleDep) -> models.UserProfile:
    """Somebody's profile."""
    return await people.profile(user_id)


@public.get("", operation_id="searchUsers")
async def search_users(
    caller: CurrentUser,
    people: PeopleDep,
    query: Annotated[
        str,
        Query(
            min_length=1,
            max_length=64,
            pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
            description="How the username or the display name begins; case does not matter.",
        ),
    ],
    cursor: Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 20,
) -> models.UserPage:
    """Find people by the beginning of their names; nobody finds those they have blocked, or who have blocked them."""
    return await people.search(caller.user_id, query, cursor, limit)


@internal.post("/lookup")
async def lookup(body: models.LookupRequest, people: PeopleDep) -> models.LookupResult:
    """Names and addresses of many people at once."""
    return await people.lookup(body.ids)


@internal.post("/names")
async def named(body: models.NamesRequest, people: PeopleDep) -> models.NamesResult:
    """Whom usernames belong to."""
    return await people.named(body.usernames)
