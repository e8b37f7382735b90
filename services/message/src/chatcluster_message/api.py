"""The routes of the message service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status

from chatcluster_common.auth import CurrentUser, InternalCaller
from chatcluster_common.errors import ProblemDetails
from chatcluster_message import models
from chatcluster_message.service import Chat


def _chat(request: Request) -> Chat:
    return request.app.state.chat


ChatDep = Annotated[Chat, Depends(_chat)]
ConversationId = Annotated[models.Id, Path()]
Limit = Annotated[int, Query(ge=1, le=100)]


def _problems(**what: str) -> dict[int | str, dict[str, Any]]:
    return {int(code[1:]): {"model": ProblemDetails, "description": text} for code, text in what.items()}


_NOT_YOURS = _problems(_404="There is no such conversation, or the caller is not in it.")

public = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


@public.post(
    "",
    operation_id="createConversation",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": models.Conversation, "description": "The two have a direct conversation already: this one."},
        **_problems(_422="A field is refused, or somebody does not exist."),
    },
)
async def create(
    body: models.CreateConversation, caller: CurrentUser, chat: ChatDep, response: Response
) -> models.Conversation:
    """Open a conversation; the caller becomes its owner."""
    conversation, new = await chat.create(caller.user_id, body)
    if not new:
        response.status_code = status.HTTP_200_OK
    return conversation


@public.get("", operation_id="listConversations")
async def conversations(
    caller: CurrentUser,
    chat: ChatDep,
    cursor: Annotated[models.Id | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Limit = 50,
) -> models.ConversationPage:
    """The caller's conversations, the newest first."""
    return await chat.conversations(caller.user_id, cursor, limit)


@public.get("/{conversation_id}", operation_id="getConversation", responses=_NOT_YOURS)
async def conversation(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> models.Conversation:
    """One conversation."""
    return await chat.conversation(caller.user_id, conversation_id)


@public.post(
    "/{conversation_id}/members",
    operation_id="addMember",
    responses=_NOT_YOURS
    | _problems(_403="The caller's role does not allow it.", _409="Direct, or full.", _422="There is no such person."),
)
async def add_member(
    conversation_id: ConversationId, body: models.AddMember, caller: CurrentUser, chat: ChatDep
) -> models.Conversation:
    """Add a person. Nothing changes when they are in it already."""
    return await chat.add_member(caller.user_id, conversation_id, body.user_id)


@public.delete(
    "/{conversation_id}/members/{user_id}",
    operation_id="removeMember",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_NOT_YOURS | _problems(_403="The caller's role does not allow it.", _409="Direct."),
)
async def remove_member(
    conversation_id: ConversationId, user_id: Annotated[models.Id, Path()], caller: CurrentUser, chat: ChatDep
) -> None:
    """Remove a person; with one's own id, leave. An owner who leaves passes the conversation on."""
    await chat.remove_member(caller.user_id, conversation_id, user_id)


@public.get(
    "/{conversation_id}/messages",
    operation_id="listMessages",
    tags=["messages"],
    responses=_NOT_YOURS,
)
async def messages(
    conversation_id: ConversationId,
    caller: CurrentUser,
    chat: ChatDep,
    page: Annotated[models.HistoryQuery, Query()],
) -> models.MessagePage:
    """A page of the history; without either bound the newest messages, the newest first."""
    return await chat.history(
        caller.user_id, conversation_id, before_seq=page.before_seq, after_seq=page.after_seq, limit=page.limit
    )


@public.post(
    "/{conversation_id}/messages",
    operation_id="sendMessage",
    tags=["messages"],
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": models.Message, "description": "This `client_id` was seen before: the message stored then."},
        **_NOT_YOURS,
        **_problems(_503="Not known to be stored. Send it again with the same `client_id`."),
    },
)
async def send(
    conversation_id: ConversationId, body: models.SendMessage, caller: CurrentUser, chat: ChatDep, response: Response
) -> models.Message:
    """Send a message. The answer comes once it cannot be lost any more."""
    message, new = await chat.send(caller.user_id, conversation_id, body)
    if not new:
        response.status_code = status.HTTP_200_OK
    return message


@public.put("/{conversation_id}/read", operation_id="markRead", tags=["messages"], responses=_NOT_YOURS)
async def mark_read(
    conversation_id: ConversationId, body: models.MarkRead, caller: CurrentUser, chat: ChatDep
) -> models.Seen:
    """Say how far the caller has read. The mark never moves back, nor past the newest message."""
    return models.Seen(seq=await chat.mark_read(caller.user_id, conversation_id, body.seq))


@public.get("/{conversation_id}/reads", operation_id="listReads", tags=["messages"], responses=_NOT_YOURS)
async def reads(conversation_id: ConversationId, caller: CurrentUser, chat: ChatDep) -> models.Reads:
    """How far each member has read."""
    return await chat.reads(caller.user_id, conversation_id)


@internal.get("/conversations/{conversation_id}/members")
async def members(conversation_id: ConversationId, chat: ChatDep) -> models.InternalMembers:
    """Everybody in a conversation; 404 when there is none."""
    return models.InternalMembers(items=await chat.members(conversation_id))
