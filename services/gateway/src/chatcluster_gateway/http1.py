"""HTTP/1.1 as the gateway speaks it to the services: one request at a time on a connection, both bodies streamed.

The parser is httptools', which uvicorn has as well. A general client does much that a proxy must not do or does not
need: cookies, redirects, decoding, sessions.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import cast

import httptools

from chatcluster_common import tcp
from chatcluster_gateway.body import RequestBody
from chatcluster_gateway.headers import Header

_HIGH_WATER = 128 * 1024
"""Bytes of an answer held for a slow caller before the service is held back."""
_MOST_HEADER_BYTES = 64 * 1024


class BrokenOffError(Exception):
    """The connection ended, or stopped being HTTP, before the answer was whole."""


class Answer:
    """A service's answer. Its head is there; its body is read by `read` or piece by piece. `release` it at the end."""

    def __init__(self, connection: "Connection", method: bytes) -> None:
        self.method = method
        self.status = 0
        """0 until the head is there."""
        self.headers: list[Header] = []
        """Names in lower case."""
        self.length: int | None = None
        self.complete = False
        """Whether all of it has arrived."""
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The whole body."""
        while not self.complete:
            await self._wait()
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body as it comes."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece)
                if self._held < _HIGH_WATER:
                    self._connection.resume_answer()
                yield piece
            if self.complete:
                return
            await self._wait()

    def release(self) -> None:
        """Let the next request have the connection; one whose answer was not read to its end is closed."""
        self._connection.finish()

    async def head(self) -> None:
        """Return when the head is there. Raises `BrokenOffError`, `TimeoutError`, or why the request's body failed."""
        while not self.status:
            await self._wait()

    def take(self, piece: bytes) -> bool:
        """A piece has arrived; False: enough for now."""
        self._pieces.append(piece)
        self._held += len(piece)
        return self._held < _HIGH_WATER

    def wake(self) -> None:
        """Something has arrived."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """Nothing more will arrive."""
        if not self.complete and self._failure is None:
            self._failure = error
        self.wake()

    async def _wait(self) -> None:
        if self._failure:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        self._connection.set_deadline()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._connection.clear_deadline()
        if self._failure and not self._pieces:
            raise self._failure


class Connection(asyncio.Protocol):
    """One connection to a service. `deadline` is when whoever waits gives up: `expire` is then called from outside, so
    that a wait costs no timer."""

    def __init__(
        self, seconds: float, on_free: Callable[["Connection"], None], on_lost: Callable[["Connection"], None]
    ) -> None:
        self._seconds = seconds
        self._on_free = on_free
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._reusable = True
        self._informational = False
        self._ends_with_connection = False
        self._header_bytes = 0
        self._reading = True
        self._writable: asyncio.Future[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self.deadline = float("inf")
        self.opened = self._loop.time()
        self.idle_since = self.opened

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._reusable and self._transport is not None and not self._transport.is_closing()

    def request(self, method: bytes, head: bytes, body: bytes | RequestBody | None) -> Answer:
        """Send a request whose head ends with the empty line; a streamed body goes on while the answer comes.

        It is sent in chunks unless it has a `length`.
        """
        assert self._transport is not None  # noqa: S101
        answer = self._answer = Answer(self, method)
        self._header_bytes = 0
        self._ends_with_connection = False
        if isinstance(body, RequestBody):
            self._transport.write(head)
            self._sending = asyncio.create_task(self._stream(body))
        else:
            self._transport.write(head + body if body else head)
        return answer

    async def _stream(self, body: RequestBody) -> None:
        assert self._transport is not None  # noqa: S101
        write = self._transport.write
        try:
            async for piece in body:
                self.deadline = self._loop.time() + self._seconds
                write(piece if body.length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
                if self._writable:
                    await self._writable
            if body.length is None:
                write(b"0\r\n\r\n")
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if self._answer and not self._answer.status:
                self._reusable = False
                self._answer.fail(error)
            else:  # the answer has begun: all that is left is to cut it
                self.close()

    def finish(self) -> None:
        """The exchange is over, whole or not."""
        answer, self._answer = self._answer, None
        if self._sending:
            if not self._sending.done():
                self._sending.cancel()
                self._reusable = False
            self._sending = None
        if answer is None:
            return
        if answer.method == b"HEAD":
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for the body that it was told of
        if not answer.complete or not self.usable:
            self.close()
        self.resume_answer()
        self.idle_since = self._loop.time()
        self._on_free(self)

    def close(self) -> None:
        """Close at once."""
        self._reusable = False
        if self._transport:
            self._transport.abort()

    def resume_answer(self) -> None:
        """The caller has read."""
        if not self._reading and self._transport and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def set_deadline(self) -> None:
        """Somebody begins to wait."""
        self.deadline = self._loop.time() + self._seconds

    def clear_deadline(self) -> None:
        """Nobody waits."""
        self.deadline = float("inf")

    def expire(self) -> None:
        """The deadline has passed."""
        self.clear_deadline()
        self._reusable = False
        if self._answer:
            self._answer.fail(TimeoutError())

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast(asyncio.Transport, transport)
        tcp.notice_loss(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        if self._answer is None:  # nobody has asked for anything
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._reusable = False
            self._answer.fail(BrokenOffError())
            return
        self._answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The service, or we, closed it."""
        self._reusable = False
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        if answer := self._answer:
            if self._ends_with_connection and exc is None:
                answer.complete = True
            answer.fail(BrokenOffError())
        self._on_lost(self)

    def pause_writing(self) -> None:
        """The service reads more slowly than the caller sends."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._writable:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    # The parser calls these; what they raise comes out of `feed_data`

    def on_message_begin(self) -> None:
        """An answer, or what comes after it unasked."""
        if self._answer is None or self._answer.complete:
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are not passed on."""
        answer = self._answer
        if answer is None or answer.status:
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _MOST_HEADER_BYTES:
            raise BrokenOffError
        answer.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        answer = self._answer
        if answer is None or answer.status:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._informational = True
            answer.headers.clear()
            return
        chunked = False
        for name, value in answer.headers:
            if name == b"content-length":
                answer.length = int(value)
            elif name == b"transfer-encoding":
                chunked = True
        answer.status = status
        if answer.method == b"HEAD":
            answer.complete = True
            self._reusable = self._reusable and not any(h == (b"connection", b"close") for h in answer.headers)
        elif status not in {204, 304}:
            self._ends_with_connection = answer.length is None and not chunked

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        answer = self._answer
        if answer is None or answer.complete:
            self._reusable = False
        elif not answer.take(body) and self._reading and self._transport:
            self._reading = False
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """All of it has arrived."""
        if self._informational:
            self._informational = False
        elif self._answer:
            self._answer.complete = True
            self._reusable = self._reusable and self._parser.should_keep_alive()
