"""From the store to everybody: what was stored is published live (Redis) and as an event (Kafka), at least once.

A message carries its outbox mark in its own document, so that there is no moment in which one exists without the other;
so does a change of a message. The process that wrote it publishes it at once. Should that fail, or the process die
first, the mark comes due two seconds later and any process takes over. What follows from a message (the words it is
found by, the badge of who is mentioned, the count of a thread) is written before the mark is taken off: it may be late,
it is never left out.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge
from pymongo.errors import PyMongoError

from chatcluster_common import logs, tasks
from chatcluster_common.clock import utc_now
from chatcluster_common.errors import Problem
from chatcluster_common.events import (
    MESSAGES_TOPIC,
    EventConversation,
    EventMessage,
    EventProducer,
    EventsUnavailableError,
    MessageCreated,
)
from chatcluster_common.realtime import ChannelsUnavailableError, Frame, Publisher
from chatcluster_message import channels
from chatcluster_message.files import Files
from chatcluster_message.models import Conversation, Message
from chatcluster_message.store import Store

log = logs.get_logger(__name__)

CHANGES = Counter("chat_message_changes_told_total", "Changes of messages told, by path.", ["path"])
PENDING = Gauge("chat_message_outbox_pending", "Stored messages whose event is not published yet, up to 10,000.")
LAG_SECONDS = Gauge("chat_message_outbox_lag_seconds", "Age of the oldest message that is overdue; 0 when none is.")
RELAYED = Counter("chat_message_outbox_relayed_total", "Messages published, by path: at once, or taken over.", ["path"])

DUE_AFTER = timedelta(seconds=2)
"""When a message that its own process has not published becomes everybody's."""

_LEASE = timedelta(seconds=15)
_FLUSH_SECONDS = 0.4
_NOTE_EVERY = 5
"""Rounds of flushing between two notes of the newest `seq`: one write a busy conversation instead of one a message."""
_PATROL_SECONDS = 1.0
_BATCH = 200
_INDEX_BATCH = 20
_MAX_IN_FLIGHT = 5000
_COUNT_EVERY = 5
_STOP_SECONDS = 3.0


class Relay:
    """Publishes stored messages. Run it with `async with`; leaving it waits a moment for what is in flight."""

    def __init__(self, store: Store, publisher: Publisher, events: EventProducer, files: Files) -> None:
        self._store = store
        self._publisher = publisher
        self._events = events
        self._files = files
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self._unindexed: dict[str, Message] = {}
        self._published: OrderedDict[str, None] = OrderedDict()
        self._told: OrderedDict[str, Message] = OrderedDict()
        self._newest: dict[str, tuple[int, datetime]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Relay":
        self._tasks = [asyncio.create_task(self._flush_always()), asyncio.create_task(self._patrol_always())]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._in_flight:
            await asyncio.wait(list(self._in_flight.values()), timeout=_STOP_SECONDS)
        await tasks.end([*self._tasks, *self._in_flight.values()])
        with suppress(PyMongoError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._flush()

    def hand_over(self, message: Message, conversation: Conversation) -> None:
        """Publish a message that was stored this moment. Calls in order of `seq` are published live in that order."""
        live = self._publisher.offer(channels.conversation_channel(conversation.id), channels.message_new(message))
        self._note(message)
        self._run(message.id, self._finish(message, conversation, live, "direct"))

    def tell(self, message: Message, frame: Frame) -> None:
        """Tell of a message that was changed this moment."""
        live = self._publisher.offer(channels.conversation_channel(message.conversation_id), frame)
        if message.id in self._unindexed:
            self._unindexed[message.id] = message
        self._run(_change_id(message), self._finish_change(message, live, "direct"))

    def _run(self, name: str, work: Coroutine[None, None, None]) -> None:
        if len(self._in_flight) >= _MAX_IN_FLIGHT:
            work.close()  # Kafka is away: the mark in the store will do
            return
        task = asyncio.create_task(work)
        self._in_flight[name] = task
        task.add_done_callback(lambda _: self._in_flight.pop(name, None))

    async def _finish(
        self, message: Message, conversation: Conversation, live: "asyncio.Future[None]", path: str
    ) -> None:
        try:
            await live
            self._unindexed[message.id] = message
            followers = await self._count_reply(message) if message.thread_root else []
            event = _event(message, conversation, followers)
            await self._events.publish(MESSAGES_TOPIC, key=conversation.id, value=event)
        except _AWAY as error:
            log.info("message not published yet", message_id=message.id, reason=type(error).__name__, path=path)
            return
        self._published[message.id] = None
        RELAYED.labels(path).inc()

    async def _count_reply(self, reply: Message) -> list[str]:
        """Note a reply at the root of its thread; returns who follows the thread."""
        assert reply.thread_root  # noqa: S101 asked by the caller
        root = await self._store.messages.count_reply(reply, utc_now())
        if root is not None:
            self.tell(root, channels.message_changed(root))
        else:
            root = await self._store.messages.get(reply.thread_root)
        return await self._store.messages.followers(root) if root else []

    async def _finish_change(self, message: Message, live: "asyncio.Future[None]", path: str) -> None:
        try:
            await live
            if message.edited_at or message.deleted_at:
                await self._follow_up(message)
        except _AWAY as error:
            log.info("a change is not told yet", message_id=message.id, reason=type(error).__name__, path=path)
            return
        self._told[_change_id(message)] = message
        CHANGES.labels(path).inc()

    async def _follow_up(self, message: Message) -> None:
        """Bring along what was derived from a text that is another now, or gone."""
        # As it is now: of two changes at the same moment the earlier one may come last to this place.
        left = await self._store.messages.cleanup(message.id)
        if left is None:
            return
        await self._store.search.replace(left.message)
        await self._store.mentions.remove(message.id, left.unmentioned)
        await self._store.mentions.put([left.message])
        await self._files.release(message.id, left.files)

    def _note(self, message: Message) -> None:
        known = self._newest.get(message.conversation_id)
        if known is None or known[0] < message.seq:
            self._newest[message.conversation_id] = (message.seq, message.created_at)

    async def _flush_always(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            rounds += 1
            try:
                await self._mark_published()
                await self._mark_told()
                if rounds % _NOTE_EVERY == 0:
                    await self._note_newest()
            except (PyMongoError, TimeoutError) as error:
                log.warning("outbox marks not written; tried again", error=type(error).__name__)

    async def _flush(self) -> None:
        """Write everything that is new since the last time."""
        await self._mark_published()
        await self._mark_told()
        await self._note_newest()

    async def _note_newest(self) -> None:
        """Write the newest `seq` of the conversations written to. Readers look beyond it: it may lag."""
        newest, self._newest = self._newest, {}
        try:
            if newest:
                await self._store.conversations.raise_last_seq(newest)
        except BaseException:
            self._newest = newest | self._newest
            raise

    async def _index(self) -> None:
        """Let what was published live be found, and count for badges; few at a time, as sends wait for the store."""
        while self._unindexed:
            some = list(self._unindexed.values())[:_INDEX_BATCH]
            await self._store.search.put(some)
            await self._store.mentions.put(some)
            for message in some:
                self._unindexed.pop(message.id, None)

    async def _mark_published(self) -> None:
        """Take the outbox marks off what was published, once it is indexed too."""
        done = list(self._published)[: 5 * _BATCH]
        await self._index()
        if done:
            await self._store.messages.published(done)
            for message_id in done:
                self._published.pop(message_id, None)

    async def _mark_told(self) -> None:
        done = dict(list(self._told.items())[: 5 * _BATCH])
        if done:
            await self._store.messages.change_told(list(done.values()))
            for name in done:
                self._told.pop(name, None)

    async def _patrol_always(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(_PATROL_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311 jitter between replicas
            try:
                while await self._patrol():
                    pass
                while await self._patrol_changes():
                    pass
                if rounds % _COUNT_EVERY == 0:
                    PENDING.set(await self._store.messages.outbox_size(10_000))
            except (PyMongoError, TimeoutError) as error:
                log.warning("the outbox could not be read; tried again", error=type(error).__name__)
            except Exception:
                log.exception("the outbox patrol failed; tried again")
            rounds += 1

    async def _take_over(self, mark: str, own: Callable[[Message], bool]) -> tuple[list[Message], list[Message]]:
        """What is overdue and is now this process's; and all that is overdue."""
        found = await self._store.messages.due(mark, utc_now(), _BATCH)
        claimed = [
            message
            for message, due_at in found
            if not own(message) and await self._store.messages.claim(message.id, mark, due_at, _LEASE)
        ]
        if claimed:
            log.info("messages taken over", messages=len(claimed), mark=mark)
        return claimed, [message for message, _ in found]

    async def _patrol(self) -> bool:
        """Take over messages that are overdue; True when there may be more at once."""
        claimed, due = await self._take_over(
            "outbox_at", lambda message: message.id in self._in_flight or message.id in self._published
        )
        LAG_SECONDS.set((utc_now() - due[0].created_at).total_seconds() if due else 0)
        if not claimed:
            return False
        published = await self._publish_all(claimed)
        await self._flush()
        return published and len(due) == _BATCH

    async def _patrol_changes(self) -> bool:
        claimed, due = await self._take_over(
            "change_due", lambda message: _change_id(message) in self._in_flight or _change_id(message) in self._told
        )
        finishing = [
            self._finish_change(
                message,
                self._publisher.offer(
                    channels.conversation_channel(message.conversation_id), channels.message_changed(message)
                ),
                "taken_over",
            )
            for message in claimed
        ]
        await asyncio.gather(*finishing)
        await self._mark_told()
        return len(due) == _BATCH and bool(claimed)

    async def _publish_all(self, messages: Sequence[Message]) -> bool:
        conversations = await self._store.conversations.get_many(sorted({m.conversation_id for m in messages}))
        finishing: list[asyncio.Task[None]] = []
        for message in sorted(messages, key=lambda m: m.seq):
            conversation = conversations.get(message.conversation_id)
            if conversation is None:
                self._published[message.id] = None  # nobody is left to tell
                continue
            self._note(message)
            live = self._publisher.offer(channels.conversation_channel(conversation.id), channels.message_new(message))
            finishing.append(asyncio.create_task(self._finish(message, conversation, live, "taken_over")))
        await asyncio.gather(*finishing)
        return all(message.id in self._published for message in messages)


_AWAY = (ChannelsUnavailableError, EventsUnavailableError, PyMongoError, Problem, TimeoutError)
"""Something that is needed does not answer: the mark in the store stays."""


def _change_id(message: Message) -> str:
    return f"{message.id}:{message.revision}"


def _event(message: Message, conversation: Conversation, followers: Sequence[str]) -> bytes:
    members = set(conversation.member_ids)
    return MessageCreated(
        id=message.id,
        occurred_at=message.created_at,
        conversation=EventConversation(
            id=conversation.id,
            type=conversation.type,
            name=conversation.name,
            member_ids=conversation.member_ids,
        ),
        message=EventMessage.model_validate(message.model_dump()),
        mentions_all=message.mentions_all,
        thread_follower_ids=[user_id for user_id in followers if user_id in members],
    ).encode()
