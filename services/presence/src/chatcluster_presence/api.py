"""The routes of the presence service."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from chatcluster_common import errors
from chatcluster_common.auth import CurrentUser, InternalCaller
from chatcluster_presence.models import Presences
from chatcluster_presence.service import People


def _people(request: Request) -> People:
    return request.app.state.people


PeopleDep = Annotated[People, Depends(_people)]
UserIds = Annotated[
    str, Query(max_length=20_000, description="Up to 200 user ids, separated by commas.", examples=["a,b"])
]

public = APIRouter(prefix="/api/v1", tags=["presence"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


@public.get("/presence", operation_id="getPresence")
async def presence(user_ids: UserIds, _caller: CurrentUser, people: PeopleDep) -> Presences:
    """Who is online. Somebody who is not known, or does not want to be seen, is offline."""
    return Presences(items=await people.presences(_ids(user_ids)))


@internal.get("/presence")
async def presence_internal(user_ids: UserIds, people: PeopleDep) -> Presences:
    """The same, for other services."""
    return Presences(items=await people.presences(_ids(user_ids)))


def _ids(text: str) -> list[str]:
    ids = list(dict.fromkeys(part for part in text.split(",") if part))
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", user_id) for user_id in ids):
        raise errors.invalid("query.user_ids", "give user ids separated by commas")
    return ids
