"""Routes for the other services."""

from fastapi import APIRouter

from chatcluster_common.auth import InternalCaller
from chatcluster_message import models
from chatcluster_message.api.common import ChatDep, ConversationId

router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


@router.get("/conversations/{conversation_id}/members")
async def members(conversation_id: ConversationId, chat: ChatDep) -> models.InternalMembers:
    """Everybody in a conversation; 404 when there is none."""
    return await chat.conversations.members(conversation_id)
