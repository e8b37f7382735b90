"""ClamAV's INSTREAM: content goes to clamd in chunks as it is read, the verdict comes back as a line."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator

_CONNECT_SECONDS = 3.0
_ANSWER = re.compile(rb"stream: (?:(?P<name>.+) FOUND|OK)")
_ANSWER_BYTES = 1024


class ScannerAwayError(Exception):
    """No verdict: clamd cannot be reached, or does not answer as it should."""


async def scan(host: str, port: int, chunks: AsyncIterator[bytes], seconds: float) -> str | None:
    """The name of what clamd finds in the content, or None. Raises `ScannerAwayError` without a verdict in time."""
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.timeout(_CONNECT_SECONDS):
                connection = await _connect(host, port)
            with connection:
                return await _talk(connection, chunks)
    except OSError as error:
        raise ScannerAwayError(type(error).__name__) from error


async def _connect(host: str, port: int) -> socket.socket:
    """To the first address that takes the connection. A bare socket: asyncio's streams throw away what has arrived once
    a write fails, and that is where clamd says why it hung up."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure or OSError(f"{host} has no address")


async def _talk(connection: socket.socket, chunks: AsyncIterator[bytes]) -> str | None:
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(connection, b"zINSTREAM\0")
        async for chunk in chunks:
            await loop.sock_sendall(connection, struct.pack(">I", len(chunk)) + chunk)
        await loop.sock_sendall(connection, struct.pack(">I", 0))
    except ConnectionError:
        pass  # clamd hangs up once it has seen enough: what it says is still to be read
    answer = b""
    while not answer.endswith(b"\0"):
        part = await loop.sock_recv(connection, _ANSWER_BYTES)
        if not part or len(answer) > _ANSWER_BYTES:
            raise ScannerAwayError("it hung up without a verdict" if not part else "it says too much")
        answer += part
    answer = answer.rstrip(b"\0")
    if match := _ANSWER.fullmatch(answer):
        return match["name"].decode(errors="replace") if match["name"] else None
    raise ScannerAwayError(answer[:100].decode(errors="replace"))
