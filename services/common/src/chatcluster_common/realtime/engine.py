"""The Engine.IO server with bounds: connections have a limited queue, can be hung up on, are refused while draining.

Engine.IO's own server queues without limit for a client that does not read, and cannot end a WebSocket from outside its
own reader. Both are added around it: the queue is looked at before each packet, and the ASGI channel of a WebSocket is
wrapped in a `_Link` that can be interrupted.
"""

# python-engineio has no type annotations:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportIncompatibleMethodOverride=false

import asyncio
import urllib.parse
from contextvars import ContextVar
from typing import Any

import engineio
from engineio import packet as eio_packet
from prometheus_client import Counter
from starlette.types import Message, Receive, Scope, Send

from chatcluster_common import errors, logs

log = logs.get_logger(__name__)

SLOW_CONSUMERS = Counter("chat_socket_slow_consumers_total", "Connections closed because they did not read.")

_SEND_SECONDS = 15.0


class _Link:
    """The ASGI channel of one WebSocket. Its waits end when it is hung up or cut, or a send takes too long."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._receiving: asyncio.Timeout | None = None
        self._sending: asyncio.Timeout | None = None
        self._ended = False
        self._cut = False
        self.sid = ""

    async def receive(self) -> Message:
        if not self._ended:
            try:
                async with asyncio.timeout(None) as self._receiving:
                    return await self._receive()
            except TimeoutError:
                pass
            finally:
                self._receiving = None
        return {"type": "websocket.disconnect", "code": 1012}

    async def send(self, message: Message) -> None:
        if self._cut:
            raise OSError("the connection was cut")
        try:
            async with asyncio.timeout(_SEND_SECONDS) as self._sending:
                await self._send(message)
        finally:
            self._sending = None

    def hang_up(self) -> None:
        """Hear nothing more; what is queued to be sent still goes out."""
        self._ended = True
        _interrupt(self._receiving)

    def cut(self) -> None:
        """End both directions now."""
        self._cut = True
        _interrupt(self._sending)
        self.hang_up()


def _interrupt(wait: asyncio.Timeout | None) -> None:
    if wait is not None and not wait.expired():
        wait.reschedule(asyncio.get_running_loop().time())


_current_link: ContextVar[_Link | None] = ContextVar("link", default=None)


class Engine(engineio.AsyncServer):
    """`engineio.AsyncServer` with `offer`, `drop` and `accepting`."""

    def __init__(self, *args: Any, max_queue: int = 512, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_queue = max_queue
        self.accepting = True
        """Whether new connections are let in."""
        self._links: dict[str, _Link] = {}
        self._drops: set[asyncio.Task[None]] = set()

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI request: a poll, a post, or a whole WebSocket."""
        sid = urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1")).get("sid", [""])[0]
        if not self.accepting and not sid:
            await _refuse(scope, receive, send)
            return
        if scope["type"] != "websocket":
            await super().handle_request(scope, receive, send)
            return
        link = _Link(receive, send)
        _current_link.set(link)
        if sid:
            self._attach(link, sid)
        try:
            await super().handle_request(scope, link.receive, link.send)
        finally:
            if self._links.get(link.sid) is link:
                del self._links[link.sid]

    def generate_id(self) -> str:
        """The base's random id; the first one made within a WebSocket's request is that connection's own."""
        sid: str = super().generate_id()
        link = _current_link.get()
        if link is not None and not link.sid:
            self._attach(link, sid)
        return sid

    def _attach(self, link: _Link, sid: str) -> None:
        link.sid = sid
        self._links[sid] = link

    def offer(self, sid: str, pkt: eio_packet.Packet) -> bool:
        """Queue a packet without waiting. False when the connection is gone, or is closed now for being too slow."""
        socket = self.sockets.get(sid)
        if socket is None or socket.closed or socket.closing:
            return False
        if socket.queue.qsize() >= self.max_queue:
            self._cut_slow(sid)
            return False
        socket.queue.put_nowait(pkt)
        return True

    async def send_packet(self, sid: str, pkt: eio_packet.Packet) -> None:
        """The base's way to send; acknowledgements come through here."""
        socket = self.sockets.get(sid)
        if socket is not None and not socket.closing and socket.queue.qsize() >= self.max_queue:
            self._cut_slow(sid)
            return
        await super().send_packet(sid, pkt)

    async def _trigger_event(self, event: str, *args: Any, **kwargs: Any) -> Any:
        result = await super()._trigger_event(event, *args, **kwargs)
        socket = self.sockets.get(args[0]) if event == "disconnect" else None
        if socket is not None and args[0] not in self._links:
            # The base leaves a poll of a closed connection waiting until it times out. This ends it, behind the last
            # packets that closing queues after this event.
            asyncio.get_running_loop().call_soon(socket.queue.put_nowait, None)
        return result

    def _cut_slow(self, sid: str) -> None:
        SLOW_CONSUMERS.inc()
        log.info("connection closed: it does not read as fast as it is sent to", queued=self.max_queue)
        task = asyncio.create_task(self.drop(sid, at_once=True))
        self._drops.add(task)
        task.add_done_callback(self._drops.discard)

    async def drop(self, sid: str, *, at_once: bool = False) -> None:
        """Close a connection; its client connects again by itself. What is queued goes out first unless `at_once`."""
        socket = self.sockets.get(sid)
        if socket is not None:
            await socket.close(wait=False, abort=at_once, reason=self.reason.SERVER_DISCONNECT)
        if link := self._links.get(sid):
            if at_once:
                link.cut()
            else:
                link.hang_up()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1013})
    else:
        await errors.unavailable("This replica is going away. Connect again.").response()(scope, receive, send)
