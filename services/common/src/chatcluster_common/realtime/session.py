"""One client of the Engine.IO server, over whatever transport it uses at the moment.

Protocol: https://socket.io/docs/v4/engine-io-protocol/
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from chatcluster_common import logs
from chatcluster_common.realtime.frames import Packet
from chatcluster_common.realtime.websocket import WebSocket

if TYPE_CHECKING:
    from chatcluster_common.realtime.engine import Engine

log = logs.get_logger(__name__)

PING_SECONDS = 25
PONG_SECONDS = 20
_UPGRADE_SECONDS = 10
_DRAIN_SECONDS = 15
_REPLIES_WAIT_AT = 64 * 1024
"""Bytes: asyncio's own high-water mark, so that the transport says when they are sent."""
_INBOX = 16
"""Messages of one client that wait in memory; more wait in its connection."""

OPEN, PING = "0", "2"
_CLOSE, _PONG, _MESSAGE, _UPGRADE, _NOOP = "1", "3", "4", "5", "6"
_CLOSE_PACKET = Packet(_CLOSE.encode())
_PROBE_ANSWER = Packet(b"3probe")
_SEPARATOR = "\x1e"
ENVIRON: dict[str, str] = {}
"""python-socketio keeps what a request brought for each session; nobody here asks for it."""

DISCONNECTED_BY_SERVER = "server disconnect"
PING_TIMEOUT = "ping timeout"
TRANSPORT_ERROR = "transport error"
_DISCONNECTED_BY_CLIENT = "client disconnect"
_TRANSPORT_CLOSED = "transport close"


class Session:
    """One client, over whatever transport it uses at the moment."""

    __slots__ = (
        "_answer",
        "_drained",
        "_engine",
        "_inbox",
        "_poll",
        "_queue",
        "_queued",
        "_replying",
        "_stamp",
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
        self._stamp: str | None = None
        self._answer: str | None = None
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
            self._engine.start(self.close(TRANSPORT_ERROR, at_once=True))

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
            self._engine.start(self.close(TRANSPORT_ERROR, at_once=True))
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
        self._answer = None
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

    async def poll(self, stamp: str | None) -> str | None:
        """What is queued, as soon as there is anything. None when another poll waits already.

        `stamp` is what a client tells its polls apart by, Engine.IO's `t`. The same one again is the same poll, which
        an HTTP library sends once more when its connection was cut off before the answer was there: it gets the answer
        that was lost, as the client never hears of it.
        """
        if self._poll is not None:
            return None
        if stamp is not None and stamp == self._stamp:
            return self._answer
        self._stamp, self._answer = stamp, None
        self._answer = await self._next()
        return self._answer

    async def _next(self) -> str | None:
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


class Probe:
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
