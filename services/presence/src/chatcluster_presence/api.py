"""The routes of the presence service."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from chatcluster_common.auth import CurrentUser, InternalCaller
from chatcluster_presence.models import MAX_IDS, Erasure, Id, InternalPresences, Me, Presences, Setting
from chatcluster_presence.service import People


def _people(request: Request) -> People:
    return request.app.state.people


PeopleDep = Annotated[People, Depends(_people)]
UserId = Annotated[Id, Path(description="A person's id.")]
UserIds = Annotated[
    str,
    Query(
        max_length=MAX_IDS * 65,
        pattern=r"^([A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64})*)?$",
        description="Up to 200 user ids, separated by commas.",
        examples=["0198c5a4-7f2e-7c31-9d0b-2f6a1b3c4d5e"],
    ),
]

public = APIRouter(prefix="/api/v1", tags=["presence"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


@public.get("/presence", operation_id="getPresence", summary="Who is online")
async def presence(user_ids: UserIds, caller: CurrentUser, people: PeopleDep) -> Presences:
    """How people appear to the caller. Who is not known, does not want to be seen, or is in a block with the caller is
    offline; `last_seen` is null where they do not show it to the caller."""
    return Presences(items=await people.presences(caller.user_id, _ids(user_ids)))


@public.get("/presence/me", operation_id="getMyPresence", summary="The caller's own status")
async def own_presence(caller: CurrentUser, people: PeopleDep) -> Me:
    """What the caller has chosen, and what others make of it."""
    return await people.me(caller.user_id)


@public.put("/presence/me", operation_id="setMyPresence", summary="Set the caller's own status")
async def set_own_presence(setting: Setting, caller: CurrentUser, people: PeopleDep) -> Me:
    """Replaces status, text and emoji for all devices of the caller; those that are connected get `presence:me`."""
    return await people.choose(caller.user_id, setting)


@internal.get("/presence")
async def presence_internal(user_ids: UserIds, people: PeopleDep) -> InternalPresences:
    """For other services: nothing is kept from them."""
    return InternalPresences(items=await people.internal(_ids(user_ids)))


@internal.get("/users/{user_id}/export")
async def export(user_id: UserId, people: PeopleDep) -> Response:
    """What is held about a person, a line an item."""
    lines = [orjson.dumps(line) + b"\n" for line in await people.export(user_id)]
    return Response(b"".join(lines), media_type="application/x-ndjson")


@internal.post("/users/{user_id}/erase")
async def erase(user_id: UserId, people: PeopleDep) -> Erasure:
    """Forget a person. Safe to repeat; to be repeated until it is done."""
    return Erasure(done=await people.erase(user_id))


def _ids(text: str) -> list[str]:
    return list(dict.fromkeys(part for part in text.split(",") if part))
