"""Rooms of one process, each a Redis channel: subscribed to while the process has a member, and not a moment longer.

The stock managers send every emit to every process, and look through all rooms when a socket leaves. This one keeps the
rooms of each socket, and asks only for the channels that somebody here is in.
"""

# python-socketio has no type annotations:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportIncompatibleMethodOverride=false

from collections.abc import Callable, Collection
from typing import Any

import socketio

from chatcluster_common.realtime.channels import Channels
from chatcluster_common.realtime.engine import Engine
from chatcluster_common.realtime.frames import Frame
from chatcluster_common.realtime.session import Session


class ChannelManager(socketio.AsyncManager):
    """A room's name is its channel's name."""

    server: Any

    def __init__(self, channels: Channels, *, on_idle: Callable[[str], None]) -> None:
        super().__init__()
        self._channels = channels
        self._on_idle = on_idle
        self._members: dict[str, dict[str, Session]] = {}
        self._joined: dict[str, set[str]] = {}

    async def connect(self, sid: str, namespace: str) -> str:
        """Called by the server once the client was told that it is connected: from here on it is sent frames."""
        connected = str(await super().connect(sid, namespace))
        if session := self.session(connected):
            session.joined = True
        return connected

    async def join(self, sid: str, rooms: Collection[str]) -> None:
        """Put a socket into rooms; returns when their channels are active. Raises `ChannelsUnavailableError`."""
        session = self.session(sid)
        if session is None:
            return  # it went away meanwhile
        joined = self._joined.setdefault(sid, set())
        for room in rooms:
            self._members.setdefault(room, {})[sid] = session
            joined.add(room)
        await self._channels.subscribe(rooms)

    async def leave(self, sid: str, rooms: Collection[str]) -> None:
        """Take a socket out of rooms."""
        idle: list[str] = []
        for room in rooms:
            members = self._members.get(room)
            if members is None or members.pop(sid, None) is None:
                continue
            self._joined[sid].discard(room)
            if not members:
                del self._members[room]
                self._on_idle(room)
                idle.append(room)
        await self._channels.unsubscribe(idle)

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Called by the server when a socket is gone."""
        self.basic_disconnect(sid, namespace, **kwargs)
        await self.leave(sid, list(self._joined.get(sid, ())))
        self._joined.pop(sid, None)

    def basic_disconnect(self, sid: str, namespace: str, **_kwargs: Any) -> None:
        """The base's bookkeeping without its search through every room: a socket is in two of the base's rooms."""
        self.basic_leave_room(sid, namespace, sid)
        self.basic_leave_room(sid, namespace, None)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]

    def session(self, sid: str) -> Session | None:
        """The session that a socket lives in."""
        engine: Engine = self.server.eio
        return engine.sessions.get(str(self.eio_sid_from_sid(sid, "/")))

    def members(self, room: str) -> list[str]:
        """The sockets of a room in this process."""
        return list(self._members.get(room, ()))

    def rooms_of(self, sid: str) -> set[str]:
        """The rooms that a socket is in."""
        return set(self._joined.get(sid, ()))

    def deliver(self, room: str, frame: Frame) -> int:
        """Queue a frame for each connected socket of a room, encoded once; returns how many took it."""
        members = self._members.get(room)
        if not members:
            return 0
        packet = frame.packet
        return sum(1 for session in members.values() if session.joined and session.offer(packet))
