"""Routes about messages: sending and reading them, and what happens to them later."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status

from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import problems
from chatcluster_message import models
from chatcluster_message.api.common import ALWAYS, NO_MESSAGE, NOT_YOURS, ChatDep, ConversationId, MessageId

router = APIRouter(prefix="/api/v1", tags=["messages"], responses=ALWAYS)
Emoji = Annotated[models.Emoji, Path()]


@router.get("/conversations/{conversation_id}/messages", operation_id="listMessages", responses=NOT_YOURS)
async def messages(
    conversation_id: ConversationId,
    caller: CurrentUser,
    chat: ChatDep,
    page: Annotated[models.HistoryQuery, Query()],
) -> models.MessagePage:
    """A page of the history, or of one thread; without either bound the newest messages, the newest first."""
    return await chat.messages.page(caller.user_id, conversation_id, page)


@router.post(
    "/conversations/{conversation_id}/messages",
    operation_id="sendMessage",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": models.Message, "description": "This `client_id` was seen before: the message stored then."},
        **NOT_YOURS,
        **problems(
            _403="The caller may not post here, or `blocked` one of the two.",
            _409="A file is used elsewhere already.",
            _503="Not known to be stored. Send it again with the same `client_id`.",
        ),
    },
)
async def send(
    conversation_id: ConversationId, body: models.SendMessage, caller: CurrentUser, chat: ChatDep, response: Response
) -> models.Message:
    """Send a message. The answer comes once it cannot be lost any more."""
    message, new = await chat.messages.send(caller.user_id, conversation_id, body)
    if not new:
        response.status_code = status.HTTP_200_OK
    return message


@router.get("/messages/search", operation_id="searchMessages")
async def search(
    caller: CurrentUser, chat: ChatDep, query: Annotated[models.SearchQuery, Query()]
) -> models.SearchPage:
    """Search the caller's conversations by words and phrases, the best match first. New messages are found within a
    moment, later while Kafka is away; deleted ones never."""
    return await chat.search.find(caller.user_id, query)


@router.get("/messages/{message_id}", operation_id="getMessage", responses=NO_MESSAGE)
async def message(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> models.Message:
    """One message."""
    return await chat.messages.get(caller.user_id, message_id)


@router.patch(
    "/messages/{message_id}",
    operation_id="editMessage",
    responses=NO_MESSAGE | problems(_403="Not the caller's, or `blocked` one of the two.", _409="Deleted."),
)
async def edit(message_id: MessageId, body: models.EditMessage, caller: CurrentUser, chat: ChatDep) -> models.Message:
    """Replace the text of one's own message. The earlier one stays in its history."""
    return await chat.changes.edit(caller.user_id, message_id, body.body)


@router.delete(
    "/messages/{message_id}",
    operation_id="deleteMessage",
    responses=NO_MESSAGE | problems(_403="Neither the caller's nor theirs to look after.", _409="Direct."),
)
async def delete(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> models.Message:
    """Delete a message: text, files, reactions and history go, its place stays. The answer is what is left.

    Moderators of the platform delete any message that was reported.
    """
    return await chat.moderation.delete_message(caller, message_id)


@router.get("/messages/{message_id}/history", operation_id="listVersions", responses=NO_MESSAGE)
async def history(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> models.History:
    """Earlier texts of a message."""
    return await chat.changes.history(caller.user_id, message_id)


@router.put(
    "/messages/{message_id}/reactions/{emoji}",
    operation_id="addReaction",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_MESSAGE | problems(_409="Deleted, or too many different reactions."),
)
async def react(message_id: MessageId, emoji: Emoji, caller: CurrentUser, chat: ChatDep) -> None:
    """React to a message."""
    await chat.changes.react(caller.user_id, message_id, emoji)


@router.delete(
    "/messages/{message_id}/reactions/{emoji}",
    operation_id="removeReaction",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_MESSAGE,
)
async def unreact(message_id: MessageId, emoji: Emoji, caller: CurrentUser, chat: ChatDep) -> None:
    """Take a reaction away; nothing changes when there is none."""
    await chat.changes.unreact(caller.user_id, message_id, emoji)


@router.get("/messages/{message_id}/followers", operation_id="listFollowers", responses=NO_MESSAGE)
async def followers(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> models.PersonIds:
    """The members who are told of replies: who began the thread, who answered, and who asked to."""
    return await chat.changes.followers(caller.user_id, message_id)


@router.put(
    "/messages/{message_id}/follow",
    operation_id="followThread",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_MESSAGE,
)
async def follow(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> None:
    """Be told of replies to a message."""
    await chat.changes.follow(caller.user_id, message_id, follow=True)


@router.delete(
    "/messages/{message_id}/follow",
    operation_id="unfollowThread",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_MESSAGE,
)
async def unfollow(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> None:
    """Be told no more, until one answers again."""
    await chat.changes.follow(caller.user_id, message_id, follow=False)


@router.get("/messages/{message_id}/seen", operation_id="listSeenBy", responses=NO_MESSAGE)
async def seen(message_id: MessageId, caller: CurrentUser, chat: ChatDep) -> models.PersonIds:
    """The other members who have read a message, as far as both they and the caller show what they have read."""
    return await chat.reading.seen_by(caller.user_id, message_id)
