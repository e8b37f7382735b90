"""Routes for the other services."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from chatcluster_common.auth import InternalCaller
from chatcluster_message import models
from chatcluster_message.api.common import ChatDep, ConversationId, UserId

router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


@router.get("/conversations/{conversation_id}/members")
async def members(conversation_id: ConversationId, chat: ChatDep) -> models.InternalMembers:
    """Everybody in a conversation; 404 when there is none."""
    return await chat.conversations.members(conversation_id)


@router.get("/users/{user_id}/export")
async def export(user_id: UserId, chat: ChatDep) -> StreamingResponse:
    """Everything held about a person, as NDJSON."""
    return StreamingResponse(chat.erasure.export(user_id), media_type="application/x-ndjson")


@router.post("/users/{user_id}/erase")
async def erase(user_id: UserId, chat: ChatDep) -> models.Erasure:
    """Erase what is held about a person; to be called until it is done."""
    return models.Erasure(done=await chat.erasure.erase(user_id))
