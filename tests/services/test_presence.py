"""The presence service against a real Redis: two processes at once, spoken to as clients do."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis as Client
from yarl import URL

from chatcluster_common import signals
from chatcluster_testing.presence import Presence, running_presence
from chatcluster_testing.process import INTERNAL_TOKEN, service_program
from chatcluster_testing.redis import Redis
from chatcluster_testing.tokens import TokenAuthority

INTERNAL = {"X-Internal-Token": INTERNAL_TOKEN}
Signal = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def presence(redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Presence]:
    """Two replicas that most tests use."""
    with running_presence(redis, tokens, tmp_path_factory.mktemp("presence")) as replicas:
        yield replicas


@pytest.fixture
def signal(redis: Redis) -> Signal:
    """Says what the user service would say."""

    async def send(kind: signals.Kind, **fields: str) -> None:
        async with Client.from_url(redis.url("user")) as client:
            await signals.send(client, kind, **fields)

    return send


def nobody(user_id: str) -> dict[str, Any]:
    return {"user_id": user_id, "status": "offline", "last_seen": None, "text": None, "emoji": None, "expires_at": None}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_who_watches_is_told_across_processes(presence: Presence, transport: str) -> None:
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one, transport)
        first = await watcher.call("presence:subscribe", user_ids=[bob])
        assert first == {"ok": True, "items": [nobody(bob)]}

        device = await devices.open(bob, presence.two, transport)
        online = await watcher.told("presence:changed", user_id=bob, status="online")
        assert online["last_seen"]
        for status in ("away", "dnd", "online"):
            assert (await device.call("presence:set", status=status))["appears"] == status
            at = len(watcher.events)
            await watcher.told("presence:changed", after=max(at - 1, 0), user_id=bob, status=status)
        await device.call("presence:set", status="invisible")
        await watcher.told("presence:changed", after=1, user_id=bob, status="offline")
        assert await presence.ask(ann, bob, ann) == {bob: "offline", ann: "online"}


async def test_a_person_is_offline_when_the_last_device_goes(presence: Presence) -> None:
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        phone, laptop = await devices.open(bob, presence.one), await devices.open(bob, presence.two)
        await watcher.told("presence:changed", user_id=bob, status="online")
        await phone.close()
        assert await presence.ask(ann, bob) == {bob: "online"}
        await laptop.close()
        offline = await watcher.told("presence:changed", user_id=bob, status="offline")
        assert offline["last_seen"]
        assert [data["status"] for name, data in watcher.events if name == "presence:changed"] == ["online", "offline"]


async def test_nobody_else_is_told(presence: Presence) -> None:
    ann, bob, eve = presence.person("ann"), presence.person("bob"), presence.person("eve")
    async with presence.devices() as devices:
        watcher, bystander = await devices.open(ann, presence.one), await devices.open(eve, presence.one)
        await bystander.call("presence:subscribe", user_ids=[bob, ann])
        await watcher.call("presence:subscribe", user_ids=[bob])
        await bystander.call("presence:unsubscribe", user_ids=[bob])
        await devices.open(bob, presence.two)
        await watcher.told("presence:changed", user_id=bob)
        assert [data for _, data in bystander.events if data["user_id"] == bob] == []


async def test_changes_are_coalesced(presence: Presence) -> None:
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher, device = await devices.open(ann, presence.one), await devices.open(bob, presence.two)
        await watcher.call("presence:subscribe", user_ids=[bob])
        for _ in range(20):
            await device.call("presence:set", status="away")
            await device.call("presence:set", status="dnd")
        await device.call("presence:set", status="away")
        await device.call("presence:set", status="invisible")
        await watcher.told("presence:changed", user_id=bob, status="offline")
        assert len(watcher.events) < 20


async def test_typing_is_told_to_the_members_and_ends_by_itself(presence: Presence) -> None:
    ann, bob, eve = presence.person("ann"), presence.person("bob"), presence.person("eve")
    conversation_id = presence.conversation(ann, bob)
    async with presence.devices() as devices:
        writer, reader = await devices.open(ann, presence.one), await devices.open(bob, presence.two, "polling")
        other = await devices.open(eve, presence.two)
        loop = asyncio.get_running_loop()
        assert await writer.call("typing:start", conversation_id=conversation_id) == {"ok": True}
        await reader.told("typing:changed", conversation_id=conversation_id, user_ids=[ann])
        await writer.call("typing:stop", conversation_id=conversation_id)
        await reader.told("typing:changed", conversation_id=conversation_id, user_ids=[])

        at = len(reader.events)
        begun = loop.time()
        await writer.call("typing:start", conversation_id=conversation_id)
        await reader.told("typing:changed", after=at, user_ids=[ann])
        await reader.told("typing:changed", after=at, user_ids=[])
        assert loop.time() - begun > 5
        assert (writer.events, other.events) == ([], [])
        refused = await other.call("typing:start", conversation_id=conversation_id)
        assert refused["error"]["status"] == 404


async def test_draining_tells_clients_to_go_and_nobody_goes_offline(presence: Presence) -> None:
    third = service_program("presence", presence.folder / "4", presence.env, jwks_file=presence.tokens.jwks_file)
    third.program.start()
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        device = await devices.open(bob, third)
        await watcher.told("presence:changed", user_id=bob, status="online")
        stopping = asyncio.create_task(asyncio.to_thread(third.program.stop))
        await device.told("server:draining")
        await devices.open(bob, presence.two)
        assert await stopping == 0
        # A look after the process counts as dead.
        async with asyncio.timeout(30):
            while "cleaned up after a process" not in presence.one.log + presence.two.log:
                await asyncio.sleep(0.05)
        assert await presence.ask(ann, bob) == {bob: "online"}
        assert [data["status"] for _, data in watcher.events] == ["online"]


async def test_requests_that_make_no_sense(presence: Presence) -> None:
    ann = presence.person("ann")
    async with presence.devices() as devices:
        device = await devices.open(ann, presence.one)
        for event, data in (
            ("presence:set", {"status": "asleep"}),
            ("presence:subscribe", {"user_ids": ["x"] * 201}),
            ("presence:subscribe", {"user_ids": ["a b"]}),
            ("typing:start", {}),
        ):
            assert (await device.call(event, **data))["error"]["status"] == 422
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{presence.one.url}/api/v1/presence?user_ids={ann}") as answer:
            assert answer.status == 401
        for wrong in ("a%20b", ",", "x" * 65, "%C3%98" * 20_000):
            url = f"{presence.one.url}/internal/presence?user_ids={wrong}"
            async with session.get(URL(url, encoded=True), headers=INTERNAL) as answer:
                assert answer.status in {400, 422}, wrong[:10]
        async with session.get(f"{presence.one.url}/internal/presence?user_ids=x,y", headers=INTERNAL) as answer:
            items = (await answer.json())["items"]
            assert items == [
                {"user_id": u, "status": "offline", "last_seen": None, "active": False} for u in ("x", "y")
            ]
        many = ",".join(f"u{n}" for n in range(201))
        async with session.get(f"{presence.one.url}/internal/presence?user_ids={many}", headers=INTERNAL) as answer:
            assert answer.status == 422


async def test_who_is_in_a_block_sees_nobody_and_no_typing(presence: Presence, signal: Signal) -> None:
    ann, bob, eve = (presence.person(name) for name in ("ann", "bob", "eve"))
    conversation_id = presence.conversation(ann, bob, eve)
    presence.peers.blocks.add((bob, ann))
    async with presence.devices() as devices:
        blocked, blocker = await devices.open(ann, presence.one), await devices.open(bob, presence.two)
        friend = await devices.open(eve, presence.one)
        await blocker.call("presence:set", status="dnd", text="Busy")
        assert (await blocked.call("presence:subscribe", user_ids=[bob]))["items"] == [nobody(bob)]
        assert (await blocker.call("presence:subscribe", user_ids=[ann]))["items"] == [nobody(ann)]
        assert (await friend.call("presence:subscribe", user_ids=[bob]))["items"][0]["text"] == "Busy"
        await blocker.call("presence:set", status="away")
        await friend.told("presence:changed", user_id=bob, status="away")
        assert await presence.ask(ann, bob) == {bob: "offline"}
        for typist in (blocker, blocked):
            await typist.call("typing:start", conversation_id=conversation_id)
        await friend.told("typing:changed", user_ids=sorted([ann, bob]))
        assert blocked.events == []
        assert {event for event, _ in blocker.events} == {"presence:me"}

        presence.peers.blocks.clear()
        await signal("relations_changed", user_id=bob, other_id=ann)
        await blocked.told("presence:changed", user_id=bob, status="away")
        await blocker.told("presence:changed", user_id=ann, status="online")
        presence.peers.blocks.add((bob, ann))
        await signal("relations_changed", user_id=bob, other_id=ann)
        assert await blocked.told("presence:changed", user_id=bob, status="offline") == nobody(bob)
        assert await blocker.told("presence:changed", user_id=ann, status="offline") == nobody(ann)
        presence.peers.blocks.clear()


async def test_last_seen_is_shown_to_whom_the_person_shows_it(presence: Presence, signal: Signal) -> None:
    ann, bob, eve = (presence.person(name) for name in ("ann", "bob", "eve"))
    presence.peers.contacts.add(frozenset({ann, bob}))
    async with presence.devices() as devices:
        contact, stranger = await devices.open(ann, presence.one), await devices.open(eve, presence.one)
        await devices.open(bob, presence.two)

        async def shown() -> list[bool]:
            answers = [await device.call("presence:subscribe", user_ids=[bob]) for device in (contact, stranger)]
            return [answer["items"][0]["last_seen"] is not None for answer in answers]

        await contact.call("presence:subscribe", user_ids=[bob])
        for whom, expected in (("contacts", [True, False]), ("nobody", [False, False]), ("everyone", [True, True])):
            presence.peers.last_seen_for[bob] = whom
            await signal("user_changed", user_id=bob)
            async with asyncio.timeout(30):
                while await shown() != expected:
                    await asyncio.sleep(0.02)


async def test_nobody_is_shown_without_the_user_service(presence: Presence) -> None:
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one)
        presence.peers.failing = True
        try:
            refused = await watcher.call("presence:subscribe", user_ids=[bob])
            assert (refused["ok"], refused["error"]["status"]) == (False, 503)
        finally:
            presence.peers.failing = False
        await devices.open(bob, presence.two)
        assert (await watcher.call("presence:subscribe", user_ids=[bob]))["items"][0]["status"] == "online"


async def test_other_services_are_told_who_uses_a_device(presence: Presence) -> None:
    ann = presence.person("ann")

    async def internal() -> dict[str, Any]:
        url = f"{presence.one.url}/internal/presence?user_ids={ann}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=INTERNAL) as answer:
            return (await answer.json())["items"][0]

    async with presence.devices() as devices:
        device = await devices.open(ann, presence.one)
        assert (await internal())["active"] is True
        await device.call("presence:set", status="invisible")
        told = await internal()
        assert (told["status"], told["active"]) == ("offline", True)
        await device.call("presence:activity", active=False)
        async with asyncio.timeout(30):
            while (await internal())["active"]:
                await asyncio.sleep(0.02)


async def test_a_custom_status_is_set_shown_and_ends(presence: Presence) -> None:
    ann, bob = presence.person("ann"), presence.person("bob")
    ends = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    async with presence.devices() as devices, aiohttp.ClientSession(headers=presence.tokens.authorization(bob)) as rest:
        watcher = await devices.open(ann, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        phone = await devices.open(bob, presence.two)
        body = {"status": "dnd", "text": " In a meeting ", "emoji": "📅", "expires_at": ends}
        async with rest.put(f"{presence.one.url}/api/v1/presence/me", json=body) as answer:
            me = await answer.json()
        assert (answer.status, me["status"], me["text"], me["appears"]) == (200, "dnd", "In a meeting", "dnd")
        shown = await watcher.told("presence:changed", user_id=bob, status="dnd", text="In a meeting", emoji="📅")
        assert shown["expires_at"] == me["expires_at"]
        at = watcher.events.index(("presence:changed", shown))
        assert await phone.told("presence:me") == me
        await watcher.told("presence:changed", after=at, user_id=bob, status="online", text=None, expires_at=None)
        async with rest.get(f"{presence.one.url}/api/v1/presence/me") as answer:
            assert ((await answer.json())["status"], answer.status) == ("online", 200)
        for wrong in (
            {"status": "dnd", "expires_at": "2020-01-01T00:00:00Z"},
            {"status": "dnd", "expires_at": "2990-01-01T00:00:00Z"},
            {"status": "dnd", "text": "two\nlines"},
            {"status": "dnd", "text": "x" * 141},
            {"status": "dnd", "emoji": "a b"},
            {"status": "offline"},
            {"status": "dnd", "more": 1},
        ):
            async with rest.put(f"{presence.one.url}/api/v1/presence/me", json=wrong) as answer:
                assert answer.status == 422, wrong


async def test_who_is_invisible_types_unseen_and_keeps_last_seen(presence: Presence) -> None:
    ann, bob, eve = (presence.person(name) for name in ("ann", "bob", "eve"))
    conversation_id = presence.conversation(ann, bob, eve)
    async with presence.devices() as devices:
        watcher, other = await devices.open(ann, presence.one), await devices.open(eve, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        device = await devices.open(bob, presence.two)
        await watcher.told("presence:changed", user_id=bob, status="online")
        await device.call("presence:set", status="invisible")
        hidden = await watcher.told("presence:changed", user_id=bob, status="offline")
        for event in ("typing:start", "typing:stop"):
            assert (await device.call(event, conversation_id=conversation_id))["ok"]
        await device.close()
        again = await devices.open(bob, presence.one)
        await again.call("presence:activity", active=False)
        # A frame that would have followed the hidden ones by now.
        await other.call("typing:start", conversation_id=conversation_id)
        await watcher.told("typing:changed", user_ids=[eve])
        assert (await watcher.call("presence:subscribe", user_ids=[bob]))["items"] == [hidden]
        assert [data for name, data in watcher.events if name == "presence:changed"][1:] == [hidden]


async def test_what_is_held_about_a_person_is_exported_and_erased(presence: Presence, signal: Signal) -> None:
    bob = presence.person("bob")
    url = f"{presence.one.url}/internal/users/{bob}"
    async with presence.devices() as devices, aiohttp.ClientSession(headers=INTERNAL) as session:

        async def export() -> list[Any]:
            async with session.get(f"{url}/export") as answer:
                assert answer.content_type == "application/x-ndjson"
                return [json.loads(line) for line in (await answer.read()).splitlines()]

        async def erase() -> bool:
            async with session.post(f"{url}/erase") as answer:
                return (await answer.json())["done"]

        assert await export() == []
        device = await devices.open(bob, presence.two)
        await device.call("presence:set", status="dnd", text="Busy")
        (line,) = await export()
        assert line["kind"] == "presence"
        assert (line["data"]["text"], line["data"]["connected_devices"]) == ("Busy", 1)
        assert not await erase()
        await signal("user_erased", user_id=bob)
        await device.told("auth:expired")
        async with asyncio.timeout(30):
            while not await erase():
                await asyncio.sleep(0.02)
        assert await export() == []


async def test_people_rest_on_all_devices_and_go_with_their_process(presence: Presence) -> None:
    env = presence.env | {"CHAT_IDLE_AFTER_SECONDS": "1"}
    third = service_program("presence", presence.folder / "3", env, jwks_file=presence.tokens.jwks_file)
    third.program.start()
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        phone = await devices.open(bob, third)
        laptop = await devices.open(bob, presence.two)
        await watcher.told("presence:changed", user_id=bob, status="online")
        await laptop.call("presence:activity", active=False)
        await watcher.told("presence:changed", user_id=bob, status="away")
        at = len(watcher.events)
        await phone.call("presence:activity")
        await watcher.told("presence:changed", after=at, user_id=bob, status="online")
        await laptop.close()
        third.program.kill()
        gone = await watcher.told("presence:changed", user_id=bob, status="offline")
        assert gone["last_seen"]
