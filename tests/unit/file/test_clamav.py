"""What clamd says is heard, whenever it says it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chatcluster_file.clamav import ScannerAwayError, scan

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def scanned(talk: Talk, chunks: AsyncIterator[bytes]) -> str | None:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        return await scan("127.0.0.1", server.sockets[0].getsockname()[1], chunks, 10)


async def test_why_it_hung_up_is_heard_though_writing_to_it_fails() -> None:
    gone = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(20)
        writer.write(b"INSTREAM size limit exceeded. ERROR\0")
        await writer.drain()
        writer.transport.abort()  # with content unread: a reset
        gone.set()

    async def content() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        await gone.wait()
        for _ in range(3):
            yield b"x"
            await asyncio.sleep(0)

    with pytest.raises(ScannerAwayError, match="size limit exceeded"):
        await scanned(refuse, content())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "hung up"),
        (b"stream: O", "hung up"),
        (b"x" * 5000, "too much"),
        (b"COMMAND READ TIMED OUT. ERROR\0", "TIMED OUT"),
    ],
)
async def test_no_verdict(said: bytes, reason: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0\0\0")
        writer.write(said)
        writer.close()

    with pytest.raises(ScannerAwayError, match=reason):
        await scanned(answer, nothing())


async def test_a_verdict_in_pieces() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0\0\0")
        for part in (b"stream: Ei", b"car FOUND", b"\0"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    assert await scanned(answer, nothing()) == "Eicar"


async def test_nobody_there() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(ScannerAwayError, match="ConnectionRefused"):
        await scan("127.0.0.1", port, nothing(), 10)


async def nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk
