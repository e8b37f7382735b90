"""The Socket.IO events that clients send."""

from typing import Any

from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection, RealtimeServer
from chatcluster_message.models import (
    EditEvent,
    MarkEvent,
    Message,
    MessageEvent,
    ReactionEvent,
    SendEvent,
    SendMessage,
    SyncEvent,
)
from chatcluster_message.service import Chat


def register(sockets: RealtimeServer, chat: Chat) -> None:
    """Answer the client events of the contract from `chat`."""

    async def send(connection: Connection, event: SendEvent) -> dict[str, Any]:
        request = SendMessage.model_construct(
            client_id=event.client_id, body=event.body, thread_root=event.thread_root, attachments=event.attachments
        )
        return _message((await chat.messages.send(connection.user_id, event.conversation_id, request))[0])

    async def edit(connection: Connection, event: EditEvent) -> dict[str, Any]:
        return _message(await chat.changes.edit(connection.user_id, event.id, event.body))

    async def delete(connection: Connection, event: MessageEvent) -> dict[str, Any]:
        return _message(await chat.changes.delete(connection.user_id, event.id))

    async def react(connection: Connection, event: ReactionEvent) -> dict[str, Any]:
        return _message(await chat.changes.react(connection.user_id, event.id, event.emoji))

    async def unreact(connection: Connection, event: ReactionEvent) -> dict[str, Any]:
        return _message(await chat.changes.unreact(connection.user_id, event.id, event.emoji))

    async def mark(connection: Connection, event: MarkEvent) -> dict[str, Any]:
        return {"seq": await chat.reading.mark(connection.user_id, event.conversation_id, event.seq)}

    async def sync(connection: Connection, event: SyncEvent) -> dict[str, Any]:
        result = await chat.messages.sync(connection.user_id, event.conversations, event.changed_since)
        return result.model_dump(mode="json")

    sockets.event("message:send", SendEvent, send, scope=Scope.MESSAGES_WRITE)
    sockets.event("message:edit", EditEvent, edit, scope=Scope.MESSAGES_WRITE)
    sockets.event("message:delete", MessageEvent, delete, scope=Scope.MESSAGES_WRITE)
    sockets.event("reaction:add", ReactionEvent, react, scope=Scope.MESSAGES_WRITE)
    sockets.event("reaction:remove", ReactionEvent, unreact, scope=Scope.MESSAGES_WRITE)
    sockets.event("read:mark", MarkEvent, mark, scope=Scope.MESSAGES_WRITE)
    sockets.event("sync", SyncEvent, sync)


def _message(message: Message) -> dict[str, Any]:
    return {"message": message.model_dump(mode="json")}
