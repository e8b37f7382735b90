"""The Socket.IO events that clients send."""

from typing import Any

from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection, RealtimeServer
from chatcluster_message.models import MarkEvent, SendEvent, SendMessage, SyncEvent
from chatcluster_message.service import Chat


def register(sockets: RealtimeServer, chat: Chat) -> None:
    """Answer the client events of the contract from `chat`."""

    async def send(connection: Connection, event: SendEvent) -> dict[str, Any]:
        request = SendMessage.model_construct(client_id=event.client_id, body=event.body, attachments=event.attachments)
        message, _ = await chat.send(connection.user_id, event.conversation_id, request)
        return {"message": message.model_dump(mode="json")}

    async def mark(connection: Connection, event: MarkEvent) -> dict[str, Any]:
        return {"seq": await chat.mark_read(connection.user_id, event.conversation_id, event.seq)}

    async def sync(connection: Connection, event: SyncEvent) -> dict[str, Any]:
        return (await chat.sync(connection.user_id, event.conversations)).model_dump(mode="json")

    sockets.event("message:send", SendEvent, send, scope=Scope.MESSAGES_WRITE)
    sockets.event("read:mark", MarkEvent, mark, scope=Scope.MESSAGES_WRITE)
    sockets.event("sync", SyncEvent, sync)
