"""Connections to one service, kept open and used again."""

import asyncio
from collections import deque
from urllib.parse import urlsplit

from chatcluster_gateway.http1 import Connection

_IDLE_SECONDS = 30.0
"""Shorter than the services' own, so that a connection is not used at the moment they close it."""
_AGE_SECONDS = 120.0
"""Then it is made anew, so that replicas that came later get their share."""


class Pool:
    """At most `limit` connections to `url` (`http://host:port`); the one used last is used next."""

    def __init__(self, url: str, *, limit: int, connect_seconds: float, answer_seconds: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or 80
        self.authority = parts.netloc.encode()
        self._limit = limit
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._open = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

    async def acquire(self) -> Connection:
        """A connection for one exchange. Raises `TimeoutError` or `OSError` when there is none in time."""
        connection = self._idle_one()
        if connection is None:
            async with asyncio.timeout(self._connect_seconds):
                while connection is None:
                    connection = await (self._connect() if self._open < self._limit else self._wait())
        self._busy.add(connection)
        return connection

    def sweep(self, now: float) -> None:
        """End what has waited for too long; to be called now and then."""
        for connection in [c for c in self._busy if c.deadline < now]:
            connection.expire()
        while self._idle and now - self._idle[0].idle_since > _IDLE_SECONDS:
            self._idle.pop(0).close()

    def close(self) -> None:
        """Close all connections."""
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()

    def _idle_one(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.opened < _AGE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        self._open += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._answer_seconds, self._freed, self._lost), self._host, self._port
            )
        except BaseException:
            self._open -= 1
            self._next()
            raise
        return connection

    async def _wait(self) -> Connection | None:
        """Another's connection, or None: there is room for one more."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was our turn just now
                if connection := turn.result():
                    self._freed(connection)
                else:
                    self._next()
            raise

    def _next(self, connection: Connection | None = None) -> bool:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def _freed(self, connection: Connection) -> None:
        self._busy.discard(connection)
        # One that cannot be used again makes room when it is lost.
        if connection.usable and not self._next(connection):
            self._idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open -= 1
        self._busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._next()
