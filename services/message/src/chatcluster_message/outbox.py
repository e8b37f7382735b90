"""From the store to everybody: each stored message is published live (Redis) and as an event (Kafka), at least once.

A message carries its outbox mark in its own document, so that there is no moment in which one exists without the other.
The process that stored it publishes it at once. Should that fail, or the process die first, the mark comes due two
seconds later and any process takes over.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge
from pymongo.errors import PyMongoError

from chatcluster_common import logs
from chatcluster_common.clock import utc_now
from chatcluster_common.events import (
    MESSAGES_TOPIC,
    EventConversation,
    EventMessage,
    EventProducer,
    EventsUnavailableError,
    MessageCreated,
)
from chatcluster_common.realtime import ChannelsUnavailableError, Publisher
from chatcluster_message import channels
from chatcluster_message.models import Conversation, Message
from chatcluster_message.store import Store

log = logs.get_logger(__name__)

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
_MAX_IN_FLIGHT = 5000
_COUNT_EVERY = 5
_STOP_SECONDS = 3.0


class Relay:
    """Publishes stored messages. Run it with `async with`; leaving it waits a moment for what is in flight."""

    def __init__(self, store: Store, publisher: Publisher, events: EventProducer) -> None:
        self._store = store
        self._publisher = publisher
        self._events = events
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self._published: OrderedDict[str, None] = OrderedDict()
        self._newest: dict[str, tuple[int, datetime]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Relay":
        self._tasks = [asyncio.create_task(self._flush_always()), asyncio.create_task(self._patrol_always())]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._in_flight:
            await asyncio.wait(list(self._in_flight.values()), timeout=_STOP_SECONDS)
        tasks = [*self._tasks, *self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(PyMongoError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._flush()

    def hand_over(self, message: Message, conversation: Conversation) -> None:
        """Publish a message that was stored this moment. Calls in order of `seq` are published live in that order."""
        live = self._publisher.offer(channels.conversation_channel(conversation.id), channels.message_new(message))
        self._note(message)
        if len(self._in_flight) >= _MAX_IN_FLIGHT:
            return  # Kafka is away: the mark in the store will do
        task = asyncio.create_task(self._finish(message, conversation, live, "direct"))
        self._in_flight[message.id] = task
        task.add_done_callback(lambda _: self._in_flight.pop(message.id, None))

    async def _finish(
        self, message: Message, conversation: Conversation, live: "asyncio.Future[None]", path: str
    ) -> None:
        try:
            await live
            await self._events.publish(MESSAGES_TOPIC, key=conversation.id, value=_event(message, conversation))
        except (ChannelsUnavailableError, EventsUnavailableError) as error:
            log.info("message not published yet", message_id=message.id, reason=str(error), path=path)
            return
        self._published[message.id] = None
        RELAYED.labels(path).inc()

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
                if rounds % _NOTE_EVERY == 0:
                    await self._note_newest()
            except (PyMongoError, TimeoutError) as error:
                log.warning("outbox marks not written; tried again", error=type(error).__name__)

    async def _flush(self) -> None:
        """Write everything that is new since the last time."""
        await self._mark_published()
        await self._note_newest()

    async def _note_newest(self) -> None:
        """Write the newest `seq` of the conversations written to. Readers look beyond it: it may lag."""
        newest, self._newest = self._newest, {}
        try:
            if newest:
                await self._store.raise_last_seq(newest)
        except BaseException:
            self._newest = newest | self._newest
            raise

    async def _mark_published(self) -> None:
        """Take the outbox marks off what was published."""
        done = list(self._published)[: 5 * _BATCH]
        if done:
            await self._store.published(done)
            for message_id in done:
                self._published.pop(message_id, None)

    async def _patrol_always(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(_PATROL_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311 jitter between replicas
            try:
                while await self._patrol():
                    pass
                if rounds % _COUNT_EVERY == 0:
                    PENDING.set(await self._store.outbox_size(10_000))
            except (PyMongoError, TimeoutError) as error:
                log.warning("the outbox could not be read; tried again", error=type(error).__name__)
            except Exception:
                log.exception("the outbox patrol failed; tried again")
            rounds += 1

    async def _patrol(self) -> bool:
        """Take over what is overdue; True when there may be more at once."""
        due = await self._store.due(utc_now(), _BATCH)
        LAG_SECONDS.set((utc_now() - due[0][0].created_at).total_seconds() if due else 0)
        own = [message for message, _ in due if message.id in self._in_flight or message.id in self._published]
        claimed = [
            message
            for message, due_at in due
            if message not in own and await self._store.claim(message.id, due_at, _LEASE)
        ]
        if not claimed:
            return False
        log.info("messages taken over", messages=len(claimed))
        published = await self._publish_all(claimed)
        await self._flush()
        return published and len(due) == _BATCH

    async def _publish_all(self, messages: Sequence[Message]) -> bool:
        conversations = await self._store.conversations_by_id(sorted({m.conversation_id for m in messages}))
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


def _event(message: Message, conversation: Conversation) -> bytes:
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
    ).encode()
