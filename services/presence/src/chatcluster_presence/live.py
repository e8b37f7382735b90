"""The sockets of one process, its own sign of life, and what it does now and then."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import orjson
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chatcluster_common import errors, logs, tasks
from chatcluster_common.ids import new_id
from chatcluster_common.permissions import Scope
from chatcluster_common.realtime import Connection, Frame, Publisher, RealtimeServer
from chatcluster_common.signals import Signals
from chatcluster_presence.devices import Devices
from chatcluster_presence.models import Me
from chatcluster_presence.settings import PresenceSettings
from chatcluster_presence.state import Choice
from chatcluster_presence.store import BATCH, Store
from chatcluster_presence.typing_view import TypingView
from chatcluster_presence.visibility import Visibility
from chatcluster_presence.watching import CHANGES, PERSON, Watching, person_channel

log = logs.get_logger(__name__)

CLEANED = Counter("chat_presence_processes_cleaned_total", "Dead processes cleaned up after.")

INBOX = "presence:inbox:"
_LOOK_SECONDS = 0.25
_MAX_PAUSE_SECONDS = 2.0


def inbox_channel(user_id: str) -> str:
    """Followed by the processes that have a device of the person."""
    return INBOX + user_id


class Live:
    """Run it with `async with`."""

    def __init__(self, redis: Redis, publisher: Publisher, visibility: Visibility, settings: PresenceSettings) -> None:
        self.process = new_id()
        self.store = Store(redis, self.process, settings.dead_after_seconds)
        self.devices = Devices(idle_after=settings.idle_after_seconds, grace=settings.leave_grace_seconds)
        self._publisher = publisher
        self._settings = settings
        self._choices: dict[str, Choice] = {}
        """What people with a device here chose, for a Redis that has lost its data: who is invisible stays so."""
        self._typing: dict[str, TypingView] = {}
        self._leaving = False
        self._unknown = False
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
        self.watching = Watching(self.sockets, self.store, self.devices, visibility, settings.max_watched)

    async def __aenter__(self) -> "Live":
        await self.store.heartbeat()
        await self.sockets.channels.__aenter__()
        self._tasks = [
            asyncio.create_task(self._repeat(seconds, work))
            for seconds, work in (
                (_LOOK_SECONDS, self._look),
                (_LOOK_SECONDS, self.watching.review),
                (self._settings.heartbeat_seconds, self._beat),
            )
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end(self._tasks)
        await self.sockets.channels.__aexit__()

    async def drain(self, seconds: float) -> None:
        """Close the sockets, but leave their people online: they are about to connect elsewhere.

        Who does not is offline once this process has been silent for as long as a dead one.
        """
        self._leaving = True
        await self.sockets.drain(seconds)

    def follow(self, signals: Signals) -> None:
        """Act on sessions that are over, and on blocks, contacts and settings that changed."""
        self.sockets.follow(signals)
        signals.on("user_changed", lambda fields: self.watching.privacy_changed(fields["user_id"]))
        signals.on(
            "relations_changed", lambda fields: self.watching.relation_changed(fields["user_id"], fields["other_id"])
        )

    def announce(self, user_id: str) -> None:
        """Something about the person's presence may have changed."""
        self._publisher.offer(person_channel(user_id), Frame("presence:changed", b"null"))

    def tell_own_devices(self, me: Me) -> None:
        """Let a person's devices know what they chose on one of them."""
        self._publisher.offer(inbox_channel(me.user_id), Frame("presence:me", me.model_dump_json().encode()))

    def tell_typing(self, user_ids: list[str], conversation_id: str, typist: str, *, typing: bool) -> None:
        """Let these people's devices know that `typist` types, or no longer does."""
        frame = Frame("typing:changed", b"null", {"in": conversation_id, "who": typist, "typing": typing})
        for user_id in user_ids:
            self._publisher.offer(inbox_channel(user_id), frame)

    # Connections

    async def _on_connect(self, connection: Connection) -> None:
        self.devices.opened(connection.sid, connection.user_id, time.monotonic())
        try:
            await self.sockets.join(connection, inbox_channel(connection.user_id))
            self._chose(connection.user_id, await self.store.add(connection.user_id, connection.sid))
        except BaseException:
            self._gone(connection)  # the store may have heard of it
            raise
        self.announce(connection.user_id)

    async def _on_disconnect(self, connection: Connection) -> None:
        self._gone(connection)

    def _gone(self, connection: Connection) -> None:
        self.watching.closed(connection.sid)
        self.devices.closed(connection.sid, time.monotonic())
        if not self.devices.of(connection.user_id):
            self._choices.pop(connection.user_id, None)

    def _chose(self, user_id: str, choice: Choice) -> None:
        if choice == Choice() or not self.devices.of(user_id):
            self._choices.pop(user_id, None)
        else:
            self._choices[user_id] = choice

    def _on_idle(self, channel: str) -> None:
        if channel.startswith(PERSON):
            self.watching.unwatched(channel.removeprefix(PERSON))
        else:
            self._typing.pop(channel.removeprefix(INBOX), None)

    # Frames

    def _on_frame(self, channel: str, frame: Frame) -> None:
        if channel.startswith(PERSON):
            self.watching.changed(channel.removeprefix(PERSON))
        elif frame.event == "presence:me":
            me = Me.model_validate_json(frame.body)
            until = None if me.expires_at is None else me.expires_at.timestamp()
            self._chose(me.user_id, Choice(me.status, me.text, me.emoji, until))
            self.sockets.deliver(channel, frame)
        else:
            self._on_typing(channel.removeprefix(INBOX), frame)

    def _on_typing(self, user_id: str, frame: Frame) -> None:
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

    async def _on_resubscribed(self) -> None:
        self.watching.all_changed()

    # Now and then

    async def _repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Never busy for more than half of the time; less often while it fails."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await work()
                failures = 0
            except (RedisError, OSError, TimeoutError, errors.Problem) as error:
                failures += 1
                log.warning("a part of the platform does not answer; tried again", error=type(error).__name__)
            except Exception:
                failures += 1
                log.exception("periodic work failed; tried again")
            pause = min(seconds * 2**failures, max(_MAX_PAUSE_SECONDS, seconds))
            # Replicas started together drift apart.
            await asyncio.sleep(max(pause * random.uniform(0.9, 1.1), time.monotonic() - began))  # noqa: S311

    async def _look(self) -> None:
        now = time.monotonic()
        for user_id, view in list(self._typing.items()):
            for conversation_id in list(view.expire(now)):
                self._show_typing(user_id, conversation_id, view)
        try:
            await self._write_marks()
        finally:
            await self.watching.look()

    async def _write_marks(self) -> None:
        """Tell the store which devices came to rest, are used again or have gone."""
        if self._leaving:
            return
        while writes := self.devices.take(time.monotonic(), BATCH):
            people = {write.user_id for write in writes.values()}
            try:
                await self.store.write(writes, [user_id for user_id in people if self.devices.of(user_id)])
            except BaseException:
                self.devices.give_back(writes)
                raise
            for user_id in people:
                self.announce(user_id)

    async def _beat(self) -> None:
        if self._leaving:
            return
        if not await self.store.heartbeat():
            self._unknown = True
        if self._unknown:
            # Redis has lost its data, or took this process for dead: say again who is connected here.
            log.warning("connections are added again", connections=len(self.sockets.connections()))
            await self.store.restore(self._choices)
            self.devices.again(time.monotonic())
            self._unknown = False
        self.devices.rest(time.monotonic())
        if ended := await self.store.ended_choices():
            for user_id in ended:
                self.announce(user_id)
            await self.store.announced_end(ended)
        for process in await self.store.dead_processes():
            people = 0
            async for some in self.store.clean_up(process):
                people += len(some)
                for user_id in some:
                    self.announce(user_id)
            CLEANED.inc()
            log.info("cleaned up after a process", process=process, people=people)
