"""From changes to the sockets that watch: lossy, coalesced, and only for those who asked.

A change of somebody's presence is announced without saying what it is. Each process that has somebody watching reads
how the person appears now, at most four times a second, and tells its sockets what differs from what they were told. So
the order of announcements does not matter, and a lost one is made up for by the next look.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import orjson
from prometheus_client import Counter, Histogram
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chatcluster_common import errors, logs
from chatcluster_common.ids import new_id
from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection, Frame, Publisher, RealtimeServer
from chatcluster_presence.models import Presence
from chatcluster_presence.settings import PresenceSettings
from chatcluster_presence.state import differs
from chatcluster_presence.store import Store
from chatcluster_presence.typing_view import TypingView

log = logs.get_logger(__name__)

CHANGES = Counter("chat_presence_changes_total", "Changes told to sockets, by kind.", ["kind"])
DELAY_SECONDS = Histogram(
    "chat_presence_delay_seconds",
    "Time from a change's announcement to its being told.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
CLEANED = Counter("chat_presence_processes_cleaned_total", "Dead processes cleaned up after.")

PERSON = "presence:user:"
INBOX = "presence:inbox:"
_TICK_SECONDS = 0.25
_BATCH = 200
_MAX_CHANGED = 50_000


def person_channel(user_id: str) -> str:
    """Followed by the processes that have somebody watching the person."""
    return PERSON + user_id


def inbox_channel(user_id: str) -> str:
    """Followed by the processes that have a device of the person."""
    return INBOX + user_id


class Live:
    """The sockets of this process, what they watch, and the process's own sign of life. Run it with `async with`."""

    def __init__(self, redis: Redis, publisher: Publisher, settings: PresenceSettings) -> None:
        self.process = new_id()
        self.store = Store(redis, self.process, settings.dead_after_seconds)
        self._publisher = publisher
        self._settings = settings
        self._told: dict[str, Presence] = {}
        self._changed: dict[str, float] = {}
        self._typing: dict[str, TypingView] = {}
        self._leaving = False
        self._tasks: list[asyncio.Task[None]] = []
        self.sockets = RealtimeServer(
            "presence",
            redis,
            path="/presence/socket.io",
            on_frame=self._on_frame,
            on_resubscribed=self._on_resubscribed,
            on_connect=self._on_connect,
            on_disconnect=self._on_disconnect,
            on_idle=self._on_idle,
            scope=Scope.PRESENCE_READ,
            away=(RedisError,),
        )

    async def __aenter__(self) -> "Live":
        await self.store.heartbeat()
        await self.sockets.channels.__aenter__()
        self._tasks = [
            asyncio.create_task(self._repeat(_TICK_SECONDS, self._tick)),
            asyncio.create_task(self._repeat(self._settings.heartbeat_seconds, self._beat)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sockets.channels.__aexit__()

    async def drain(self, seconds: float) -> None:
        """Close the sockets, but leave their people online: they are about to connect elsewhere.

        Who does not is offline once this process has been silent for as long as a dead one.
        """
        self._leaving = True
        await self.sockets.drain(seconds)

    def announce(self, user_id: str) -> None:
        """Something about the person's presence may have changed."""
        self._publisher.offer(person_channel(user_id), Frame("presence:changed", b"null", {"user": user_id}))

    async def watch(self, connection: Connection, user_ids: list[str]) -> list[Presence]:
        """Tell a socket of these people's changes from now on; returns how they appear now."""
        watched = {r for r in self.sockets.manager.rooms_of(connection.sid) if r.startswith(PERSON)}
        rooms = [person_channel(user_id) for user_id in user_ids]
        if len(watched | set(rooms)) > self._settings.max_watched:
            raise errors.conflict(
                "too_many_watched", f"A socket watches at most {self._settings.max_watched} people: unsubscribe some."
            )
        await self.sockets.join(connection, *rooms)
        presences = await self.store.presences(user_ids)
        for presence in presences:
            self._told.setdefault(presence.user_id, presence)
            # Others may have been told something older: the next tick sees to it.
            if differs(self._told[presence.user_id], presence):
                self._mark(presence.user_id)
        return presences

    async def unwatch(self, connection: Connection, user_ids: list[str]) -> None:
        """Tell a socket no more of these people."""
        await self.sockets.leave(connection, *map(person_channel, user_ids))

    def tell_typing(self, user_ids: list[str], conversation_id: str, typist: str, *, typing: bool) -> None:
        """Let these people's devices know that `typist` types, or no longer does."""
        frame = Frame("typing:changed", b"null", {"in": conversation_id, "who": typist, "typing": typing})
        for user_id in user_ids:
            self._publisher.offer(inbox_channel(user_id), frame)

    # Connections

    async def _on_connect(self, connection: Connection) -> None:
        await self.sockets.join(connection, inbox_channel(connection.user_id))
        await self.store.add(connection.user_id, connection.sid)
        self.announce(connection.user_id)

    async def _on_disconnect(self, connection: Connection) -> None:
        if self._leaving:
            return
        await self.store.remove(connection.user_id, connection.sid)
        self.announce(connection.user_id)

    def _on_idle(self, channel: str) -> None:
        if channel.startswith(PERSON):
            self._told.pop(channel.removeprefix(PERSON), None)
        else:
            self._typing.pop(channel.removeprefix(INBOX), None)

    # Frames

    def _on_frame(self, channel: str, frame: Frame) -> None:
        if channel.startswith(PERSON):
            self._mark(channel.removeprefix(PERSON))
            return
        user_id = channel.removeprefix(INBOX)
        conversation_id: str = frame.meta["in"]
        view = self._typing.setdefault(user_id, TypingView())
        if frame.meta["typing"]:
            news = view.started(conversation_id, frame.meta["who"], time.monotonic())
        else:
            news = view.stopped(conversation_id, frame.meta["who"])
        if news:
            self._show_typing(user_id, conversation_id, view)

    def _show_typing(self, user_id: str, conversation_id: str, view: TypingView) -> None:
        data = {"conversation_id": conversation_id, "user_ids": view.typing(conversation_id)}
        self.sockets.deliver(inbox_channel(user_id), Frame("typing:changed", orjson.dumps(data)))
        CHANGES.labels("typing").inc()
        if not view:
            self._typing.pop(user_id, None)

    def _mark(self, user_id: str) -> None:
        if len(self._changed) < _MAX_CHANGED:
            self._changed.setdefault(user_id, time.monotonic())

    async def _on_resubscribed(self) -> None:
        for channel in list(self.sockets.channels.active):
            if channel.startswith(PERSON):
                self._mark(channel.removeprefix(PERSON))

    # Now and then

    async def _repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("redis does not answer; tried again", error=type(error).__name__)
            except Exception:
                log.exception("periodic work failed; tried again")

    async def _tick(self) -> None:
        now = time.monotonic()
        for user_id, view in list(self._typing.items()):
            for conversation_id in list(view.expire(now)):
                self._show_typing(user_id, conversation_id, view)
        while self._changed:
            batch = dict(list(self._changed.items())[:_BATCH])
            presences = await self.store.presences(list(batch))
            for presence in presences:
                announced = self._changed.pop(presence.user_id, now)
                self._tell(presence, announced)

    def _tell(self, presence: Presence, announced: float) -> None:
        room = person_channel(presence.user_id)
        if not self.sockets.manager.members(room) or not differs(self._told.get(presence.user_id), presence):
            return
        self._told[presence.user_id] = presence
        self.sockets.deliver(room, Frame("presence:changed", presence.model_dump_json().encode()))
        CHANGES.labels("presence").inc()
        DELAY_SECONDS.observe(max(time.monotonic() - announced, 0))

    async def _beat(self) -> None:
        if self._leaving:
            return
        if not await self.store.heartbeat():
            await self._add_again()
        for process in await self.store.dead_processes():
            people = await self.store.clean_up(process)
            CLEANED.inc()
            log.info("cleaned up after a process", process=process, people=len(people))
            for user_id in people:
                self.announce(user_id)
        await asyncio.sleep(random.uniform(0, 0.2))  # noqa: S311 replicas started together drift apart

    async def _add_again(self) -> None:
        """Redis has lost its data, or took this process for dead: say again who is connected here."""
        connections = self.sockets.connections()
        log.warning("connections are added again", connections=len(connections))
        for connection in connections:
            await self.store.add(connection.user_id, connection.sid)
            self.announce(connection.user_id)
