"""What other services call, under `/internal`: neither the edge nor the gateway routes it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from chatcluster_common.auth import InternalCaller
from chatcluster_file import multipart
from chatcluster_file.app_state import FilesState, state
from chatcluster_file.models import Attach, Avatar, Erased, Files, Id, Release

router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])

State = Annotated[FilesState, Depends(state)]


@router.post("/files/attach")
async def attach(body: Attach, parts: State) -> Files:
    """Bind files to a message."""
    return Files(items=await parts.files.attach(body))


@router.post("/files/release")
async def release(body: Release, parts: State) -> dict[str, str]:
    """Remove the files of a message that is gone."""
    await parts.files.release(body.message_id, body.ids)
    return {}


@router.put("/avatars/{user_id}")
async def put_avatar(user_id: Id, request: Request, parts: State) -> Avatar:
    """Make an image the person's picture."""
    settings = request.app.state.settings
    events = multipart.events(
        request.headers.get("content-type", ""), request.stream(), idle_seconds=settings.upload_idle_seconds
    )
    return Avatar(avatar_url=await parts.avatars.put(user_id, events))


@router.delete("/avatars/{user_id}", status_code=204)
async def delete_avatar(user_id: Id, parts: State) -> Response:
    """Remove the person's picture."""
    await parts.avatars.delete(user_id)
    return Response(status_code=204)


@router.get("/users/{user_id}/export")
async def export(user_id: Id, parts: State) -> StreamingResponse:
    """All that is held about the person, a line an item."""
    return StreamingResponse(parts.people.export(user_id), media_type="application/x-ndjson")


@router.post("/users/{user_id}/erase")
async def erase(user_id: Id, parts: State) -> Erased:
    """Remove what is held about the person, some at a time."""
    return Erased(done=await parts.people.erase(user_id))
