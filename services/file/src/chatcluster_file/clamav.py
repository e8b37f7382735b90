"""ClamAV's INSTREAM: content goes to clamd in chunks as it is read, the verdict comes back as a line."""

import asyncio
import re
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
                reader, writer = await asyncio.open_connection(host, port, limit=_ANSWER_BYTES)
            try:
                return await _talk(reader, writer, chunks)
            finally:
                writer.transport.abort()
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise ScannerAwayError(type(error).__name__) from error


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> str | None:
    writer.write(b"zINSTREAM\0")
    try:
        async for chunk in chunks:
            writer.write(struct.pack(">I", len(chunk)) + chunk)
            await writer.drain()
        writer.write(struct.pack(">I", 0))
        await writer.drain()
    except ConnectionError:
        pass  # clamd hangs up once it has seen enough: what it says is still to be read
    answer = (await reader.readuntil(b"\0")).rstrip(b"\0")
    if match := _ANSWER.fullmatch(answer):
        return match["name"].decode(errors="replace") if match["name"] else None
    raise ScannerAwayError(answer[:100].decode(errors="replace"))
