"""The presence service as tests use it: replicas against a real Redis, spoken to as clients do."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import Service, service_program, wait_until
from chatcluster_testing.redis import Redis
from chatcluster_testing.sockets import hang_up
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
        answer: Any = await self._client.call(event, data, timeout=30)
        return answer

    async def told(self, event: str, *, after: int = 0, seconds: float = 30.0, **fields: Any) -> dict[str, Any]:
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
        await hang_up(self._client, self._session)


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


@contextmanager
def running_presence(redis: Redis, tokens: TokenAuthority, folder: Path) -> Iterator[Presence]:
    """Two replicas; dead processes are found sooner than usual."""
    with ExitStack() as stack:
        peers = stack.enter_context(running_peers())
        env = {
            "CHAT_REDIS_URL": redis.url("presence"),
            "CHAT_MESSAGE_URL": peers.url,
            "CHAT_USER_URL": peers.url,
            "CHAT_LEAVE_GRACE_SECONDS": "0.2",
            "CHAT_HEARTBEAT_SECONDS": "0.5",
            "CHAT_DEAD_AFTER_SECONDS": "6",
        }
        services = [service_program("presence", folder / n, env, jwks_file=tokens.jwks_file) for n in ("1", "2")]
        for service in services:
            stack.callback(service.program.stop)
            service.program.spawn()
        for service in services:
            wait_until(service.program.ready, f"{service.url} to be ready")
        one, two = services
        yield Presence(one, two, env, peers, tokens, folder)
