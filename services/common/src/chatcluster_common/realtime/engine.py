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
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from prometheus_client import Counter
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chatcluster_common import errors, logs
from chatcluster_common.realtime.frames import Packet
from chatcluster_common.realtime.websocket import EXTENSION, WebSocket

log = logs.get_logger(__name__)

SLOW_CONSUMERS = Counter("chat_socket_slow_consumers_total", "Connections closed because they did not read.")

PING_SECONDS = 25
PONG_SECONDS = 20
_UPGRADE_SECONDS = 10
_DRAIN_SECONDS = 15
_SWEEP_SECONDS = 0.25
_REPLIES_WAIT_AT = 64 * 1024
"""Bytes: asyncio's own high-water mark, so that the transport says when they are sent."""
_INBOX = 16
"""Messages of one client that wait in memory; more wait in its connection."""

_OPEN, _CLOSE, _PING, _PONG, _MESSAGE, _UPGRADE, _NOOP = "0", "1", "2", "3", "4", "5", "6"
_CLOSE_PACKET = Packet(_CLOSE.encode())
_PING_PACKET = Packet(_PING.encode())
_PROBE_ANSWER = Packet(b"3probe")
_SEPARATOR = "\x1e"
_ENVIRON: dict[str, str] = {}
"""python-socketio keeps what a request brought for each session; nobody here asks for it."""

_DISCONNECTED_BY_CLIENT = "client disconnect"
_DISCONNECTED_BY_SERVER = "server disconnect"
_TRANSPORT_CLOSED = "transport close"
_TRANSPORT_ERROR = "transport error"
_PING_TIMEOUT = "ping timeout"


class Session:
    """One client, over whatever transport it uses at the moment."""

    __slots__ = (
        "_drained",
        "_engine",
        "_inbox",
        "_poll",
        "_queue",
        "_queued",
        "_replying",
        "_task",
        "_upgrading",
        "_websocket",
        "closed",
        "joined",
        "sid",
    )

    def __init__(self, engine: "Engine", sid: str) -> None:
        self.sid = sid
        self.closed = False
        self.joined = False
        """Whether it has connected to a namespace; until then it is a stranger."""
        self._engine = engine
        self._websocket: WebSocket | None = None
        self._replying = 0
        self._drained: asyncio.Future[None] | None = None
        self._queue: list[Packet] | None = None
        self._queued = 0
        self._poll: asyncio.Future[None] | None = None
        self._upgrading: WebSocket | None = None
        self._inbox: deque[str] | None = None
        self._task: asyncio.Task[None] | None = None

    # Sending

    def offer(self, packet: Packet) -> bool:
        """Send an event. False when the session is closed, or is closed now because too much is unsent already."""
        if self.closed:
            return False
        websocket = self._websocket
        unsent = self._queued if websocket is None else websocket.unsent
        if unsent > self._engine.max_unsent + self._replying:
            self._engine.cut_slow(self, unsent)
            return False
        if websocket is None:
            self._enqueue(packet)
        else:
            websocket.write(packet.frame)
        return True

    def reply(self, packet: Packet) -> None:
        """Send what the client has asked for. It may be large: it is not held against a client that reads slowly, who
        is not served again before it has read most of it."""
        if self.offer(packet):
            unsent = self._queued if self._websocket is None else self._websocket.unsent
            if unsent > _REPLIES_WAIT_AT:
                self._replying = unsent

    def drained(self) -> None:
        """The client has read nearly all there was."""
        self._replying = 0
        _wake(self._drained)

    def _enqueue(self, packet: Packet) -> None:
        if self._queue is None:
            self._queue = []
        self._queue.append(packet)
        self._queued += len(packet.data)
        _wake(self._poll)

    # Receiving

    def received(self, text: str) -> None:
        """A packet came."""
        kind = text[:1]
        if kind == _MESSAGE:
            if self.closed:
                return
            if self._inbox is None:
                self._inbox = deque()
            self._inbox.append(text[1:])
            if self._task is None:
                self._task = self._engine.start(self._handle())
            elif len(self._inbox) >= _INBOX and self._websocket:
                self._websocket.pause_reading()
        elif kind == _PONG:
            self._engine.pong(self)
        elif kind == _CLOSE:
            self._engine.start(self.close(_DISCONNECTED_BY_CLIENT, at_once=True))
        elif kind not in {_NOOP, _UPGRADE}:
            self._engine.start(self.close(_TRANSPORT_ERROR, at_once=True))

    async def _handle(self) -> None:
        """One message after the other, so that a client's keep their order."""
        try:
            while self._inbox and not self.closed:
                if self._replying:
                    self._drained = asyncio.get_running_loop().create_future()
                    async with asyncio.timeout(_DRAIN_SECONDS):
                        await self._drained
                await self._engine.emit("message", self.sid, self._inbox.popleft())
                if self._websocket and len(self._inbox) == _INBOX // 2:
                    self._websocket.resume_reading()
        except TimeoutError:
            self._engine.cut_slow(self, self._replying)
        except Exception:
            log.exception("a packet could not be handled")
            self._engine.start(self.close(_TRANSPORT_ERROR, at_once=True))
        finally:
            self._task = None
            self._inbox = None

    def lost(self) -> None:
        """Its WebSocket is gone."""
        if not self.closed:
            self._engine.start(self.close(_TRANSPORT_CLOSED, at_once=True))

    async def close(self, reason: str, *, at_once: bool = False) -> None:
        """End the session. What is unsent goes out first unless `at_once`."""
        if self.closed:
            return
        self.closed = True
        try:
            await self._engine.emit("disconnect", self.sid, reason)
        finally:
            _wake(self._drained)
            if at_once:
                self._engine.forget(self)
                self._queue = None
                _wake(self._poll)
                if self._websocket:
                    self._websocket.abort()
            elif self._websocket:
                self._engine.forget(self)
                self._websocket.write(_CLOSE_PACKET.frame)
                self._websocket.close()
            else:
                self._engine.linger(self)
                self._enqueue(_CLOSE_PACKET)

    # WebSocket

    @property
    def polling(self) -> bool:
        """Whether it has no WebSocket."""
        return self._websocket is None

    def attach(self, websocket: WebSocket) -> None:
        """Go on over `websocket`, with all that is queued first."""
        self._websocket = websocket
        self._upgrading = None
        for packet in self._queue or ():
            websocket.write(packet.frame)
        self._queue = None
        self._queued = 0
        websocket.listen(self)

    def probed(self, websocket: WebSocket) -> bool:
        """The client wants to go on over `websocket` and waits for its poll to end. False when it may not."""
        if self.closed or self._websocket or self._upgrading:
            return False
        self._upgrading = websocket
        _wake(self._poll)
        return True

    def abandoned(self, websocket: WebSocket) -> None:
        """Nothing came of `websocket`: polling goes on."""
        if self._upgrading is websocket:
            self._upgrading = None

    # Long-polling

    async def poll(self) -> str | None:
        """What is queued, as soon as there is anything. None when another poll waits already."""
        if self._poll is not None:
            return None
        if not self._queue and not self.closed and self._upgrading is None:
            self._poll = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(PING_SECONDS + PONG_SECONDS):
                    await self._poll
            except TimeoutError:
                return None
            finally:
                self._poll = None
        if self.closed:
            self._engine.forget(self)
        if self._upgrading or not self._queue:
            return _NOOP  # what is queued goes out over the WebSocket
        payload = _SEPARATOR.join(packet.data.decode() for packet in self._queue)
        self._queue = None
        self._queued = 0
        self.drained()
        return payload

    async def post(self, payload: str) -> None:
        """Take in packets; returns once their messages are handled."""
        for text in payload.split(_SEPARATOR):
            self.received(text)
        if self._task:
            await asyncio.wait([self._task])


class _Probe:
    """Listens to a WebSocket that is to take over a polling session: `2probe` is answered, `5` moves the session."""

    def __init__(self, session: Session, websocket: WebSocket) -> None:
        self._session = session
        self._websocket = websocket
        self._expiry = asyncio.get_running_loop().call_later(_UPGRADE_SECONDS, websocket.close)
        websocket.listen(self)

    def received(self, text: str) -> None:
        if text == "2probe" and self._session.probed(self._websocket):
            self._websocket.write(_PROBE_ANSWER.frame)
        elif text == _UPGRADE and not self._session.closed:
            self._expiry.cancel()
            self._session.attach(self._websocket)
        else:
            self._websocket.close()

    def drained(self) -> None:
        pass

    def lost(self) -> None:
        self._expiry.cancel()
        self._session.abandoned(self._websocket)


def _wake(waiting: "asyncio.Future[None] | None") -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class _RefusedError(Exception):
    """A request that breaks the protocol, with the codes of the official server."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.content = orjson.dumps({"code": code, "message": message})


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
        self._max_payload = max_http_buffer_size
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
            await session.close(_DISCONNECTED_BY_SERVER, at_once=at_once)

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
        self.start(session.close(_TRANSPORT_ERROR, at_once=True))

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
                    self.start(session.close(_DISCONNECTED_BY_SERVER))
            for session in _due(self._to_hear, now):
                if session.closed:
                    self.forget(session)
                else:
                    self.start(session.close(_PING_TIMEOUT, at_once=True))
        self._pinging = None

    def _open(self, transport: str) -> Session:
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
            "maxPayload": self._max_payload,
        }
        session.offer(Packet(_OPEN.encode() + orjson.dumps(handshake)))
        return session

    # HTTP

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI request: a poll, a post, or the handshake of a WebSocket."""
        query = dict(urllib.parse.parse_qsl(scope["query_string"].decode("latin-1")))
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, query, receive, send)
        else:
            response = await self._serve_http(scope, query, receive)
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
            _Probe(session, websocket)
            return
        session = self._open("websocket")
        await self.emit("connect", session.sid, _ENVIRON)
        session.attach(websocket)

    async def _serve_http(self, scope: Scope, query: Mapping[str, str], receive: Receive) -> Response:
        method = scope["method"]
        if method == "OPTIONS":
            return Response(
                headers={"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "Content-Type"}
            )
        try:
            session = self._session_of(query)
            if session is None:
                if method != "GET":
                    raise _RefusedError(2, "Bad handshake method")
                if not self.accepting:
                    return errors.unavailable("This replica is going away. Connect again.").response()
                session = self._open("polling")
                await self.emit("connect", session.sid, _ENVIRON)
            return Response(await self._exchange(session, method, receive), media_type="text/plain")
        except _RefusedError as refused:
            return Response(refused.content, status_code=400, media_type="application/json")

    def _session_of(self, query: Mapping[str, str]) -> Session | None:
        """The polling session that a request belongs to; None for the first of one."""
        if query.get("transport") != "polling" or "j" in query:
            raise _RefusedError(0, "Transport unknown")
        if query.get("EIO", "4") != "4":
            raise _RefusedError(5, "Unsupported protocol version")
        if "sid" not in query:
            return None
        session = self.sessions.get(query["sid"])
        if session is None or not session.polling:
            raise _RefusedError(1, "Session ID unknown")
        return session

    async def _exchange(self, session: Session, method: str, receive: Receive) -> str:
        payload = None
        if method == "GET":
            payload = await _polled(session, receive)
        elif method == "POST" and not session.closed:
            payload = await self._post(session, receive)
        if payload is None:
            await session.close(_TRANSPORT_ERROR, at_once=True)
            raise _RefusedError(3, "Bad request")
        return payload

    async def _post(self, session: Session, receive: Receive) -> str | None:
        body = bytearray()
        more = True
        while more:
            message: Message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_payload:
                return None
            more = message.get("more_body", False)
        try:
            await session.post(body.decode())
        except UnicodeDecodeError:
            return None
        return "ok"


async def _polled(session: Session, receive: Receive) -> str | None:
    """What a poll brings. None where its connection is lost meanwhile, which ends the session: what is sent then
    reaches nobody, and the next poll, with which an HTTP client may replace one that was cut off, would not tell so."""
    poll, lost = asyncio.ensure_future(session.poll()), asyncio.ensure_future(_lost(receive))
    try:
        await asyncio.wait((poll, lost), return_when=asyncio.FIRST_COMPLETED)
        return None if lost.done() else poll.result()
    finally:
        poll.cancel()
        lost.cancel()
        await asyncio.gather(poll, lost, return_exceptions=True)


async def _lost(receive: Receive) -> None:
    """Returns once the client of a request has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _due(times: dict[Session, float], now: float) -> list[Session]:
    """Take out those whose time has come, which are the first."""
    due = list(itertools.takewhile(lambda session: times[session] <= now, times))
    for session in due:
        del times[session]
    return due
