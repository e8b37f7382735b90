"""Routes about conversations: what they are like, who is in them, what is pinned, how far everybody has read."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import problems
from chatcluster_message import models
from chatcluster_message.api.common import (
    ALWAYS,
    NO_MESSAGE,
    NOT_YOURS,
    ChatDep,
    ConversationId,
    Limit,
    MessageId,
    UserId,
)

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], responses=ALWAYS)


@router.post(
    "",
    operation_id="createConversation",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": models.Conversation, "description": "The two have a direct conversation already: this one."},
        **problems(_403="`blocked`: somebody among the members blocks the caller, or is blocked."),
    },
)
async def create(
    body: models.CreateConversation, caller: CurrentUser, chat: ChatDep, response: Response
) -> models.Conversation:
    """Open a conversation; the caller becomes its owner."""
    conversation, new = await chat.conversations.create(caller.user_id, body)
    if not new:
        response.status_code = status.HTTP_200_OK
    return conversation


@router.get("", operation_id="listConversations")
async def conversations(
    caller: CurrentUser,
    chat: ChatDep,
    cursor: Annotated[models.Id | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Limit = 50,
) -> models.ConversationPage:
    """The caller's conversations, the newest first."""
    return await chat.conversations.page(caller.user_id, cursor, limit)


@router.get("/directory", operation_id="listChannels")
async def directory(
    caller: CurrentUser,
    chat: ChatDep,
    query: Annotated[
        str, Query(max_length=120, pattern=models.NO_CONTROLS, description="How the name begins.", examples=["rel"])
    ] = "",
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9_-]{1,1024}$", description="`next_cursor` of the page before."),
    ] = None,
    limit: Limit = 50,
) -> models.Directory:
    """The public channels by name."""
    return await chat.conversations.directory(caller.user_id, query, cursor, limit)


@router.get("/{conversation_id}", operation_id="getConversation", responses=NOT_YOURS)
async def conversation(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> models.OwnConversation:
    """One conversation."""
    return await chat.conversations.get(caller.user_id, conversation_id)


@router.patch(
    "/{conversation_id}",
    operation_id="changeConversation",
    responses=NOT_YOURS | problems(_403="The caller's role does not allow it.", _409="Direct."),
)
async def change(
    conversation_id: ConversationId, body: models.ChangeConversation, caller: CurrentUser, chat: ChatDep
) -> models.Conversation:
    """Change its name, topic, visibility, who may post (admins), or how long messages are kept (owner)."""
    return await chat.conversations.change(caller.user_id, conversation_id, body)


@router.delete(
    "/{conversation_id}",
    operation_id="deleteConversation",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NOT_YOURS | problems(_403="Only the owner deletes it.", _409="Direct."),
)
async def delete(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> None:
    """Delete a conversation for everybody, with its messages and files."""
    await chat.conversations.delete(caller.user_id, conversation_id)


@router.post(
    "/{conversation_id}/join",
    operation_id="joinChannel",
    responses=problems(_404="There is no such public channel.", _409="Full."),
)
async def join(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> models.Conversation:
    """Enter a public channel. Nothing changes for a member."""
    return await chat.conversations.join(caller.user_id, conversation_id)


@router.post(
    "/{conversation_id}/members",
    operation_id="addMember",
    responses=NOT_YOURS
    | problems(_403="The caller's role does not allow it, or `blocked` one of the two.", _409="Direct, or full."),
)
async def add_member(
    conversation_id: ConversationId, body: models.AddMember, caller: CurrentUser, chat: ChatDep
) -> models.Conversation:
    """Add a person. Nothing changes when they are in it already."""
    return await chat.conversations.add_member(caller.user_id, conversation_id, body.user_id)


@router.patch(
    "/{conversation_id}/members/{user_id}",
    operation_id="changeMember",
    responses=NOT_YOURS | problems(_403="Only the owner changes roles.", _409="Direct, or the owner's own role."),
)
async def change_member(
    conversation_id: ConversationId, user_id: UserId, body: models.ChangeMember, caller: CurrentUser, chat: ChatDep
) -> models.Conversation:
    """Give a member another role. `owner` hands the conversation over; the caller is an admin from then on."""
    return await chat.conversations.change_role(caller.user_id, conversation_id, user_id, body.role)


@router.delete(
    "/{conversation_id}/members/{user_id}",
    operation_id="removeMember",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NOT_YOURS | problems(_403="The caller's role does not allow it.", _409="Direct."),
)
async def remove_member(conversation_id: ConversationId, user_id: UserId, caller: CurrentUser, chat: ChatDep) -> None:
    """Remove a person; with one's own id, leave. An owner who leaves passes the conversation on."""
    await chat.conversations.remove_member(caller.user_id, conversation_id, user_id)


@router.get("/{conversation_id}/pins", operation_id="listPins", responses=NOT_YOURS)
async def pins(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> models.PinnedMessages:
    """The pinned messages, the one pinned last first."""
    return models.PinnedMessages(items=await chat.conversations.pinned(caller.user_id, conversation_id))


@router.put(
    "/{conversation_id}/pins/{message_id}",
    operation_id="pinMessage",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_MESSAGE | problems(_403="The caller's role does not allow it.", _409="Deleted, or too many pins."),
)
async def pin(conversation_id: ConversationId, message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> None:
    """Keep a message at hand."""
    await chat.conversations.pin(caller.user_id, conversation_id, message_id)


@router.delete(
    "/{conversation_id}/pins/{message_id}",
    operation_id="unpinMessage",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NOT_YOURS | problems(_403="The caller's role does not allow it."),
)
async def unpin(conversation_id: ConversationId, message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> None:
    """Take a pin away; nothing changes when there is none."""
    await chat.conversations.unpin(caller.user_id, conversation_id, message_id)


@router.put("/{conversation_id}/read", operation_id="markRead", tags=["messages"], responses=NOT_YOURS)
async def mark_read(
    conversation_id: ConversationId, body: models.MarkRead, caller: CurrentUser, chat: ChatDep
) -> models.Seen:
    """Say how far the caller has read. The mark never moves back, nor past the newest message."""
    return models.Seen(seq=await chat.reading.mark(caller.user_id, conversation_id, body.seq))


@router.get("/{conversation_id}/reads", operation_id="listReads", tags=["messages"], responses=NOT_YOURS)
async def reads(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> models.Reads:
    """How far each member has read who shows it; a caller who does not sees their own mark alone."""
    return await chat.reading.marks(caller.user_id, conversation_id)
