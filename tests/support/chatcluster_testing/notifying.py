"""A notification service as a process with all it speaks to: events in by a real Kafka, mails out by real SMTP, pushes
by real HTTP, state in a real Redis and PostgreSQL."""

import asyncio
import contextlib
import datetime
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis as redis_client
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError

from chatcluster_testing.kafka import PASSWORD, USERNAME, Kafka
from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import INTERNAL_TOKEN, Service, running_service, service_program, wait_until
from chatcluster_testing.push import Device, PushService, running_push_service, vapid_key
from chatcluster_testing.redis import Redis
from chatcluster_testing.smtp import Mail, MailServer, running_mail_server
from chatcluster_testing.tokens import TokenAuthority

TOPIC = "chat.messages.v1"
WINDOW_SECONDS = 600
"""CHAT_EMAIL_WINDOW_SECONDS: no test waits for its end, see `World.end_window`."""


def now() -> str:
    """As events have it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class World:
    """A running notification service and all it speaks to."""

    service: Service
    kafka: Kafka
    mails: MailServer
    push: PushService
    peers: Peers
    tokens: TokenAuthority
    redis: redis_client.Redis
    http: httpx.Client

    def person(self, name: str) -> str:
        """Someone new, away; the id."""
        user_id = str(uuid.uuid4())
        self.peers.add_person(user_id, name)
        return user_id

    def event(self, sender: str, members: list[str], body: str = "Hello!", **changes: Any) -> dict[str, Any]:
        """A message in a new direct conversation, as the message service publishes it."""
        conversation = {"id": str(uuid.uuid4()), "type": "direct", "name": None, "member_ids": members}
        conversation |= changes.pop("conversation", {})
        message = {
            "id": str(uuid.uuid4()),
            "conversation_id": conversation["id"],
            "seq": 1,
            "sender_id": sender,
            "client_id": str(uuid.uuid4()),
            "body": body,
            "mentions": [],
            "created_at": now(),
        }
        return {
            "schema": 1,
            "id": str(uuid.uuid4()),
            "type": "message.created",
            "occurred_at": now(),
            "conversation": conversation,
            "message": message,
        } | changes

    def publish(self, *values: dict[str, Any] | bytes) -> None:
        """All under one key, so that they are consumed in this order."""
        key = uuid.uuid4().bytes
        encoded = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
        asyncio.run(publish(self.kafka, key, encoded))

    def mails_of(self, user_id: str) -> list[Mail]:
        """What they were sent, oldest first."""
        return self.mails.to(f"{user_id}@example.org")

    def wait_for_mail(self, user_id: str, count: int = 1) -> Mail:
        """Their mail number `count`."""
        wait_until(lambda: len(self.mails_of(user_id)) >= count, f"mail {count} to {user_id}")
        return self.mails_of(user_id)[count - 1]

    def wait_until_handled(self, *events: dict[str, Any] | bytes) -> None:
        """Publish the events and one more after them, and wait for that one's mail: the others were handled then."""
        sender, witness = self.person("Sender"), self.person("Witness")
        self.publish(*events, self.event(sender, [sender, witness]))
        self.wait_for_mail(witness)

    def end_window(self, user_id: str) -> None:
        """As if it were time for their next mail, or their quiet hours were over; what has not come by then is not in
        it."""
        self.redis.zadd("notification:batches", {f"email:{user_id}": 0}, xx=True)

    def metric(self, name: str) -> float:
        """The sum over all series that begin so."""
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def dead(self) -> list[dict[str, str]]:
        """What was given up on."""
        entries: Any = self.redis.xrange("notification:dead")
        return [
            {"id": number.decode(), **{key.decode(): value.decode() for key, value in entry.items()}}
            for number, entry in entries
        ]

    def internal(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """What another service asks."""
        return self.http.request(method, f"/internal{path}", json=body, headers={"X-Internal-Token": INTERNAL_TOKEN})

    def prefer(self, user_id: str, **preferences: Any) -> None:
        """Set a person's preferences."""
        answer = self.http.put(
            "/api/v1/notifications/preferences", json=preferences, headers=self.tokens.authorization(user_id)
        )
        assert answer.status_code == 200, answer.text

    def subscribe(self, user_id: str, session_id: str = "") -> Device:
        """A new device of theirs."""
        device = self.push.device()
        token = self.tokens.token_for(user_id, session_id=session_id)
        answer = self.http.post(
            "/api/v1/notifications/push-subscriptions",
            json=device.subscription(),
            headers={"Authorization": f"Bearer {token}", "User-Agent": "Browser of the tests"},
        )
        assert answer.status_code == 201, answer.text
        return device


def connection(kafka: Kafka) -> dict[str, Any]:
    """For aiokafka."""
    return {
        "bootstrap_servers": f"127.0.0.1:{kafka.port}",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": USERNAME,
        "sasl_plain_password": PASSWORD,
    }


async def publish(kafka: Kafka, key: bytes, values: list[bytes]) -> None:
    """As the message service does."""
    async with AIOKafkaProducer(**connection(kafka), acks="all") as producer:
        for value in values:
            await producer.send_and_wait(TOPIC, value=value, key=key)


async def create_topic(kafka: Kafka) -> None:
    """As the message service does, where there is none. A broker that has just come up may need a moment."""
    deadline = time.monotonic() + 180
    while True:
        admin = AIOKafkaAdminClient(**connection(kafka))
        try:
            await admin.start()
            break
        except KafkaConnectionError:
            await admin.close()
            if time.monotonic() > deadline:
                raise AssertionError(f"Kafka does not answer; its log ends:\n{kafka.program.log[-4000:]}") from None
            await asyncio.sleep(0.5)
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)])
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()


def settings(kafka: Kafka, redis: Redis, database_url: str, peers: Peers, mails: MailServer) -> dict[str, str]:
    """What the service is told."""
    return kafka.env | {
        "CHAT_REDIS_URL": redis.url("notification"),
        "CHAT_DATABASE_URL": database_url,
        "CHAT_EMAIL_WINDOW_SECONDS": str(WINDOW_SECONDS),
        "CHAT_PUSH_WINDOW_SECONDS": "1",
        "CHAT_ACTIVE_SECONDS": "8",
        "CHAT_PUSH_ANYWHERE": "true",
        "CHAT_VAPID_KEY": vapid_key(),
        "CHAT_USER_URL": peers.url,
        "CHAT_PRESENCE_URL": peers.url,
        "CHAT_PUBLIC_URL": "https://chat.example.org/",
        "CHAT_SMTP_HOST": "127.0.0.1",
        "CHAT_SMTP_PORT": str(mails.port),
        "CHAT_SMTP_SECURITY": "none",
        "CHAT_SMTP_FROM": "Chat <chat@example.org>",
    }


@contextlib.contextmanager
def running_world(
    kafka: Kafka,
    redis: Redis,
    postgres: Postgres,
    tokens: TokenAuthority,
    folder: Path,
    *,
    changes: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """All of it, on a database of its own; `changes` are settings of the service."""
    asyncio.run(create_topic(kafka))
    with running_peers() as peers, running_mail_server() as mails, running_push_service() as push:
        url = postgres.url(postgres.create_database())
        env = settings(kafka, redis, url, peers, mails) | dict(changes or {})
        migration = service_program(
            "notification", folder / "migrate", env, jwks_file=tokens.jwks_file, args=["migrate"]
        ).program
        assert migration.spawn().wait() == 0, migration.log
        with (
            running_service("notification", folder, env, jwks_file=tokens.jwks_file) as service,
            redis_client.Redis.from_url(redis.admin_url) as admin,
            httpx.Client(base_url=service.url, timeout=30) as http,
        ):
            yield World(service, kafka, mails, push, peers, tokens, admin, http)
