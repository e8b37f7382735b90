"""The Socket.IO events that clients send."""

import time
from typing import Any

import orjson

from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection
from chatcluster_presence.live import Live
from chatcluster_presence.models import Activity, Setting, Typing, Unwatch, Watch
from chatcluster_presence.service import People
from chatcluster_presence.typists import Typists


def register(live: Live, people: People, typists: Typists) -> None:
    """Answer the client events of the contract."""

    async def choose(connection: Connection, event: Setting) -> dict[str, Any]:
        live.devices.used(connection.sid, time.monotonic())
        me = await people.choose(connection.user_id, event)
        return me.model_dump(mode="json")

    async def activity(connection: Connection, event: Activity) -> dict[str, Any]:
        live.devices.used(connection.sid, time.monotonic(), active=event.active)
        return {}

    async def watch(connection: Connection, event: Watch) -> dict[str, Any]:
        if event.batched is not None:
            live.devices[connection.sid].batched = event.batched
        items = await live.watching.watch(connection, event.user_ids)
        return {"items": [orjson.Fragment(presence.model_dump_json()) for presence in items]}

    async def unwatch(connection: Connection, event: Unwatch) -> dict[str, Any]:
        await live.watching.unwatch(connection, event.user_ids)
        return {}

    async def start(connection: Connection, event: Typing) -> dict[str, Any]:
        await typists.typing(connection, event.conversation_id, started=True)
        return {}

    async def stop(connection: Connection, event: Typing) -> dict[str, Any]:
        await typists.typing(connection, event.conversation_id, started=False)
        return {}

    live.sockets.event("presence:set", Setting, choose, scope=Scope.PRESENCE_WRITE)
    live.sockets.event("presence:activity", Activity, activity, scope=Scope.PRESENCE_WRITE)
    live.sockets.event("presence:subscribe", Watch, watch)
    live.sockets.event("presence:unsubscribe", Unwatch, unwatch)
    live.sockets.event("typing:start", Typing, start, scope=Scope.PRESENCE_WRITE)
    live.sockets.event("typing:stop", Typing, stop, scope=Scope.PRESENCE_WRITE)
