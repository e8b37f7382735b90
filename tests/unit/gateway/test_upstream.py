"""The HTTP/1.1 client on real connections: what services may answer, and what they must not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chatcluster_common.errors import Problem
from chatcluster_gateway.body import RequestBody
from chatcluster_gateway.breaker import State
from chatcluster_gateway.http1 import BrokenOffError
from chatcluster_gateway.upstream import Upstreams

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upstreams(handle: Handler, **changes: Any) -> AsyncIterator[Upstreams]:
    """The client before one service."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings: dict[str, Any] = {"connections": 4, "connect_seconds": 1, "answer_seconds": 0.4, "circuit_failures": 100}
    settings |= {"circuit_seconds": 1} | changes
    async with server, Upstreams({"user": f"http://127.0.0.1:{port}"}, **settings) as made:
        yield made


def answering(*answers: bytes) -> tuple[Handler, list[bytes]]:
    """A service that gives these answers one after the other on each connection; and the heads that it saw."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()

    return handle, heads


async def get(client: Upstreams, method: bytes = b"GET") -> tuple[int, bytes]:
    """Status and body of one call."""
    answer = await client.call("user", method, b"/x", [], None)
    try:
        return answer.status, b"".join([piece async for piece in answer.pieces()])
    finally:
        answer.release()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nX-T: 1\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
         b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n!", 201, b"!"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("piecewise", [False, True])
async def test_answers(answer: bytes, status: int, body: bytes, piecewise: bool) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in [answer[i : i + 1] for i in range(len(answer))] if piecewise else [answer]:
            writer.write(piece)
            await writer.drain()

    async with upstreams(handle) as client:
        assert await get(client) == (status, body)


async def test_a_head_without_its_body_leaves_the_connection_good() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    handle, heads = answering(answer, answer + b"hello", answer)
    async with upstreams(handle) as client:
        assert [await get(client, b"HEAD"), await get(client), await get(client, b"HEAD")] == [
            (200, b""), (200, b"hello"), (200, b""),
        ]  # fmt: skip
    assert len(heads) == 3, "all on one connection"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore",
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_not_used_again(answer: bytes) -> None:
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()

    async with upstreams(handle) as client:
        for _ in range(3):
            status, body = await get(client)
            assert (status, body[:2]) == (200, b"ok")
            assert b"bad" not in body
    assert connections == 3


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 999999 X\r\n\r\n",
     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
)  # fmt: skip
async def test_what_is_no_answer(answer: bytes) -> None:
    handle, heads = answering(answer)
    async with upstreams(handle) as client:
        with pytest.raises(Problem) as caught:
            await get(client, b"POST")
        assert caught.value.status == 502
        assert len(heads) == 1, "a call that may have had an effect is not repeated"


async def test_an_answer_cut_short() -> None:
    handle, _ = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    async with upstreams(handle) as client:
        with pytest.raises(BrokenOffError):
            await get(client)


async def test_no_answer_in_time() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstreams(handle) as client:
        with pytest.raises(Problem) as caught:
            await get(client)
        assert caught.value.status == 504


async def test_calls_wait_for_a_connection_and_not_for_ever() -> None:
    going = asyncio.Event()
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await going.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with upstreams(handle, connections=2, connect_seconds=0.3, answer_seconds=5) as client:
        first = [asyncio.create_task(get(client)) for _ in range(2)]
        async with asyncio.timeout(5):
            while connections < 2:
                await asyncio.sleep(0.01)
        with pytest.raises(Problem) as caught:
            await get(client)
        assert caught.value.status == 503
        waiting = [asyncio.create_task(get(client)) for _ in range(6)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        first[0].cancel()  # its connection is closed: another may be opened in its place
        going.set()
        results = await asyncio.gather(*first, *waiting, return_exceptions=True)
        assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == [(200, b"ok")] * 6
    assert connections == 3


async def test_an_answer_may_come_before_the_body_is_sent() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    async with upstreams(handle) as client:
        body = RequestBody(receive, 10**12, None)
        answer = await client.call("user", b"POST", b"/x", [], body)
        assert answer.status == 413
        answer.release()


async def test_a_service_that_fails_is_left_alone_and_taken_back() -> None:
    broken = True

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not broken:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")

    async with upstreams(handle, circuit_failures=3, circuit_seconds=0.2) as client:
        breaker = client._breakers["user"]
        for _ in range(3):
            with pytest.raises(Problem):
                await get(client, b"POST")
        assert breaker.state is State.OPEN
        with pytest.raises(Problem) as caught:
            await get(client)
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
        broken = False
        async with asyncio.timeout(5):
            while breaker.state is not State.CLOSED:
                try:
                    assert await get(client) == (500, b""), "an answer is an answer"
                except Problem:
                    await asyncio.sleep(0.02)


def problem(status: int) -> bytes:
    """An answer that has no body."""
    return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status


@pytest.mark.parametrize(
    ("method", "answers", "status", "calls"),
    [
        (b"GET", [503, 200], 200, 2),
        (b"PUT", [503, 204], 204, 2),
        (b"DELETE", [503, 204], 204, 2),
        (b"GET", [503, 503], 503, 2),
        (b"POST", [503, 201], 503, 1),
        (b"PATCH", [503, 200], 503, 1),
        (b"GET", [500, 200], 500, 1),
    ],
)
async def test_a_service_whose_store_moved_is_asked_again_where_that_does_no_harm(
    method: bytes, answers: list[int], status: int, calls: int
) -> None:
    left = [problem(answer) for answer in answers]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0))
        await writer.drain()

    async with upstreams(handle) as client:
        assert (await get(client, method))[0] == status
        assert len(answers) - len(left) == calls
