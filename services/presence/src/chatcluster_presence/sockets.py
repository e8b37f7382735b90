"""The Socket.IO events that clients send."""

from typing import Any

from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection
from chatcluster_presence.live import Live
from chatcluster_presence.models import SetStatus, Typing, Watch
from chatcluster_presence.service import People


def register(live: Live, people: People) -> None:
    """Answer the client events of the contract."""

    async def choose(connection: Connection, event: SetStatus) -> dict[str, Any]:
        await people.choose(connection, event.status)
        return {"status": event.status}

    async def watch(connection: Connection, event: Watch) -> dict[str, Any]:
        items = await live.watch(connection, event.user_ids)
        return {"items": [presence.model_dump(mode="json") for presence in items]}

    async def unwatch(connection: Connection, event: Watch) -> dict[str, Any]:
        await live.unwatch(connection, event.user_ids)
        return {}

    async def start(connection: Connection, event: Typing) -> dict[str, Any]:
        await people.typing(connection, event.conversation_id, started=True)
        return {}

    async def stop(connection: Connection, event: Typing) -> dict[str, Any]:
        await people.typing(connection, event.conversation_id, started=False)
        return {}

    live.sockets.event("presence:set", SetStatus, choose, scope=Scope.PRESENCE_WRITE)
    live.sockets.event("presence:subscribe", Watch, watch)
    live.sockets.event("presence:unsubscribe", Watch, unwatch)
    live.sockets.event("typing:start", Typing, start, scope=Scope.PRESENCE_WRITE)
    live.sockets.event("typing:stop", Typing, stop, scope=Scope.PRESENCE_WRITE)
