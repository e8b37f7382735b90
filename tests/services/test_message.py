"""The message service against real stores: two processes at once, spoken to as clients do."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
import pytest
import socketio
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from socketio.exceptions import ConnectionError as SocketConnectionError

from chatcluster_common.events import MESSAGES_TOPIC, KafkaSettings, connection
from chatcluster_testing.cable import Cable
from chatcluster_testing.delivery import check, settle
from chatcluster_testing.kafka import PASSWORD, USERNAME, Kafka
from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.people import Person, Refused
from chatcluster_testing.process import INTERNAL_TOKEN, running_service, service_program
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.replicas import Replicas, running_replicas
from chatcluster_testing.sockets import hang_up
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture(scope="module")
def message(
    mongodb: MongoDB, redis: Redis, kafka: Kafka, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """The service as most tests use it."""
    with running_replicas(mongodb, redis, tokens, tmp_path_factory.mktemp("message"), kafka.env) as replicas:
        yield replicas


async def events_of(kafka: Kafka, conversation_id: str, count: int) -> list[dict[str, Any]]:
    """The first `count` different events of a conversation, from the beginning of the topic, by `seq`."""
    settings = KafkaSettings(
        kafka_bootstrap=f"127.0.0.1:{kafka.port}",
        kafka_username=USERNAME,
        kafka_password=SecretStr(PASSWORD),
        internal_token=SecretStr(INTERNAL_TOKEN),
    )
    consumer = AIOKafkaConsumer(MESSAGES_TOPIC, **connection(settings), auto_offset_reset="earliest")
    found: dict[str, dict[str, Any]] = {}
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                record = await consumer.getone()
                if record.key == conversation_id.encode():
                    event = orjson.loads(record.value or b"")
                    found.setdefault(event["id"], event)
    finally:
        await consumer.stop()
    return sorted(found.values(), key=lambda event: event["message"]["seq"])


async def test_a_conversation_from_beginning_to_end(message: Replicas, kafka: Kafka) -> None:
    async with message.people(message.one.url, message.two.url, message.one.url) as (ann, bob, eve):
        phone, laptop = await ann.device("websocket"), await ann.device("polling")
        other = await bob.device("polling")
        conversation_id = await ann.conversation(bob)
        for device in (phone, laptop, other):
            told = await device.wait_for("conversation:changed", lambda d: d["conversation_id"] == conversation_id)
            assert {m["user_id"] for m in told["conversation"]["members"]} == {ann.id, bob.id}

        first = await phone.send(conversation_id, "hello")
        assert (first["seq"], first["sender_id"], first["body"]) == (1, ann.id, "hello")
        assert set(first) == {
            "id", "conversation_id", "seq", "sender_id", "client_id", "body", "attachments", "mentions", "thread_root",
            "reply_count", "reactions", "created_at", "edited_at", "deleted_at", "deletion", "mentions_all", "revision",
        }  # fmt: skip
        await other.send(conversation_id, "hello yourself")
        await settle(conversation_id, [ann, bob])
        assert (await check(conversation_id, [ann, bob])).problems == []

        assert await other.call("read:mark", {"conversation_id": conversation_id, "seq": 99}) == {"ok": True, "seq": 2}
        read = await phone.wait_for("read:changed", lambda d: d["user_id"] == bob.id)
        assert read == {"conversation_id": conversation_id, "user_id": bob.id, "seq": 2}
        assert await bob.rest("PUT", f"/conversations/{conversation_id}/read", json={"seq": 1}) == {"seq": 2}
        reads = await ann.rest("GET", f"/conversations/{conversation_id}/reads")
        assert (bob.id, 2) in [(r["user_id"], r["seq"]) for r in reads["items"]]

        for call in (
            ("GET", f"/conversations/{conversation_id}"),
            ("GET", f"/conversations/{conversation_id}/messages"),
            ("GET", f"/conversations/{conversation_id}/reads"),
        ):
            with pytest.raises(Refused) as refused:
                await eve.rest(*call)
            assert refused.value.problem["status"] == 404
        with pytest.raises(Refused, match="404"):
            await (await eve.device()).send(conversation_id, "let me in")

        events = await events_of(kafka, conversation_id, 2)
        assert [e["message"]["seq"] for e in events] == [1, 2]
        assert events[0]["schema"] == 1
        assert events[0]["type"] == "message.created"
        assert events[0]["conversation"]["member_ids"] == [ann.id, bob.id]
        assert events[0]["message"]["body"] == "hello"


async def test_two_people_have_one_direct_conversation(message: Replicas) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        ids = await asyncio.gather(*(one.conversation(other) for one, other in ((ann, bob), (bob, ann)) * 5))
        assert len(set(ids)) == 1
        listed = await bob.rest("GET", "/conversations")
        assert [c["id"] for c in listed["items"]] == [ids[0]]


async def test_conversations_are_listed_by_cursor(message: Replicas) -> None:
    async with message.people(message.one.url, message.one.url) as (ann, bob):
        made = [await ann.conversation(bob, kind="group", name=f"g{n}") for n in range(5)]
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            page = await bob.rest("GET", f"/conversations?limit=2{cursor and '&cursor=' + cursor}")
            seen += [c["id"] for c in page["items"]]
            cursor = page["next_cursor"]
        assert seen == made[::-1]


async def test_bad_requests_name_what_is_wrong(message: Replicas) -> None:
    async with message.people(message.one.url, message.one.url) as (ann, bob):
        for body, field in (
            ({"type": "direct", "members": []}, "body.members"),
            ({"type": "direct", "members": [bob.id], "name": "x"}, "body.name"),
            ({"type": "group", "members": ["nobody"]}, "body.members"),
            ({"type": "party", "members": []}, "body.type"),
        ):
            with pytest.raises(Refused) as refused:
                await ann.rest("POST", "/conversations", json=body)
            assert [e["field"] for e in refused.value.problem["errors"]] == [field]
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        send = {"conversation_id": conversation_id, "client_id": "1", "body": "x"}
        for change, status in (
            ({"body": " "}, 422),
            ({"body": "x" * 8001}, 422),
            ({"colour": 1}, 422),
            ({"client_id": ""}, 422),
        ):
            with pytest.raises(Refused) as refused:
                await device.call("message:send", send | change)
            assert refused.value.problem["status"] == status
        with pytest.raises(Refused, match="unknown_event"):
            await device.call("message:shout", {})


async def test_a_device_that_polls_leaves_no_session_open(message: Replicas) -> None:
    async with message.people(message.one.url) as (ann,):
        device = await ann.device("polling")
        client, own = device._client, device._session
        assert client
        assert own
        await device.drop()
        await client.eio._send_request("GET", message.one.url)  # as its loop does when it has yet to notice
        opened = client.eio.http
        assert opened is not own
        await device.close()
        assert opened.closed


@pytest.mark.parametrize("token", ["", "nonsense", None])
async def test_a_bad_token_is_refused_with_its_code(message: Replicas, token: str | None) -> None:
    async with aiohttp.ClientSession() as session:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        refusals: list[Any] = []
        client.on("connect_error", refusals.append)
        with pytest.raises(SocketConnectionError):
            await client.connect(message.one.url, auth={"token": token} if token is not None else None)
        await hang_up(client, session)
    assert refusals[0]["data"]["code"] == "unauthorized"


async def test_a_socket_ends_with_its_token(message: Replicas) -> None:
    async with message.people(message.one.url) as (ann,):
        ann._tokens["access_token"] = message.tokens.token_for(ann.id, lifetime=-3)  # within the leeway for clocks
        device = await ann.device()
        ann._tokens["access_token"] = message.tokens.token_for(ann.id)
        await device.wait_for("auth:expired", lambda _: True)
        async with asyncio.timeout(30):
            while not device.outages:
                await asyncio.sleep(0.01)


async def test_a_client_id_is_one_message_for_ever(message: Replicas) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        body = {"client_id": str(uuid.uuid4()), "body": "once"}
        path = f"/api/v1/conversations/{conversation_id}/messages"

        async def send(n: int) -> tuple[int, dict[str, Any]]:
            url = (message.one.url, message.two.url)[n % 2]
            headers = {"Authorization": f"Bearer {await ann.token()}"}
            async with ann._session.post(url + path, json=body | {"body": f"once, {n}"}, headers=headers) as answer:
                return answer.status, await answer.json()

        answers = await asyncio.gather(*map(send, range(50)))
        assert sorted(status for status, _ in answers) == [200] * 49 + [201]
        assert len({(m["id"], m["seq"], m["body"]) for _, m in answers}) == 1
        assert len(await ann.history(conversation_id)) == 1
        elsewhere = await ann.conversation(bob, kind="group")
        with_other = await ann.rest("POST", f"/conversations/{elsewhere}/messages", json=body)
        assert with_other["id"] == answers[0][1]["id"]


async def test_seq_is_dense_however_many_write(message: Replicas) -> None:
    async with message.people(*(message.one.url, message.two.url) * 3) as people:
        conversation_id = await people[0].conversation(*people[1:], kind="group")
        devices = [await person.device() for person in people]
        await asyncio.gather(*(d.send(conversation_id, f"{n}") for d in devices for n in range(12)))
        await settle(conversation_id, people)
        verdict = await check(conversation_id, people)
        assert verdict.problems == []
        assert verdict.acknowledged == 72
        # Live delivery is in order in each process, so no device had to sort.
        order = [cid for cid, _ in devices[0].deliveries]
        assert order == [m["client_id"] for m in await people[0].history(conversation_id)]


async def test_messages_of_one_socket_keep_their_order(message: Replicas) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        await asyncio.gather(*(device.send(conversation_id, str(n)) for n in range(30)))
        assert [m["body"] for m in await ann.history(conversation_id)] == [str(n) for n in range(30)]


async def test_connect_then_sync_misses_nothing(message: Replicas) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        sending = asyncio.create_task(_send_all(device, conversation_id, 60))
        for transport in ("websocket", "polling") * 3:
            guest = await bob.device(transport)
            await guest.sync()
            await guest.close()
        last = await bob.device()
        await last.sync()
        await sending
        await settle(conversation_id, [ann, bob])
        assert (await check(conversation_id, [ann, bob])).problems == []


async def _send_all(device: Any, conversation_id: str, count: int) -> None:
    for n in range(count):
        await device.send(conversation_id, f"{n}")


async def test_sync_says_what_to_fetch_again_and_what_to_load_anew(message: Replicas) -> None:
    async with message.people(message.one.url, message.one.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        await _send_all(device, conversation_id, 3)
        answer = await device.call("sync", {"conversations": {conversation_id: 1, "unknown": 0}})
        assert [m["seq"] for m in answer["messages"]] == [2, 3]
        assert (answer["more"], answer["reload"]) == ([], ["unknown"])
        ahead = await device.call("sync", {"conversations": {conversation_id: 4}})
        assert (ahead["messages"], ahead["reload"]) == ([], [conversation_id])


async def test_history_pages_both_ways(message: Replicas) -> None:
    async with message.people(message.one.url, message.one.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        await _send_all(await ann.device(), conversation_id, 7)

        async def seqs(query: str) -> tuple[list[int], bool]:
            page = await bob.rest("GET", f"/conversations/{conversation_id}/messages?{query}")
            return [m["seq"] for m in page["items"]], page["has_more"]

        assert await seqs("limit=3") == ([7, 6, 5], True)
        assert await seqs("before_seq=5&limit=10") == ([4, 3, 2, 1], False)
        assert await seqs("after_seq=2&limit=3") == ([3, 4, 5], True)
        assert await seqs("after_seq=7") == ([], False)


async def test_members_come_and_go(message: Replicas) -> None:
    async with message.people(message.one.url, message.two.url, message.two.url) as (ann, bob, eve):
        conversation_id = await ann.conversation(bob, kind="group", name="Team")
        device, guest = await ann.device(), await eve.device()
        with pytest.raises(Refused, match="403"):
            await bob.rest("POST", f"/conversations/{conversation_id}/members", json={"user_id": eve.id})
        await ann.rest("POST", f"/conversations/{conversation_id}/members", json={"user_id": eve.id})
        await guest.wait_for("conversation:changed", lambda d: d["conversation"] is not None)
        _ = eve.inbox.messages[conversation_id]
        await device.send(conversation_id, "welcome")
        await settle(conversation_id, [eve])

        await ann.rest("DELETE", f"/conversations/{conversation_id}/members/{eve.id}")
        await guest.wait_for("conversation:changed", lambda d: d["conversation"] is None)
        await device.send(conversation_id, "she is gone")
        await settle(conversation_id, [ann])
        assert eve.inbox.last_seq(conversation_id) == 1
        with pytest.raises(Refused, match="404"):
            await eve.rest("GET", f"/conversations/{conversation_id}")


async def test_other_services_ask_who_is_in_a_conversation(message: Replicas) -> None:
    async with message.people(message.one.url, message.one.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        url = f"{message.one.url}/internal/conversations/{conversation_id}/members"
        async with ann._session.get(url, headers={"X-Internal-Token": INTERNAL_TOKEN}) as answer:
            assert (await answer.json())["items"] == [
                {"user_id": ann.id, "role": "owner"},
                {"user_id": bob.id, "role": "owner"},
            ]
        async with ann._session.get(url) as answer:
            assert answer.status == 401


async def test_draining_keeps_what_it_acknowledged_and_sends_clients_elsewhere(message: Replicas) -> None:
    third = service_program("message", message.folder / "3", message.env, jwks_file=message.tokens.jwks_file)
    third.program.start()
    async with message.people(third.url, third.url, message.two.url) as (ann, bob, eve):
        conversation_id = await ann.conversation(bob, eve, kind="group")
        senders = [await ann.device("websocket"), await bob.device("polling")]
        await eve.device()
        sending = [asyncio.create_task(_send_all(d, conversation_id, 40)) for d in senders]
        await settle_some(ann, 5)
        ann.edge = bob.edge = message.one.url
        assert await asyncio.to_thread(third.program.stop) == 0
        await asyncio.gather(*sending)
        await settle(conversation_id, [ann, bob, eve])
        verdict = await check(conversation_id, [ann, bob, eve])
        assert verdict.problems == []
        assert verdict.acknowledged == 80
        assert [d.drained for d in senders] == [1, 1]


async def settle_some(person: Person, count: int) -> None:
    """Wait until the person has had `count` sends acknowledged."""
    async with asyncio.timeout(30):
        while len(person.acknowledged) < count:
            await asyncio.sleep(0.005)


async def test_a_killed_process_loses_nothing(message: Replicas, kafka: Kafka) -> None:
    third = service_program("message", message.folder / "4", message.env, jwks_file=message.tokens.jwks_file)
    third.program.start()
    async with message.people(third.url, message.two.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        await bob.device()
        sending = asyncio.create_task(_send_all(device, conversation_id, 60))
        await settle_some(ann, 20)
        ann.edge = message.one.url
        third.program.kill()
        await sending
        await settle(conversation_id, [ann, bob])
        verdict = await check(conversation_id, [ann, bob])
        assert verdict.problems == []
        assert verdict.acknowledged == 60
        events = await events_of(kafka, conversation_id, verdict.stored)
        assert sorted(e["message"]["seq"] for e in events) == list(range(1, verdict.stored + 1))


async def test_what_a_dead_process_stored_is_published_by_another(
    message: Replicas, kafka: Kafka, mongodb: MongoDB
) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        await device.send(conversation_id, "alive")
        async with AsyncMongoClient[dict[str, Any]](mongodb.url) as client:
            now = datetime.now(UTC)
            # As it is when a process dies between its write and all that follows.
            orphan = {"_id": str(uuid.uuid4()), "conversation_id": conversation_id, "seq": 2, "sender_id": bob.id}
            orphan |= {"client_id": "orphan", "body": "last words", "created_at": now}
            await client["chat"]["messages"].insert_one(orphan | {"outbox_at": now + timedelta(seconds=1)})
        async with asyncio.timeout(30):
            while not any(client_id == "orphan" for client_id, _ in device.deliveries):
                await asyncio.sleep(0.01)
        events = await events_of(kafka, conversation_id, 2)
        assert events[1]["message"]["body"] == "last words"
        again = await bob.rest(
            "POST", f"/conversations/{conversation_id}/messages", json={"client_id": "orphan", "body": "last words"}
        )
        assert again["seq"] == 2


async def test_redis_comes_back_and_brings_what_was_missed(message: Replicas) -> None:
    with running_redis() as redis:
        # A database of its own: others would publish what is pending here, in their Redis.
        env = message.env | {"CHAT_REDIS_URL": redis.url("message"), "CHAT_MONGODB_DATABASE": "redis-outage"}
        with running_service("message", message.folder / "redis", env, jwks_file=message.tokens.jwks_file) as service:
            async with message.people(service.url, service.url) as (ann, bob):
                conversation_id = await ann.conversation(bob)
                device, other = await ann.device("websocket"), await bob.device("polling")
                await device.send(conversation_id, "before")
                await settle(conversation_id, [ann, bob])
                redis.program.kill()
                await _send_all(device, conversation_id, 3)
                redis.program.start()
                await settle(conversation_id, [ann, bob])
                await other.wait_for("server:resync", lambda _: True)
                await device.send(conversation_id, "after")
                await settle(conversation_id, [ann, bob])
                assert (await check(conversation_id, [ann, bob])).problems == []
                assert other.outages == []


async def test_while_the_store_is_away_people_are_told_to_try_again(message: Replicas, mongodb: MongoDB) -> None:
    cable = Cable(mongodb.port)
    cable.mend()
    env = message.env | {"CHAT_MONGODB_URL": f"mongodb://127.0.0.1:{cable.port}/?directConnection=true"}
    env["CHAT_MONGODB_DATABASE"] = "store-outage"
    try:
        with running_service("message", message.folder / "store", env, jwks_file=message.tokens.jwks_file) as service:
            async with message.people(service.url) as (ann,):
                conversation_id = await ann.conversation(kind="group", name="outage")
                device = await ann.device("websocket")
                await device.send(conversation_id, "before")
                cable.cut()
                send = {"conversation_id": conversation_id, "client_id": "once", "body": "during"}
                with pytest.raises(Refused) as refused:
                    await ann.rest("GET", f"/conversations/{conversation_id}/messages")
                assert (refused.value.problem["status"], refused.value.problem["code"]) == (503, "unavailable")
                with pytest.raises((Refused, ConnectionError)) as refused_send:
                    await device.call("message:send", send)
                if isinstance(refused_send.value, Refused):
                    assert refused_send.value.problem["status"] == 503
                cable.mend()
                await device.send(conversation_id, "after")
                verdict = await check(conversation_id, [ann])
                assert [p for p in verdict.problems if "another history" not in p] == []
    finally:
        cable.cut()


async def test_events_say_who_follows_a_thread_and_who_is_mentioned(message: Replicas, kafka: Kafka) -> None:
    async with message.people(message.one.url, message.two.url, message.two.url) as (ann, bob, eve):
        conversation_id = await ann.conversation(bob, eve, kind="group", name="threads")
        path = f"/conversations/{conversation_id}/messages"
        root = await ann.rest("POST", path, json={"client_id": uuid.uuid4().hex, "body": "Lunch? @all"})
        reply = {"client_id": uuid.uuid4().hex, "body": "Yes", "thread_root": root["id"]}
        await bob.rest("POST", path, json=reply)
        first, second = await events_of(kafka, conversation_id, 2)
        assert (first["mentions_all"], first["thread_follower_ids"]) == (True, [])
        assert (second["message"]["thread_root"], second["mentions_all"]) == (root["id"], False)
        assert second["thread_follower_ids"] == [ann.id, bob.id]


async def test_kafka_may_be_away(message: Replicas, kafka: Kafka) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        conversation_id = await ann.conversation(bob)
        device = await ann.device()
        await bob.device()
        kafka.program.kill()
        try:
            await _send_all(device, conversation_id, 5)
            await settle(conversation_id, [ann, bob])
        finally:
            await asyncio.to_thread(kafka.program.start)
        events = await events_of(kafka, conversation_id, 5)
        assert [e["message"]["seq"] for e in events] == [1, 2, 3, 4, 5]
