"""The presence service against a real Redis: two processes at once, spoken to as clients do."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import INTERNAL_TOKEN, Service, service_program, wait_until
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority


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


def person(name: str) -> str:
    return f"{name}-{uuid.uuid4()}"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_who_watches_is_told_across_processes(presence: Presence, transport: str) -> None:
    ann, bob = person("ann"), person("bob")
    async with presence.devices() as devices:
        watcher = await devices.open(ann, presence.one, transport)
        first = await watcher.call("presence:subscribe", user_ids=[bob])
        assert first == {"ok": True, "items": [{"user_id": bob, "status": "offline", "last_seen": None}]}

        device = await devices.open(bob, presence.two, transport)
        online = await watcher.told("presence:changed", user_id=bob, status="online")
        assert online["last_seen"]
        for status in ("away", "dnd", "online"):
            assert await device.call("presence:set", status=status) == {"ok": True, "status": status}
            at = len(watcher.events)
            await watcher.told("presence:changed", after=max(at - 1, 0), user_id=bob, status=status)
        await device.call("presence:set", status="invisible")
        await watcher.told("presence:changed", after=1, user_id=bob, status="offline")
        assert await presence.ask(ann, bob, ann) == {bob: "offline", ann: "online"}


async def test_a_person_is_offline_when_the_last_device_goes(presence: Presence) -> None:
    ann, bob = person("ann"), person("bob")
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
    ann, bob, eve = person("ann"), person("bob"), person("eve")
    async with presence.devices() as devices:
        watcher, bystander = await devices.open(ann, presence.one), await devices.open(eve, presence.one)
        await bystander.call("presence:subscribe", user_ids=[bob, ann])
        await watcher.call("presence:subscribe", user_ids=[bob])
        await bystander.call("presence:unsubscribe", user_ids=[bob])
        await devices.open(bob, presence.two)
        await watcher.told("presence:changed", user_id=bob)
        assert [data for _, data in bystander.events if data["user_id"] == bob] == []


async def test_changes_are_coalesced(presence: Presence) -> None:
    ann, bob = person("ann"), person("bob")
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
    ann, bob, eve = person("ann"), person("bob"), person("eve")
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
    ann, bob = person("ann"), person("bob")
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
    ann, bob = person("ann"), person("bob")
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
        ann, bob = person("ann"), person("bob")
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
    ann = person("ann")
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
        headers = {"X-Internal-Token": INTERNAL_TOKEN}
        async with session.get(f"{presence.one.url}/internal/presence?user_ids=x,y", headers=headers) as answer:
            items = (await answer.json())["items"]
            assert items == [{"user_id": u, "status": "offline", "last_seen": None} for u in ("x", "y")]
        many = ",".join(f"u{n}" for n in range(201))
        async with session.get(f"{presence.one.url}/internal/presence?user_ids={many}", headers=headers) as answer:
            assert answer.status == 422
