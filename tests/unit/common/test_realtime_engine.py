"""Sessions over a real server and real sockets: order, bounds, closing, draining, pings, both transports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatcluster_common.realtime import engine as engine_module
from chatcluster_common.realtime.engine import SLOW_CONSUMERS, Engine
from chatcluster_common.realtime.frames import Packet
from chatcluster_common.realtime.session import Session
from chatcluster_common.realtime.websocket import WebSocket


@dataclass
class Running:
    """An engine that answers on a port; each message is kept, and answered with itself."""

    engine: Engine
    port: int
    messages: list[str] = field(default_factory=list[str])
    ended: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?EIO=4&transport=polling"

    @property
    def session(self) -> Session:
        (session,) = self.engine.sessions.values()
        return session

    @asynccontextmanager
    async def websocket(self, sid: str = "", **options: Any) -> AsyncIterator[ClientConnection]:
        uri = f"ws://127.0.0.1:{self.port}/?EIO=4&transport=websocket{sid and '&sid=' + sid}"
        async with connect(uri, **options) as websocket:
            if not sid:
                assert str(await websocket.recv()).startswith('0{"sid":')
                self.session.joined = True
            yield websocket


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Running]:
    engine = Engine(**options)
    server = uvicorn.Server(
        uvicorn.Config(
            engine.handle_request,
            interface="asgi3",
            ws=WebSocket,
            ws_max_size=1 << 20,
            lifespan="off",
            port=0,
            log_config=None,
            access_log=False,
        )
    )
    with server.capture_signals():
        serving = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.001)
        here = Running(engine, server.servers[0].sockets[0].getsockname()[1])

        async def on_connect(_sid: str, _environ: object) -> None:
            pass

        async def on_message(sid: str, data: str) -> None:
            here.messages.append(data)
            await engine.send(sid, data)

        async def on_disconnect(_sid: str, reason: str) -> None:
            here.ended.append(reason)

        engine.on("connect", on_connect)
        engine.on("message", on_message)
        engine.on("disconnect", on_disconnect)
        try:
            yield here
        finally:
            server.should_exit = True
            await serving


def event(n: int, size: int = 0) -> Packet:
    return Packet(b"42%d" % n + b"x" * size)


async def read_all(websocket: ClientConnection) -> None:
    """Read until there is an end."""
    while True:
        await websocket.recv()


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_messages_are_handled_and_answered_in_order() -> None:
    async with running() as here, here.websocket() as websocket:
        for n in range(100):
            await websocket.send(f"4{n}")
        assert [await websocket.recv() for _ in range(100)] == [f"4{n}" for n in range(100)]
        assert here.messages == [str(n) for n in range(100)]


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536, 200_000])
async def test_events_of_any_size_arrive_whole(size: int) -> None:
    async with running() as here, here.websocket() as websocket:
        assert here.session.offer(Packet(b"4" + b"y" * (size - 1)))
        assert await websocket.recv() == "4" + "y" * (size - 1)


async def test_a_client_that_does_not_read_is_cut_off_and_costs_bounded_memory() -> None:
    before = SLOW_CONSUMERS._value.get()
    async with running(max_unsent=100_000) as here, here.websocket(max_queue=1) as websocket:
        session = here.session
        unsent = 0
        async with asyncio.timeout(10):
            while session.offer(event(0, 10_000)):
                assert session._websocket is not None
                unsent = max(unsent, session._websocket.unsent)
                await asyncio.sleep(0)
        assert unsent < 100_000 + 2 * 10_100
        await until(lambda: here.ended == ["transport error"])
        assert SLOW_CONSUMERS._value.get() == before + 1
        assert not session.offer(event(0))
        assert not here.engine.sessions
        with pytest.raises(ConnectionClosed):
            await read_all(websocket)


async def test_a_large_reply_is_not_held_against_its_reader() -> None:
    async with running(max_unsent=1000) as here, here.websocket(max_size=None) as websocket:
        await here.engine.send(here.session.sid, "r" * 10_000_000)
        for n in range(5):
            assert here.session.offer(event(n))
        assert len(await websocket.recv()) == 10_000_001
        assert [await websocket.recv() for _ in range(5)] == [f"42{n}" for n in range(5)]


async def test_who_does_not_read_replies_is_not_served_until_they_do() -> None:
    async with running(max_http_buffer_size=1 << 17) as here, here.websocket(max_queue=1, max_size=None) as websocket:
        for _ in range(300):
            await asyncio.wait_for(websocket.send("4" + "m" * 60_000), 5)
            if here.session._replying:
                break
        handled = len(here.messages)
        assert handled < 300
        reading = [len(await websocket.recv()) for _ in range(handled)]
        assert set(reading) == {60_001}


async def test_closing_sends_what_is_queued_first() -> None:
    async with running() as here, here.websocket() as websocket:
        for n in range(3):
            here.session.offer(event(n))
        await here.engine.close(here.session.sid)
        assert [await websocket.recv() for _ in range(4)] == ["420", "421", "422", "1"]
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
        assert here.ended == ["server disconnect"]


async def test_a_lost_connection_ends_its_session() -> None:
    async with running() as here:
        async with here.websocket() as websocket:
            websocket.transport.abort()
            await until(lambda: here.ended == ["transport close"])
        assert not here.engine.sessions


async def test_newcomers_are_refused_while_draining() -> None:
    async with running() as here, here.websocket() as websocket, aiohttp.ClientSession() as http:
        here.engine.accepting = False
        with pytest.raises(InvalidStatus):
            async with here.websocket():
                pass
        async with http.get(here.url) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        await websocket.send("4still here")
        assert await websocket.recv() == "4still here"


async def test_who_does_not_answer_pings_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PING_SECONDS", 0.1)
    monkeypatch.setattr(engine_module, "PONG_SECONDS", 0.3)
    monkeypatch.setattr(engine_module, "_SWEEP_SECONDS", 0.02)
    async with running() as here, here.websocket() as websocket:
        for _ in range(3):
            assert await websocket.recv() == "2"
            await websocket.send("3")
        assert not here.ended
        await until(lambda: here.ended == ["ping timeout"])


async def test_a_stranger_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PING_SECONDS", 0.05)
    async with running() as here, here.websocket() as websocket:
        here.session.joined = False
        assert await websocket.recv() == "1"


@pytest.mark.parametrize("data", [b"\x00binary", "9", "", "x"])
async def test_what_is_no_packet_ends_the_session(data: str | bytes) -> None:
    async with running() as here, here.websocket() as websocket:
        await websocket.send(data)
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
        await until(lambda: not here.engine.sessions)


async def test_a_message_that_is_too_large_ends_the_session() -> None:
    async with running() as here, here.websocket() as websocket:
        with pytest.raises(ConnectionClosed):
            await asyncio.gather(websocket.send("4" + "x" * (1 << 24)), read_all(websocket))
        assert here.messages == []


async def test_fragments_are_one_message() -> None:
    async with running() as here, here.websocket() as websocket:
        await websocket.send(["4a", "b", "c"])
        assert await websocket.recv() == "4abc"
        assert here.messages == ["abc"]


@asynccontextmanager
async def polling(here: Running) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client that polls, and the URL of its session."""
    async with aiohttp.ClientSession() as http:
        async with http.get(here.url) as answer:
            opened = await answer.text()
        assert '"upgrades":["websocket"]' in opened
        here.session.joined = True
        yield http, f"{here.url}&sid={here.session.sid}"


async def text(answer: Any) -> str:
    async with answer as response:
        assert response.status == 200, await response.text()
        return await response.text()


async def test_polling_carries_packets_both_ways() -> None:
    async with running() as here, polling(here) as (http, url):
        assert await text(http.post(url, data="4one\x1e4two")) == "ok"
        assert here.messages == ["one", "two"]
        assert await text(http.get(url)) == "4one\x1e4two"
        waiting = asyncio.create_task(text(http.get(url)))
        await until(lambda: here.session._poll is not None)
        here.session.offer(event(7))
        assert await waiting == "427"


async def test_the_last_poll_takes_what_is_left() -> None:
    async with running() as here, polling(here) as (http, url):
        here.session.offer(event(1))
        await here.engine.close(here.session.sid)
        assert await text(http.get(url)) == "421\x1e1"
        async with http.get(url) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, 1)


async def test_a_poller_that_does_not_poll_is_cut_off() -> None:
    async with running(max_unsent=1000) as here, polling(here) as (http, url):
        session = here.session
        while session.offer(event(0, 100)):
            pass
        await until(lambda: here.ended == ["transport error"])
        async with http.get(url) as answer:
            assert answer.status == 400


async def test_two_polls_at_once_end_the_session() -> None:
    async with running() as here, polling(here) as (http, url):
        first = asyncio.create_task(text(http.get(url)))
        await until(lambda: here.session._poll is not None)
        async with http.get(url) as answer:
            assert answer.status == 400
        assert await first == "6"


async def test_the_same_poll_again_gets_the_same_answer() -> None:
    """An HTTP client sends a poll once more by itself when its connection was cut off before the answer was there."""
    async with running() as here, polling(here) as (http, url):
        here.session.offer(event(1))
        assert await text(http.get(f"{url}&t=a")) == "421"
        here.session.offer(event(2))
        assert await text(http.get(f"{url}&t=a")) == "421"
        assert await text(http.get(f"{url}&t=b")) == "422"
        assert await text(http.get(f"{url}&t=b")) == "422"


async def test_polls_without_a_stamp_are_all_new() -> None:
    async with running() as here, polling(here) as (http, url):
        for n in range(3):
            here.session.offer(event(n))
            assert await text(http.get(url)) == f"42{n}"


async def test_an_answer_is_kept_no_longer_than_it_may_be_asked_for() -> None:
    async with running() as here, polling(here) as (http, url):
        here.session.offer(event(1))
        await text(http.get(f"{url}&t=a"))
        assert here.session._answer == "421"
        waiting = asyncio.create_task(text(http.get(f"{url}&t=b")))
        await until(lambda: here.session._poll is not None)
        assert here.session._answer is None
        here.session.offer(event(2))
        await waiting


async def test_a_poll_whose_connection_is_lost_ends_the_session() -> None:
    """What is sent from then on would go out to nobody."""
    async with running() as here, polling(here) as (_http, url):
        session = here.session
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        path = url.partition(str(here.port))[2]
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await until(lambda: session._poll is not None)
        writer.transport.abort()
        await until(lambda: session.closed)
        assert here.ended == ["transport error"]
        assert not session.offer(event(1))
        assert await reader.read() == b""


async def test_a_session_moves_to_a_websocket_and_keeps_its_order() -> None:
    async with running() as here, polling(here) as (http, url):
        session = here.session
        waiting = asyncio.create_task(text(http.get(url)))
        await until(lambda: session._poll is not None)
        async with here.websocket(session.sid) as websocket:
            await websocket.send("2probe")
            assert await websocket.recv() == "3probe"
            assert await waiting == "6"
            session.offer(event(1))
            await websocket.send("5")
            await until(lambda: not session.polling)
            session.offer(event(2))
            assert [await websocket.recv() for _ in range(2)] == ["421", "422"]
            async with http.get(url) as answer:
                assert answer.status == 400
            await websocket.send("4hello")
            assert await websocket.recv() == "4hello"


async def test_a_probe_that_comes_to_nothing_leaves_polling_as_it_was() -> None:
    async with running() as here, polling(here) as (http, url):
        async with here.websocket(here.session.sid) as websocket:
            await websocket.send("2probe")
            assert await websocket.recv() == "3probe"
        await until(lambda: here.session._upgrading is None)
        here.session.offer(event(3))
        assert await text(http.get(url)) == "423"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=4&transport=carrier-pigeon", 0),
        ("EIO=4&transport=polling&j=0", 0),
        ("EIO=4&transport=polling&sid=unknown", 1),
        ("EIO=3&transport=polling", 5),
    ],
)
async def test_bad_requests_are_told_as_the_official_server_does(query: str, code: int) -> None:
    async with (
        running() as here,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{here.port}/?{query}") as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (400, code)


async def test_other_origins_may_poll() -> None:
    async with running() as here, aiohttp.ClientSession() as http, http.options(here.url) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
