"""The notification service as a process: events in by a real Kafka, mails out by real SMTP, state in a real Redis."""

import asyncio
import datetime
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_client
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from chatcluster_testing.kafka import PASSWORD, USERNAME, Kafka
from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import Service, running_service, service_program, wait_until
from chatcluster_testing.redis import Redis
from chatcluster_testing.smtp import Mail, MailServer, running_mail_server
from chatcluster_testing.tokens import TokenAuthority

TOPIC = "chat.messages.v1"
WINDOW_SECONDS = 60
"""The default of CHAT_EMAIL_WINDOW_SECONDS."""


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class World:
    """A running notification service and all it speaks to."""

    service: Service
    kafka: Kafka
    mails: MailServer
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
        return self.mails.to(f"{user_id}@example.org")

    def wait_for_mail(self, user_id: str, count: int = 1) -> Mail:
        wait_until(lambda: len(self.mails_of(user_id)) >= count, f"mail {count} to {user_id}")
        return self.mails_of(user_id)[count - 1]

    def wait_until_handled(self, *events: dict[str, Any] | bytes) -> None:
        """Publish the events and one more after them, and wait for that one's mail: the others were handled then."""
        sender, witness = self.person("Sender"), self.person("Witness")
        self.publish(*events, self.event(sender, [sender, witness]))
        self.wait_for_mail(witness)

    def metric(self, name: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def dead(self) -> list[dict[str, str]]:
        entries: Any = self.redis.xrange("notification:dead")
        return [{key.decode(): value.decode() for key, value in entry.items()} for _, entry in entries]


def connection(kafka: Kafka) -> dict[str, Any]:
    return {
        "bootstrap_servers": f"127.0.0.1:{kafka.port}",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": USERNAME,
        "sasl_plain_password": PASSWORD,
    }


async def publish(kafka: Kafka, key: bytes, values: list[bytes]) -> None:
    async with AIOKafkaProducer(**connection(kafka), acks="all") as producer:
        for value in values:
            await producer.send_and_wait(TOPIC, value=value, key=key)


async def create_topic(kafka: Kafka) -> None:
    admin = AIOKafkaAdminClient(**connection(kafka))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)])
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()


def settings(kafka: Kafka, redis: Redis, peers: Peers, mails: MailServer) -> dict[str, str]:
    return kafka.env | {
        "CHAT_REDIS_URL": redis.url("notification"),
        "CHAT_USER_URL": peers.url,
        "CHAT_PRESENCE_URL": peers.url,
        "CHAT_PUBLIC_URL": "https://chat.example.org/",
        "CHAT_SMTP_HOST": "127.0.0.1",
        "CHAT_SMTP_PORT": str(mails.port),
        "CHAT_SMTP_SECURITY": "none",
        "CHAT_SMTP_FROM": "Chat <chat@example.org>",
    }


@pytest.fixture(scope="module")
def world(
    kafka: Kafka, redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    asyncio.run(create_topic(kafka))
    with running_peers() as peers, running_mail_server() as mails:
        folder = tmp_path_factory.mktemp("notification")
        env = settings(kafka, redis, peers, mails)
        with (
            running_service("notification", folder, env, jwks_file=tokens.jwks_file) as service,
            redis_client.Redis.from_url(redis.admin_url) as admin,
            httpx.Client(base_url=service.url, timeout=10) as http,
        ):
            yield World(service, kafka, mails, peers, tokens, admin, http)


def test_one_mail_to_each_member_who_is_away_though_the_event_comes_twice(world: World) -> None:
    sender, away, online = world.person("Ann"), world.person("Bob"), world.person("Cid")
    world.peers.online.add(online)
    event = world.event(sender, [sender, away, online], "Lunch at one?")
    world.wait_until_handled(event, event)
    world.wait_for_mail(away)
    world.wait_until_handled(event)
    assert len(world.mails_of(away)) == 1
    assert world.mails_of(sender) == []
    assert world.mails_of(online) == []
    assert world.metric('chat_notification_suppressed_total{reason="seen"}') >= 2
    assert world.metric('chat_notification_suppressed_total{reason="online"}') >= 3
    # The mail is at its server a moment before the service has counted it and forgotten the job.
    wait_until(lambda: world.metric('chat_notification_mails_total{result="sent"}') >= 3, "the mails to be counted")
    wait_until(lambda: world.metric("chat_notification_delay_seconds_count") >= 3, "their delay to be counted")
    keys = ("notification:outbox", "notification:jobs", "notification:attempts")
    wait_until(lambda: world.redis.exists(*keys) == 0, "the jobs to be forgotten")


def test_what_a_mail_says(world: World) -> None:
    ann, bob = world.person("Ann Ünal"), world.person("Bob")
    event = world.event(
        ann,
        [ann, bob],
        "Is 3 < 4?\n<script>alert(1)</script>",
        conversation={"type": "group", "name": "Tea\r\nBcc: eve@example.org"},
    )
    world.publish(event)
    mail = world.wait_for_mail(bob)
    message = mail.message
    assert mail.sender == "chat@example.org"
    assert mail.recipients == [f"{bob}@example.org"]
    assert message["Subject"] == "Ann Ünal wrote in Tea Bcc: eve@example.org"
    assert message["Bcc"] is None
    assert message["From"] == "Chat <chat@example.org>"
    assert message["To"] == f"Bob <{bob}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == f"<{event['conversation']['id']}.conversations.example.org>"
    assert message["In-Reply-To"] == message["References"]
    assert message["Message-ID"].endswith("@example.org>")
    assert message["Date"].datetime.isoformat()[:19] == event["occurred_at"][:19]
    assert "Is 3 < 4?" in mail.text
    assert "https://chat.example.org/" in mail.text
    assert "Is 3 &lt; 4?<br>&lt;script&gt;" in mail.html
    assert "<script>" not in mail.html


def test_more_messages_soon_after_are_counted_and_not_mailed(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    conversation = {"id": str(uuid.uuid4())}
    first, second, third, later = (
        world.event(ann, [ann, bob], text, conversation=conversation) for text in ("one", "two", "three", "four")
    )
    world.wait_until_handled(first, second, third)
    world.wait_for_mail(bob)
    key = f"notification:window:{bob}:{conversation['id']}"
    assert 0 < int(world.redis.ttl(key)) <= WINDOW_SECONDS  # pyright: ignore[reportArgumentType]
    world.redis.delete(key)  # as if it had ended
    world.publish(later)
    mail = world.wait_for_mail(bob, 2)
    assert "four" in mail.text
    assert "There are 2 earlier messages." in mail.text
    assert mail.message["References"] == world.mails_of(bob)[0].message["References"]
    assert mail.message["Message-ID"] != world.mails_of(bob)[0].message["Message-ID"]


def test_a_mail_server_that_is_away_delays_the_mail(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    world.mails.stop()
    try:
        delayed = world.metric('chat_notification_mails_total{result="delayed"}')
        world.publish(world.event(ann, [ann, bob]))
        wait_until(
            lambda: world.metric('chat_notification_mails_total{result="delayed"}') > delayed, "a first attempt to fail"
        )
    finally:
        world.mails.start()
    world.wait_for_mail(bob)
    assert len(world.mails_of(bob)) == 1


def test_a_mail_refused_for_now_is_tried_again_and_one_refused_for_good_is_put_aside(world: World) -> None:
    ann, later, never = world.person("Ann"), world.person("Later"), world.person("Never")
    world.mails.replies[f"{later}@example.org"] = "451 try again later"
    world.mails.replies[f"{never}@example.org"] = "550 no such mailbox"
    world.publish(world.event(ann, [ann, later, never]))
    wait_until(lambda: any(never in entry["what"] for entry in world.dead()), "the refused mail to be put aside")
    del world.mails.replies[f"{later}@example.org"]
    world.wait_for_mail(later)
    (entry,) = [entry for entry in world.dead() if never in entry["what"]]
    assert "550" in entry["reason"]
    assert json.loads(entry["content"])["recipient_id"] == never
    assert f"{never}@example.org" not in json.dumps(entry)


def test_an_address_that_breaks_the_header_is_put_aside(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    world.peers.people[bob]["email"] = "bob@example.org\r\nBcc: eve@example.org"
    world.publish(world.event(ann, [ann, bob]))
    wait_until(lambda: any(bob in entry["what"] for entry in world.dead()), "the mail to be put aside")


def test_poison_is_put_aside_and_the_next_event_handled(world: World) -> None:
    marker = str(uuid.uuid4())
    incomplete = {"schema": 1, "id": marker, "type": "message.created"}
    newer = world.event("x", ["x"], schema=2, id=f"newer-{marker}")
    world.wait_until_handled(b"\xff\x00 no JSON", incomplete, newer)
    about = [entry for entry in world.dead() if marker in entry["content"]]
    assert len(about) == 2
    assert all(entry["what"].startswith(f"event {TOPIC}/") for entry in about)
    assert "occurred_at" in about[0]["reason"]


def test_unknown_people_and_old_events_make_no_mail(world: World) -> None:
    ann, bob, unknown = world.person("Ann"), world.person("Bob"), str(uuid.uuid4())
    old = world.event(ann, [ann, bob], occurred_at="2020-01-01T00:00:00.000Z")
    world.wait_until_handled(world.event(ann, [ann, unknown]), old)
    wait_until(lambda: world.metric('chat_notification_suppressed_total{reason="no_address"}') >= 1, "the look-up")
    assert world.metric('chat_notification_suppressed_total{reason="stale"}') >= 1
    assert world.mails_of(bob) == []


def test_an_event_waits_while_presence_is_away(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    calls = len(world.peers.calls)
    world.peers.failing = True
    try:
        world.publish(world.event(ann, [ann, bob]))
        wait_until(lambda: len(world.peers.calls) >= calls + 3, "presence to be asked")
    finally:
        world.peers.failing = False
    world.wait_for_mail(bob)


def test_recent_notifications_page_by_page(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    conversation = {"id": str(uuid.uuid4())}
    events = [world.event(ann, [ann, bob], f"message {n}", conversation=conversation) for n in range(5)]
    for number, event in enumerate(events):
        event["message"]["created_at"] = f"2026-01-01T12:00:0{number // 2}.000Z"  # some at the same moment
    world.wait_until_handled(*events, events[0])
    auth = world.tokens.authorization(bob)
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for expected in (2, 2, 1):
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = world.http.get("/api/v1/notifications", params=params, headers=auth).json()
        assert len(page["items"]) == expected
        items += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    assert {item["id"] for item in items} == {event["id"] for event in events}
    times = [item["created_at"] for item in items]
    assert times == sorted(times, reverse=True)
    newest = items[0]
    assert newest["preview"] == "message 4"
    assert newest["type"] == "message"
    assert newest["conversation_id"] == conversation["id"]
    assert newest["message_id"] == events[4]["message"]["id"]
    assert newest["sender_id"] == ann

    mine = world.http.get("/api/v1/notifications", headers=world.tokens.authorization(ann)).json()
    assert mine == {"items": [], "next_cursor": None}
    assert world.http.get("/api/v1/notifications").status_code == 401
    for bad in ({"limit": "0"}, {"limit": "201"}, {"cursor": "x"}):
        assert world.http.get("/api/v1/notifications", params=bad, headers=auth).status_code == 422


def test_health_and_openapi(world: World) -> None:
    assert world.http.get("/livez").json() == {"live": True, "not_live": {}}
    assert world.http.get("/readyz").status_code == 200
    document = world.http.get("/openapi.json").json()
    operations = {o["operationId"] for path in document["paths"].values() for o in path.values()}
    assert operations == {"listNotifications"}


def test_settings_that_cannot_work_are_named(tokens: TokenAuthority, tmp_path: Path) -> None:
    env = {
        "CHAT_REDIS_URL": "redis://127.0.0.1:1/0",
        "CHAT_USER_URL": "http://127.0.0.1:1",
        "CHAT_PRESENCE_URL": "http://127.0.0.1:1",
        "CHAT_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "CHAT_SMTP_HOST": "mail.example.org",
    }
    program = service_program("notification", tmp_path, env, jwks_file=tokens.jwks_file).program
    assert program.spawn().wait() == 78
    assert "CHAT_SMTP_FROM" in program.log
