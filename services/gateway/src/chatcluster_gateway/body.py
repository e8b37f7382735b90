"""A request's body on its way in: read whole when it is small, passed on piece by piece when it is not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

from starlette.types import Receive

from chatcluster_common.errors import Problem
from chatcluster_gateway.headers import Incoming

SMALL = 64 * 1024


class CallerGoneError(Exception):
    """The caller closed the connection; nobody is left to answer."""


class RequestBody(AsyncIterable[bytes]):
    """A body to be streamed; can be iterated once. Each piece is asked for when the one before was taken."""

    def __init__(self, receive: Receive, max_bytes: int, length: int | None) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self.length = length
        """Bytes in all, when that was said."""
        self.waiting = False
        """Whether it is the caller that everybody waits for."""
        self.ended = False
        self.failure: Exception | None = None
        """Why the caller's side broke off; what the service then says does not matter."""

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """The pieces."""
        received = 0
        while not self.ended:
            self.waiting = True
            message = await self._receive()
            self.waiting = False
            if message["type"] == "http.disconnect":
                self.failure = CallerGoneError()
                raise self.failure
            piece = message.get("body", b"")
            received += len(piece)
            if received > self._max_bytes:
                self.failure = too_large(self._max_bytes)
                raise self.failure
            self.ended = not message.get("more_body", False)
            if piece:
                yield piece


async def take(incoming: Incoming, receive: Receive, max_bytes: int, seconds: float) -> bytes | RequestBody | None:
    """The body of a request with these headers, None when it has none.

    Raises a `Problem`: 413 when its length says more than `max_bytes`, 408 when a small one is not there after
    `seconds`; `CallerGoneError` when it never will be.
    """
    length = incoming.length
    if not length and not incoming.chunked:
        return None
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    body = RequestBody(receive, max_bytes, length)
    if length is None or length > SMALL:
        return body
    return await read(body, seconds)


async def read(body: RequestBody, seconds: float) -> bytes:
    """All of a body that is small. Raises as `take` does."""
    try:
        async with asyncio.timeout(seconds):
            pieces = [piece async for piece in body]
    except TimeoutError:
        raise too_slow() from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(max_bytes: int) -> Problem:
    """413."""
    return Problem(413, "too_large", f"The request's body is larger than {max_bytes} bytes.")


def too_slow() -> Problem:
    """408; the connection cannot be used again, as the rest of the body may still come."""
    return Problem(408, "timeout", "The request's body did not come in time.", headers={"Connection": "close"})
