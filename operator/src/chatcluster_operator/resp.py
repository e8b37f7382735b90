"""Commands to Redis and Sentinel by their own protocol (RESP 2): a few at a time, on a connection that is closed
afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

_MOST_BYTES: Final = 1024 * 1024
"""What is asked for is a few kilobytes; more is not Redis."""
_MOST_ITEMS: Final = 10_000


class RespError(Exception):
    """The server refuses a command. The message is its own."""


async def converse(host: str, port: int, login: tuple[str, str], *commands: Sequence[str], seconds: float) -> list[Any]:
    """The answers to the commands: texts, numbers, None, or lists of these.

    `login` is the user and the password. Raises RespError for the first command that is refused, TimeoutError after
    `seconds`, OSError when nobody answers.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(host, port, limit=_MOST_BYTES)
        try:
            for words in (("AUTH", *login), *commands):
                writer.write(_encoded(words))
            await writer.drain()
            return [await _answer(reader) for _ in range(len(commands) + 1)][1:]
        except (ValueError, asyncio.IncompleteReadError) as error:
            raise ConnectionError(f"{host}:{port} does not speak as Redis does") from error
        finally:
            writer.close()


def _encoded(words: Sequence[str]) -> bytes:
    raw = [word.encode() for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


async def _answer(reader: asyncio.StreamReader) -> Any:
    line = (await reader.readuntil(b"\r\n"))[:-2].decode()
    kind, text = line[:1], line[1:]
    match kind:
        case "+":
            return text
        case "-":
            raise RespError(text)
        case ":":
            return int(text)
        case "$":
            return await _text(reader, int(text))
        case "*" if int(text) <= _MOST_ITEMS:
            return [await _answer(reader) for _ in range(int(text))]
        case _:
            raise ValueError(f"no answer: {line[:20]!r}")


async def _text(reader: asyncio.StreamReader, size: int) -> str | None:
    if size < 0:
        return None
    if size > _MOST_BYTES:
        raise ValueError("too long")
    return (await reader.readexactly(size + 2))[:-2].decode()
