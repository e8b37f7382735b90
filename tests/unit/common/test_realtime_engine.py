"""The bounds of a connection: a queue with an end, a hang-up that works, no newcomers while draining."""

import asyncio
from typing import Any

from engineio import packet
from starlette.types import Message, Scope

from chatcluster_common.realtime.engine import SLOW_CONSUMERS, Engine

WEBSOCKET: Scope = {
    "type": "websocket",
    "path": "/socket.io/",
    "query_string": b"transport=websocket&EIO=4",
    "headers": [(b"upgrade", b"websocket"), (b"connection", b"upgrade")],
}


class Client:
    """The far end of an ASGI WebSocket: it says nothing, and reads only while `reading` is set."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.got: list[Message] = []
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._said.put_nowait({"type": "websocket.connect"})

    async def receive(self) -> Message:
        return await self._said.get()

    async def send(self, message: Message) -> None:
        await self.reading.wait()
        self.got.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.got if message["type"] == "websocket.send"]


async def connected(client: Client, **options: Any) -> tuple[Engine, str, asyncio.Task[None]]:
    engine = Engine(async_mode="asgi", monitor_clients=False, cors_allowed_origins="*", **options)
    serving = asyncio.create_task(engine.handle_request(WEBSOCKET, client.receive, client.send))
    async with asyncio.timeout(5):
        while not client.texts:
            await asyncio.sleep(0)
    return engine, next(iter(engine.sockets)), serving


def event(n: int) -> packet.Packet:
    return packet.Packet(packet.MESSAGE, f"2{n}")


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    client = Client()
    engine, sid, serving = await connected(client, max_queue=3)
    before = SLOW_CONSUMERS._value.get()
    client.reading.clear()
    taken = 0
    async with asyncio.timeout(5):
        while engine.offer(sid, event(taken)):
            taken += 1
            await asyncio.sleep(0)
        await serving
    assert 3 <= taken <= 2 * 3 + 1  # the queue, and what the writer had taken from it
    assert SLOW_CONSUMERS._value.get() == before + 1
    assert not engine.offer(sid, event(0))


async def test_dropping_sends_what_is_queued_first() -> None:
    client = Client()
    engine, sid, serving = await connected(client)
    for n in range(3):
        engine.offer(sid, event(n))
    async with asyncio.timeout(5):
        await engine.drop(sid)
        await serving
    assert client.texts[1:] == ["420", "421", "422", "1"]
    assert client.got[-1]["type"] == "websocket.close"


async def test_newcomers_are_refused_while_draining() -> None:
    client = Client()
    engine = Engine(async_mode="asgi", monitor_clients=False)
    engine.accepting = False
    await engine.handle_request(WEBSOCKET, client.receive, client.send)
    assert [message["type"] for message in client.got] == ["websocket.close"]
    poll: Scope = {**WEBSOCKET, "type": "http", "method": "GET", "query_string": b"transport=polling&EIO=4"}
    await engine.handle_request(poll, client.receive, client.send)
    assert client.got[1]["status"] == 503
    assert (b"retry-after", b"1") in client.got[1]["headers"]
