"""Events between services, over Kafka: the envelope, a producer that means what it acknowledges, a consumer loop.

Delivery is at least once from end to end. The producer's caller keeps an event (an outbox) until `publish` returns; the
consumer commits an offset only after its handler returned. So handlers must be idempotent: an event's `id` is the same
each time it comes.
"""

# aiokafka has annotations for its arguments only, and no stubs:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.structs import ConsumerRecord
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from chatcluster_common import logs, tasks
from chatcluster_common.acceptance import not_refused
from chatcluster_common.clock import Timestamp
from chatcluster_common.health import Check
from chatcluster_common.settings import ServiceSettings

log = logs.get_logger(__name__)

MESSAGES_TOPIC = "chat.messages.v1"
"""Keyed by conversation id: one consumer sees a conversation whole. `seq` has the order, should replicas differ."""

SCHEMA = 1

EVENTS_PUBLISHED = Counter("chat_events_published_total", "Events by how their publishing ended.", ["topic", "result"])
EVENTS_HANDLED = Counter("chat_events_handled_total", "Events consumed, by how that ended.", ["topic", "result"])
EVENT_LAG_SECONDS = Histogram(
    "chat_event_lag_seconds",
    "Age of an event when its handler was done with it.",
    ["topic"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)


class KafkaSettings(ServiceSettings):
    """What a service that speaks to Kafka is told besides the common settings."""

    kafka_bootstrap: str = Field(min_length=1, description="Comma-separated `host:port` of some brokers.")
    kafka_username: str = Field(default="", description="SASL PLAIN user; empty for a broker without authentication.")
    kafka_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _password_for_user(self) -> "KafkaSettings":
        if self.kafka_username and not self.kafka_password.get_secret_value():
            raise ValueError("CHAT_KAFKA_USERNAME is set: set CHAT_KAFKA_PASSWORD too, or its file")
        return self


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments that every aiokafka client takes to connect as `settings` say."""
    arguments: dict[str, Any] = {"bootstrap_servers": settings.kafka_bootstrap, "request_timeout_ms": 5_000}
    if settings.kafka_username:
        arguments |= {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return arguments


def kafka_not_refused(settings: KafkaSettings) -> Check:
    """The readiness check that fails while Kafka refuses the password."""

    async def sign_in() -> None:
        # Not a whole client: it goes on to the next broker, and at the end says only that none was to be reached.
        arguments = connection(settings)
        host, port, _ = random.choice(collect_hosts(arguments.pop("bootstrap_servers")))  # noqa: S311 no secret
        (await create_conn(host, port, **arguments)).close()

    return not_refused("kafka", sign_in, (AuthenticationFailedError, SaslAuthenticationFailed))


class EventConversation(BaseModel):
    """The conversation as it was when the event happened."""

    id: str
    type: Literal["direct", "group", "channel"]
    name: str | None
    member_ids: list[str]


class EventMessage(BaseModel):
    """A message as the contract has it; fields that this schema version does not name are kept."""

    model_config = ConfigDict(extra="allow")

    id: str
    conversation_id: str
    seq: int
    sender_id: str
    body: str
    mentions: list[str]
    thread_root: str | None = None
    created_at: Timestamp


class MessageCreated(BaseModel):
    """A message was stored: the value of a record in `MESSAGES_TOPIC`. Consumers ignore fields they do not know."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    id: str = Field(description="The event's own id, the same whenever it is delivered again.")
    type: Literal["message.created"] = "message.created"
    occurred_at: Timestamp
    conversation: EventConversation
    message: EventMessage
    mentions_all: bool = Field(default=False, description="`@all`: every member is mentioned besides `mentions`.")
    thread_follower_ids: list[str] = Field(
        default_factory=list[str], description="Of a reply: the members who follow its thread."
    )

    def encode(self) -> bytes:
        """The record's value."""
        return orjson.dumps(self.model_dump(mode="json", by_alias=True))


class EventsUnavailableError(Exception):
    """Kafka did not take the event, or not in time. It may yet arrive: keep it and publish it again later."""


async def ensure_topics(settings: KafkaSettings, topics: Sequence[str], *, partitions: int, replication: int) -> None:
    """Create the topics that do not exist; those that do are left as they are. Raises `KafkaError`."""
    admin = AIOKafkaAdminClient(**connection(settings))
    # Acknowledged by all replicas in sync only means something when one alone is not enough.
    config = {"min.insync.replicas": "2"} if replication >= 3 else {}
    try:
        await admin.start()
        response: Any = await admin.create_topics(
            [
                NewTopic(name, num_partitions=partitions, replication_factor=replication, topic_configs=config)
                for name in topics
            ]
        )
        for name, code, *rest in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(f"topic {name}: {rest[0] if rest else ''}")
    finally:
        with suppress(Exception):
            await admin.close()


class EventProducer:
    """Publishes events with acks=all and idempotence. Open it with `async with`; it connects, and connects again after
    an error that its connection does not survive, by itself: Kafka may be away when the service starts.

    At most `max_pending` events wait for Kafka at a time; more are refused at once, so that memory stays bounded.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        *,
        partitions: int,
        replication: int,
        max_pending: int = 2000,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._partitions = partitions
        self._replication = replication
        self._max_pending = max_pending
        self._timeout = timeout_seconds
        self._pending = 0
        self._producer: AIOKafkaProducer | None = None
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "EventProducer":
        self._task = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([self._task] if self._task else [])

    @property
    def connected(self) -> bool:
        """Whether there is a producer to hand events to; brokers may still be away for the moment."""
        return self._producer is not None

    async def publish(self, topic: str, *, key: str, value: bytes) -> None:
        """Return once all in-sync replicas have the event. Raises `EventsUnavailableError` otherwise."""
        producer = self._producer
        if producer is None or self._pending >= self._max_pending:
            EVENTS_PUBLISHED.labels(topic, "refused").inc()
            raise EventsUnavailableError("not connected" if producer is None else "too many events wait already")
        self._pending += 1
        delivery: asyncio.Future[Any] | None = None
        try:
            async with asyncio.timeout(self._timeout):
                delivery = await producer.send(topic, value=value, key=key.encode())
                delivery.add_done_callback(self._settled)
                await asyncio.shield(delivery)
        except TimeoutError as error:
            EVENTS_PUBLISHED.labels(topic, "timeout").inc()
            raise EventsUnavailableError(f"no acknowledgement within {self._timeout:g} s") from error
        except KafkaError as error:
            EVENTS_PUBLISHED.labels(topic, "error").inc()
            if not error.retriable:
                self._broken.set()  # an idempotent producer does not recover from these: a new one starts afresh
            raise EventsUnavailableError(type(error).__name__) from error
        finally:
            if delivery is None:
                self._pending -= 1
        EVENTS_PUBLISHED.labels(topic, "ok").inc()

    def _settled(self, delivery: "asyncio.Future[Any]") -> None:
        # Not at the caller's time-out: until then Kafka's client still holds the event in memory.
        self._pending -= 1
        if not delivery.cancelled():
            delivery.exception()  # retrieved, so that asyncio does not complain when nobody waits any more

    async def _keep_connected(self) -> None:
        delay = 0.25
        while True:
            producer = AIOKafkaProducer(
                **connection(self._settings),
                acks="all",
                enable_idempotence=True,
                linger_ms=2,
                metadata_max_age_ms=10_000,
            )
            try:
                await ensure_topics(
                    self._settings, self._topics, partitions=self._partitions, replication=self._replication
                )
                await producer.start()
                self._broken.clear()
                self._producer = producer
                delay = 0.25
                log.info("kafka producer connected")
                await self._broken.wait()
                log.warning("kafka producer is replaced after an error it cannot recover from")
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("kafka does not answer", error=type(error).__name__, retry_seconds=delay)
            finally:
                self._producer = None
                await _stop(producer)
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            delay = min(delay * 2, 10.0)


async def _stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop within a bounded time: a producer flushes first, which takes for ever without a broker."""
    try:
        async with asyncio.timeout(5):
            await client.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("kafka client did not stop cleanly", error=type(error).__name__)


class DependencyAwayError(Exception):
    """A handler raises it when nothing is wrong with the event, but what it needs does not answer."""


Handler = Callable[[MessageCreated], Awaitable[None]]
"""Handles one event. It may see an event twice. Raising makes the loop try again, `ConsumerLoop.ATTEMPTS` times, or
for as long as it takes when it raises `DependencyAwayError`."""

SkippedHandler = Callable[["ConsumerRecord[bytes, bytes]", str], Awaitable[None]]
"""Is given each record that the loop gives up on, with the reason. Raising makes the loop come back to the record."""


class ConsumerLoop:
    """Reads topics in a consumer group and hands each event to `handler`, in order within a partition.

    An offset is committed only after the handler returned. An event that fails is tried again with a back-off, while
    its partition waits; after the last attempt it is skipped, logged and counted, as is one that cannot be read. What
    must survive a long outage belongs in the handler's own store, and what is skipped goes to `on_skipped`.
    """

    ATTEMPTS = 8

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        on_skipped: SkippedHandler | None = None,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = topics
        self._handler = handler
        self._on_skipped = on_skipped
        self._failures: dict[tuple[TopicPartition, int], int] = {}
        self.running = False
        """Whether the loop is connected and reading."""
        self.last_turn = time.monotonic()
        """When the loop last moved on (`time.monotonic`), with or without Kafka: it hangs when this stands still."""

    async def run(self) -> None:
        """Read until cancelled. Connects again by itself whenever Kafka comes back."""
        delay = 0.25
        while True:
            self.last_turn = time.monotonic()
            consumer = AIOKafkaConsumer(
                *self._topics,
                **connection(self._settings),
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                metadata_max_age_ms=10_000,
                session_timeout_ms=15_000,
                heartbeat_interval_ms=3_000,
                max_poll_interval_ms=300_000,
            )
            try:
                await consumer.start()
                self.running = True
                delay = 0.25
                log.info("kafka consumer connected", group=self._group)
                while True:
                    await self._poll(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("kafka consumer stopped", error=type(error).__name__, retry_seconds=delay)
            finally:
                self.running = False
                await _stop(consumer)
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            delay = min(delay * 2, 10.0)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        self.last_turn = time.monotonic()
        batches: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await consumer.getmany(
            timeout_ms=1000, max_records=100
        )
        results = await asyncio.gather(*(self._handle_all(partition, batches[partition]) for partition in batches))
        # A rebalance may have given a partition away meanwhile: its new owner handles those events again.
        owned = consumer.assignment()
        done = {p: offset for p, offset, _ in results if offset is not None and p in owned}
        if done:
            async with asyncio.timeout(30):  # without a broker it would wait for ever
                await consumer.commit(done)
        failed = {p: offset for p, _, offset in results if offset is not None and p in owned}
        for partition, offset in failed.items():
            consumer.seek(partition, offset)
        if failed:
            attempts = max(self._failures.get(item, 1) for item in failed.items())
            await asyncio.sleep(min(0.2 * 2 ** min(attempts, 10), 20.0) * random.uniform(0.8, 1.2))  # noqa: S311 jitter

    async def _handle_all(
        self, partition: TopicPartition, records: Sequence["ConsumerRecord[bytes, bytes]"]
    ) -> tuple[TopicPartition, int | None, int | None]:
        """The partition, the offset to commit (None: nothing done), the offset to come back to (None: all done)."""
        done: int | None = None
        for record in records:
            if not await self._handle(partition, record):
                return partition, done, record.offset
            done = record.offset + 1
        return partition, done, None

    async def _handle(self, partition: TopicPartition, record: "ConsumerRecord[bytes, bytes]") -> bool:
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        at = (partition, record.offset)
        self.last_turn = time.monotonic()
        try:
            event = MessageCreated.model_validate_json(record.value or b"")
        except ValidationError as error:
            wrong = [".".join(map(str, e["loc"])) for e in error.errors()]
            log.error("event skipped: this version cannot read it", fields=wrong, **where)
            EVENTS_HANDLED.labels(record.topic, "unreadable").inc()
            return await self._skip(at, record, f"unreadable: {', '.join(wrong)}")
        try:
            async with asyncio.timeout(30):
                await self._handler(event)
        except Exception as error:
            self._failures[at] = attempts = self._failures.get(at, 0) + 1
            if attempts < self.ATTEMPTS or isinstance(error, DependencyAwayError):
                log.warning("event failed; it is tried again", error=type(error).__name__, attempts=attempts, **where)
                EVENTS_HANDLED.labels(record.topic, "retried").inc()
                return False
            log.exception("event skipped after its last attempt", event_id=event.id, attempts=attempts, **where)
            EVENTS_HANDLED.labels(record.topic, "skipped").inc()
            return await self._skip(at, record, type(error).__name__)
        else:
            EVENTS_HANDLED.labels(record.topic, "ok").inc()
            EVENT_LAG_SECONDS.labels(record.topic).observe(_age(event.occurred_at))
        self._failures.pop(at, None)
        return True

    async def _skip(self, at: tuple[TopicPartition, int], record: "ConsumerRecord[bytes, bytes]", reason: str) -> bool:
        if self._on_skipped is not None:
            try:
                async with asyncio.timeout(30):
                    await self._on_skipped(record, reason)
            except Exception as error:
                self._failures[at] = self._failures.get(at, 0) + 1
                log.warning("a skipped event could not be put aside; it is read again", error=type(error).__name__)
                return False
        self._failures.pop(at, None)
        return True


def _age(moment: datetime) -> float:
    return max((datetime.now(moment.tzinfo) - moment).total_seconds(), 0.0)
