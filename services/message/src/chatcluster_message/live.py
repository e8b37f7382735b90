"""From the channels to the sockets of this process: each conversation in order, nothing twice, nothing left out.

Redis forgets what nobody heard, and two processes may publish in another order than they stored. As `seq` is dense,
both show: a frame that comes too early is held for a moment, and what does not arrive by itself is read from the store.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
from prometheus_client import Counter, Histogram
from pymongo.errors import PyMongoError
from redis.asyncio import Redis

from chatcluster_common import logs, tasks
from chatcluster_common.errors import Problem
from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection, Frame, RealtimeServer
from chatcluster_common.recent import Recent
from chatcluster_message import channels
from chatcluster_message.models import Conversation, Message
from chatcluster_message.people import People
from chatcluster_message.sequence import Turns
from chatcluster_message.store import Store

log = logs.get_logger(__name__)

FANOUT_SECONDS = Histogram(
    "chat_message_fanout_seconds",
    "Age of a message when it was queued for the sockets of a process.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
FILLED = Counter("chat_message_filled_total", "Messages read from the store because their frame was missing or late.")

_PATIENCE_SECONDS = 0.05
_ATTEMPTS = 8
_PAGE = 200
_MAX_HELD = 1000
_MAX_WAITING = 10_000
_PARALLEL_READS = 8


@dataclass
class Room:
    """A conversation that somebody here is connected to."""

    last: int
    """Everything up to this `seq` was delivered, or was stored before the first member here connected."""
    held: dict[int, Frame] = field(default_factory=dict[int, Frame])
    filling: asyncio.Task[None] | None = None


class Live:
    """The sockets of this process and what they hear. Run it with `async with`."""

    def __init__(
        self, redis: Redis, store: Store, people: People, turns: Turns, recent: Recent[str, Conversation]
    ) -> None:
        self._store = store
        self._people = people
        self._turns = turns
        self._recent = recent
        self._rooms: dict[str, Room] = {}
        self._changes: asyncio.Queue[tuple[str, Frame]] = asyncio.Queue(_MAX_WAITING)
        self._receipts: asyncio.Queue[tuple[str, Frame]] = asyncio.Queue(_MAX_WAITING)
        self._reads = asyncio.Semaphore(_PARALLEL_READS)
        self._following: list[asyncio.Task[None]] = []
        self.sockets = RealtimeServer(
            "message",
            redis,
            path="/socket.io",
            on_frame=self._on_frame,
            on_resubscribed=self._on_resubscribed,
            on_connect=self._on_connect,
            on_disconnect=self._on_disconnect,
            on_idle=self._on_idle,
            scope=Scope.MESSAGES_READ,
            away=(PyMongoError,),
        )

    async def __aenter__(self) -> "Live":
        await self.sockets.channels.__aenter__()
        self._following = [
            asyncio.create_task(self._follow_changes()),
            asyncio.create_task(self._follow_receipts()),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        filling = [room.filling for room in self._rooms.values() if room.filling]
        await tasks.end([*filling, *self._following])
        await self.sockets.channels.__aexit__()

    async def _on_connect(self, connection: Connection) -> None:
        # First what tells of new conversations, then those there are: nothing falls between the two.
        await self.sockets.join(connection, channels.user_channel(connection.user_id))
        await self._follow(connection, await self._store.conversations.rooms_of(connection.user_id))

    async def _on_disconnect(self, connection: Connection) -> None:
        """The server takes it out of its rooms."""

    def _on_idle(self, channel: str) -> None:
        room = self._rooms.pop(channel.removeprefix(channels.CONVERSATION), None)
        if room and room.filling:
            room.filling.cancel()

    async def _follow(self, connection: Connection, conversations: dict[str, int]) -> None:
        for conversation_id, last_seq in conversations.items():
            self._rooms.setdefault(conversation_id, Room(last_seq))
        await self.sockets.join(connection, *map(channels.conversation_channel, conversations))

    # Frames

    def _on_frame(self, channel: str, frame: Frame) -> None:
        if channel.startswith(channels.USER):
            if changed := frame.meta.get("join") or frame.meta.get("leave"):
                self._recent.forget(changed)
            self._queue_change(channel, frame)
            return
        conversation_id = channel.removeprefix(channels.CONVERSATION)
        room = self._rooms.get(conversation_id)
        if room is None:
            return
        seq: int | None = frame.meta.get("seq")
        if seq is None:
            self._on_unnumbered(channel, conversation_id, frame)
            return
        self._turns.saw(conversation_id, seq)
        if seq <= room.last:
            return
        if len(room.held) < _MAX_HELD:
            room.held[seq] = frame
        self._release(conversation_id, room)
        if room.held and room.filling is None:
            self._fill(conversation_id, room, _PATIENCE_SECONDS)

    def _on_unnumbered(self, channel: str, conversation_id: str, frame: Frame) -> None:
        if "reader" in frame.meta:
            with suppress(asyncio.QueueFull):  # the mark is in the store; clients ask for the marks they show
                self._receipts.put_nowait((channel, frame))
            return
        if frame.event == "conversation:changed":
            self._recent.forget(conversation_id)
            self._queue_change(channel, frame)
        else:
            self.sockets.deliver(channel, frame)

    def _queue_change(self, channel: str, frame: Frame) -> None:
        try:
            self._changes.put_nowait((channel, frame))
        except asyncio.QueueFull:
            log.error("a change of a conversation was dropped: too many wait", channel=channel)

    def _release(self, conversation_id: str, room: Room) -> None:
        """Deliver what is held, as far as it is next."""
        while (frame := room.held.pop(room.last + 1, None)) is not None:
            self._deliver(conversation_id, room, room.last + 1, frame)
        for seq in [seq for seq in room.held if seq <= room.last]:
            del room.held[seq]

    def _deliver(self, conversation_id: str, room: Room, seq: int, frame: Frame) -> None:
        room.last = seq
        if self.sockets.deliver(channels.conversation_channel(conversation_id), frame):
            FANOUT_SECONDS.observe(max(time.time() - frame.meta["at"], 0))

    # Gaps

    def _fill(self, conversation_id: str, room: Room, patience: float) -> None:
        async def fill() -> None:
            try:
                await self._read_missing(conversation_id, room, patience)
            finally:
                room.filling = None

        room.filling = asyncio.create_task(fill())

    async def _read_missing(self, conversation_id: str, room: Room, patience: float) -> None:
        """Wait, then read and deliver what is newer than the last delivered, until nothing is held back."""
        for attempt in range(_ATTEMPTS):
            await asyncio.sleep(patience * 2**attempt)
            self._release(conversation_id, room)
            if patience and not room.held:
                return
            try:
                async with self._reads:
                    await self._read_on(conversation_id, room)
            except (PyMongoError, TimeoutError) as error:
                log.warning("missing messages could not be read", error=type(error).__name__, attempt=attempt)
                patience = patience or _PATIENCE_SECONDS
                continue
            self._release(conversation_id, room)
            if not room.held:
                return
            patience = patience or _PATIENCE_SECONDS
        # Clients see the gap and fetch it.
        log.error("messages are delivered with a gap", conversation_id=conversation_id, messages=len(room.held))
        for seq in sorted(room.held):
            self._deliver(conversation_id, room, seq, room.held.pop(seq))

    async def _read_on(self, conversation_id: str, room: Room) -> None:
        while messages := await self._store.messages.after(conversation_id, room.last, _PAGE):
            FILLED.inc(len(messages))
            self._deliver_stored(conversation_id, room, messages)
            if len(messages) < _PAGE:
                return

    def _deliver_stored(self, conversation_id: str, room: Room, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.seq == room.last + 1:
                room.held.pop(message.seq, None)
                self._deliver(conversation_id, room, message.seq, channels.message_new(message))

    async def _on_resubscribed(self) -> None:
        """Redis was away: read what every room missed, then see whether people joined or left something."""
        rooms = list(self._rooms.items())
        for conversation_id, room in rooms:
            if room.filling is None:
                self._fill(conversation_id, room, 0.0)
        filling = [room.filling for _, room in rooms if room.filling]
        if filling:
            await asyncio.wait(filling)
        for user_id in {connection.user_id for connection in self.sockets.connections()}:
            await self._compare(user_id)
        for connection in self.sockets.connections():
            await self.sockets.emit(connection, "server:resync", {})

    async def _compare(self, user_id: str) -> None:
        conversations = await self._store.conversations.rooms_of(user_id)
        wanted = {channels.conversation_channel(c) for c in conversations}
        for connection in self._connections_of(user_id):
            has = {r for r in self.sockets.manager.rooms_of(connection.sid) if r.startswith(channels.CONVERSATION)}
            await self._follow(connection, conversations)
            await self.sockets.leave(connection, *(has - wanted))

    # Membership

    def _connections_of(self, user_id: str) -> list[Connection]:
        sids = self.sockets.manager.members(channels.user_channel(user_id))
        return [connection for sid in sids if (connection := self.sockets.connection(sid))]

    async def _follow_changes(self) -> None:
        while True:
            channel, frame = await self._changes.get()
            try:
                if channel.startswith(channels.USER):
                    await self._change(channel.removeprefix(channels.USER), frame)
                for user_id in frame.meta.get("gone", ()):
                    await self._leave(user_id, channel)
            except Exception:
                log.exception("a change of membership could not be followed")
            self.sockets.deliver(channel, frame)

    async def _change(self, user_id: str, frame: Frame) -> None:
        if conversation_id := frame.meta.get("join"):
            known = conversation_id in self._rooms
            for connection in self._connections_of(user_id):
                await self._follow(connection, {conversation_id: frame.meta["last_seq"]})
            room = self._rooms.get(conversation_id)
            if room and not known and room.filling is None:
                # What was sent before this process listened.
                self._fill(conversation_id, room, 0.0)
        elif conversation_id := frame.meta.get("leave"):
            await self._leave(user_id, channels.conversation_channel(conversation_id))

    async def _leave(self, user_id: str, channel: str) -> None:
        for connection in self._connections_of(user_id):
            await self.sockets.leave(connection, channel)

    # Read marks

    async def _follow_receipts(self) -> None:
        while True:
            channel, frame = await self._receipts.get()
            try:
                await self._show_receipt(channel, frame)
            except Exception:
                log.exception("a read mark could not be told")

    async def _show_receipt(self, channel: str, frame: Frame) -> None:
        """To the reader's own devices, and to whom it may be shown: both sides show theirs."""
        reader: str = frame.meta["reader"]
        sids = self.sockets.manager.members(channel)
        here = [connection for sid in sids if (connection := self.sockets.connection(sid))]
        people = {connection.user_id for connection in here}
        try:
            hiding = await self._people.hiding(people | {reader})
        except Problem:
            hiding = people | {reader}  # not known now: then not shown
        if not hiding:
            self.sockets.deliver(channel, frame)
            return
        data = orjson.loads(frame.body)
        for connection in here:
            if connection.user_id == reader or not {connection.user_id, reader} & hiding:
                await self.sockets.emit(connection, frame.event, data)
