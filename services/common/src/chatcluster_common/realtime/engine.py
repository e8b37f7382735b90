"""The Engine.IO 4 server beneath python-socketio: lean sessions with bounds, over WebSockets and long-polling.

It stands in for `engineio.AsyncServer`, which python-socketio lets one replace. That one keeps two tasks, a queue
without a bound and a timer for each connection, and wakes a task for each packet. A session here is a small object: a
packet for a WebSocket is written at once, as the frame that all its receivers share; a task exists only while a message
is handled; pings go out from one queue, for all intervals are the same.

Protocol: https://socket.io/docs/v4/engine-io-protocol/
"""

import asyncio
import itertools
import secrets
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from chatcluster_common import logs
from chatcluster_common.realtime.frames import Packet
from chatcluster_common.realtime.polling import LongPolling
from chatcluster_common.realtime.session import (
    DISCONNECTED_BY_SERVER,
    ENVIRON,
    OPEN,
    PING,
    PING_SECONDS,
    PING_TIMEOUT,
    PONG_SECONDS,
    TRANSPORT_ERROR,
    Probe,
    Session,
)
from chatcluster_common.realtime.websocket import EXTENSION, WebSocket

log = logs.get_logger(__name__)

SLOW_CONSUMERS = Counter("chat_socket_slow_consumers_total", "Connections closed because they did not read.")

_SWEEP_SECONDS = 0.25

_PING_PACKET = Packet(PING.encode())

Handler = Callable[..., Awaitable[Any]]


class Engine:
    """What python-socketio asks of its Engine.IO server; and `accepting`, `close`, sessions to send to directly."""

    async_mode = "asgi"

    def __init__(
        self, *, max_unsent: int = 256 * 1024, max_http_buffer_size: int = 128 * 1024, **_options: object
    ) -> None:
        self.max_unsent = max_unsent
        """Bytes of events that may wait for a client to read them."""
        self.accepting = True
        """Whether new sessions are let in."""
        self.sessions: dict[str, Session] = {}
        self.max_payload = max_http_buffer_size
        """Bytes that a client may send at once."""
        self._polling = LongPolling(self)
        self._handlers: dict[str, Handler] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # In the order of their time, as the interval is the same for all.
        self._to_ping: dict[Session, float] = {}
        self._to_hear: dict[Session, float] = {}
        self._pinging: asyncio.Task[None] | None = None
        self._numbers = itertools.count()

    # For python-socketio

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler` for `connect` (sid, environ), `message` (sid, data) or `disconnect` (sid, reason)."""
        self._handlers[event] = handler

    def generate_id(self) -> str:
        """An id that nobody guesses."""
        return secrets.token_urlsafe(15)

    async def send(self, sid: str, data: str) -> None:
        """Send a message: acknowledgements and answers to the handshake come through here."""
        if session := self.sessions.get(sid):
            session.reply(Packet(b"4" + data.encode()))

    async def disconnect(self, sid: str) -> None:
        """Close a session."""
        await self.close(sid)

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """Run a coroutine function."""
        return self.start(target(*args, **kwargs))

    async def emit(self, event: str, *args: Any) -> None:
        """Tell python-socketio."""
        await self._handlers[event](*args)

    # Sessions

    async def close(self, sid: str, *, at_once: bool = False) -> None:
        """Close a session; its client connects again by itself. What is unsent goes out first unless `at_once`."""
        if session := self.sessions.get(sid):
            await session.close(DISCONNECTED_BY_SERVER, at_once=at_once)

    def start(self, coroutine: Any) -> asyncio.Task[Any]:
        """Run a coroutine, kept alive until it ends."""
        task: asyncio.Task[Any] = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cut_slow(self, session: Session, unsent: int) -> None:
        """End a session that does not read."""
        SLOW_CONSUMERS.inc()
        log.info("connection closed: it does not read as fast as it is sent to", unsent_bytes=unsent)
        self.start(session.close(TRANSPORT_ERROR, at_once=True))

    def forget(self, session: Session) -> None:
        """The session is over."""
        self._to_ping.pop(session, None)
        self._to_hear.pop(session, None)
        self.sessions.pop(session.sid, None)

    def linger(self, session: Session) -> None:
        """The session is over; its client has some time to fetch what is left."""
        self._to_ping.pop(session, None)
        self._to_hear.pop(session, None)
        self._to_hear[session] = asyncio.get_running_loop().time() + PONG_SECONDS

    def pong(self, session: Session) -> None:
        """The client is alive."""
        if self._to_hear.pop(session, None) is not None:
            self._to_ping[session] = asyncio.get_running_loop().time() + PING_SECONDS

    async def _ping(self) -> None:
        """Ping each session every `PING_SECONDS`; close those that do not answer, and strangers."""
        loop = asyncio.get_running_loop()
        while self.sessions:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = loop.time()
            for session in _due(self._to_ping, now):
                if session.joined and session.offer(_PING_PACKET):
                    self._to_hear[session] = now + PONG_SECONDS
                elif not session.joined:
                    self.start(session.close(DISCONNECTED_BY_SERVER))
            for session in _due(self._to_hear, now):
                if session.closed:
                    self.forget(session)
                else:
                    self.start(session.close(PING_TIMEOUT, at_once=True))
        self._pinging = None

    def open(self, transport: str) -> Session:
        """A new session, its handshake with it."""
        session = Session(self, self.generate_id())
        self.sessions[session.sid] = session
        self._to_ping[session] = asyncio.get_running_loop().time() + PING_SECONDS
        if self._pinging is None:
            self._pinging = self.start(self._ping())
        handshake = {
            "sid": session.sid,
            "upgrades": ["websocket"] if transport == "polling" else [],
            "pingInterval": PING_SECONDS * 1000,
            "pingTimeout": PONG_SECONDS * 1000,
            "maxPayload": self.max_payload,
        }
        session.offer(Packet(OPEN.encode() + orjson.dumps(handshake)))
        return session

    # HTTP

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI request: a poll, a post, or the handshake of a WebSocket."""
        query = dict(urllib.parse.parse_qsl(scope["query_string"].decode("latin-1")))
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, query, receive, send)
        else:
            response = await self._polling.serve(scope, query, receive)
            response.headers["Access-Control-Allow-Origin"] = "*"
            await response(scope, receive, send)

    async def _serve_websocket(self, scope: Scope, query: Mapping[str, str], receive: Receive, send: Send) -> None:
        await receive()
        sid = query.get("sid")
        session = self.sessions.get(sid) if sid else None
        acceptable = session is not None and session.polling if sid else self.accepting and query.get("EIO") == "4"
        if not acceptable or query.get("transport") != "websocket":
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        websocket: WebSocket = scope["extensions"][EXTENSION]
        if session:
            Probe(session, websocket)
            return
        session = self.open("websocket")
        await self.emit("connect", session.sid, ENVIRON)
        session.attach(websocket)


def _due(times: dict[Session, float], now: float) -> list[Session]:
    """Take out those whose time has come, which are the first."""
    due = list(itertools.takewhile(lambda session: times[session] <= now, times))
    for session in due:
        del times[session]
    return due
