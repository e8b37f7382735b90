"""The presence service against a real Redis: two processes at once, spoken to as clients do."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio
from redis.asyncio import Redis as Client

from chatcluster_common import signals
from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import INTERNAL_TOKEN, Service, service_program, wait_until
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority

INTERNAL = {"X-Internal-Token": INTERNAL_TOKEN}
Signal = Callable[..., Awaitable[None]]


class Device:
    """A connected client, and what it was told."""

    def __init__(self, client: socketio.AsyncClient, session: aiohttp.ClientSession) -> None:
        self._client = client
        self._session = session
        self._changed = asyncio.Event()
        self.events: list[tuple[str, Any]] = []
        client.on("*", self._on_event)

    def _on_event(self, event: str, data: Any = None) -> None:
        self.events.append((event, data))
        self._changed.set()

    async def call(self, event: str, **data: Any) -> dict[str, Any]:
        """The acknowledgement."""
        answer: Any = await self._client.call(event, data, timeout=10)
        return answer

    async def told(self, event: str, *, after: int = 0, seconds: float = 15.0, **fields: Any) -> dict[str, Any]:
        """The first event of that name, past ones after the index `after` included, whose data has `fields`."""
        async with asyncio.timeout(seconds):
            while True:
                self._changed.clear()
                for name, data in self.events[after:]:
                    if name == event and fields.items() <= data.items():
                        return data
                await self._changed.wait()

    async def close(self) -> None:
        """Disconnect."""
        await self._client.disconnect()
        await self._session.close()


@dataclass
class Presence:
    """Two replicas of the service, and what they need."""

    one: Service
    two: Service
    env: dict[str, str]
    peers: Peers
    tokens: TokenAuthority
    folder: Path

    @asynccontextmanager
    async def devices(self) -> AsyncIterator["Devices"]:
        """Opens devices that close at the end."""
        async with AsyncExitStack() as stack:
            yield Devices(self, stack)

    def person(self, name: str) -> str:
        """Somebody whom the user service knows."""
        user_id = f"{name}-{uuid.uuid4()}"
        self.peers.add_person(user_id, name)
        return user_id

    def conversation(self, *user_ids: str) -> str:
        """A conversation that the message service knows of."""
        conversation_id = str(uuid.uuid4())
        self.peers.members[conversation_id] = dict.fromkeys(user_ids, "member")
        return conversation_id

    async def ask(self, caller: str, *user_ids: str) -> dict[str, str]:
        """The status of people, by REST."""
        async with aiohttp.ClientSession(headers=self.tokens.authorization(caller)) as session:
            url = f"{self.one.url}/api/v1/presence?user_ids={','.join(user_ids)}"
            async with session.get(url, raise_for_status=True) as answer:
                return {item["user_id"]: item["status"] for item in (await answer.json())["items"]}


@dataclass
class Devices:
    """Where a test gets its devices from."""

    presence: Presence
    stack: AsyncExitStack

    async def open(self, user_id: str, service: Service, transport: str = "websocket") -> Device:
        """A device of a person at a replica."""
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        device = Device(client, session)
        self.stack.push_async_callback(device.close)
        await client.connect(
            service.url,
            auth={"token": self.presence.tokens.token_for(user_id)},
            transports=[transport],
            socketio_path="/presence/socket.io",
        )
        return device


@pytest.fixture(scope="module")
def presence(redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Presence]:
    """The service as most tests use it; dead processes are found sooner than usual."""
    folder = tmp_path_factory.mktemp("presence")
    with ExitStack() as stack:
        peers = stack.enter_context(running_peers())
        env = {
            "CHAT_REDIS_URL": redis.url("presence"),
            "CHAT_MESSAGE_URL": peers.url,
            "CHAT_USER_URL": peers.url,
            "CHAT_LEAVE_GRACE_SECONDS": "0.2",
            "CHAT_HEARTBEAT_SECONDS": "0.5",
            "CHAT_DEAD_AFTER_SECONDS": "2.5",
        }
        services = [service_program("presence", folder / n, env, jwks_file=tokens.jwks_file) for n in ("1", "2")]
        for service in services:
            stack.callback(service.program.stop)
            service.program.spawn()
        for service in services:
            wait_until(service.program.ready, f"{service.url} to be ready")
        one, two = services
        yield Presence(one, two, env, peers, tokens, folder)


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
        assert 5 < loop.time() - begun < 8
        assert (writer.events, other.events) == ([], [])
        refused = await other.call("typing:start", conversation_id=conversation_id)
        assert refused["error"]["status"] == 404


async def test_the_people_of_a_dead_process_go_offline(presence: Presence) -> None:
    third = service_program("presence", presence.folder / "3", presence.env, jwks_file=presence.tokens.jwks_file)
    third.program.start()
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        await devices.open(bob, third)
        await watcher.told("presence:changed", user_id=bob, status="online")
        third.program.kill()
        gone = await watcher.told("presence:changed", user_id=bob, status="offline")
        assert gone["last_seen"]


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
        async with asyncio.timeout(10):
            while "cleaned up after a process" not in presence.one.log + presence.two.log:
                await asyncio.sleep(0.05)
        assert await presence.ask(ann, bob) == {bob: "online"}
        assert [data["status"] for _, data in watcher.events] == ["online"]


async def test_redis_may_lose_everything(presence: Presence) -> None:
    with running_redis() as redis:
        env = presence.env | {"CHAT_REDIS_URL": redis.url("presence")}
        service = service_program("presence", presence.folder / "5", env, jwks_file=presence.tokens.jwks_file)
        service.program.start()
        ann, bob = presence.person("ann"), presence.person("bob")
        async with presence.devices() as devices:
            watcher, device = await devices.open(ann, service), await devices.open(bob, service)
            await watcher.call("presence:subscribe", user_ids=[bob])
            redis.program.kill()
            redis.program.start()
            # A call may fail while the connection is new; the state comes back by itself.
            async with asyncio.timeout(15):
                while (await device.call("presence:set", status="dnd"))["ok"] is False:
                    await asyncio.sleep(0.05)
            await watcher.told("presence:changed", user_id=bob, status="dnd")
        assert service.program.stop() == 0


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
            async with asyncio.timeout(10):
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
        async with asyncio.timeout(10):
            while (await internal())["active"]:
                await asyncio.sleep(0.02)
