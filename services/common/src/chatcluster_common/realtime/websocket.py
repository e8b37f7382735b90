"""WebSockets as thousands of idle ones need them: no task, no queue and no timer each, frames written as they are.

Uvicorn hands a connection over when it asks to be upgraded. The handshake goes through the ASGI application like any
request; what comes afterwards does not: whoever accepted takes the `WebSocket` from `scope["extensions"]` under
`EXTENSION` and listens. RFC 6455 itself is the `websockets` library's sans-I/O server.
"""

import asyncio
import logging
import urllib.parse
from typing import Any, Protocol, cast

from starlette.types import ASGIApp, Message
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from chatcluster_common import logs

log = logs.get_logger(__name__)

EXTENSION = "chatcluster.websocket"
_CLOSE_SECONDS = 5.0
"""How long the other side has to answer a close frame."""
_SILENT = logging.getLogger("chatcluster.websocket")
_SILENT.setLevel(logging.CRITICAL)
_SILENT.propagate = False


class Listener(Protocol):
    """Hears what a WebSocket receives."""

    def received(self, text: str) -> None:
        """A text message arrived."""
        ...

    def drained(self) -> None:
        """What was written has left for the network, nearly all of it."""
        ...

    def lost(self) -> None:
        """The connection is closed or broken; nothing more is heard."""
        ...


def text_frame(text: bytes) -> bytes:
    """A server's text frame: the same bytes for everybody it goes to."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class WebSocket(asyncio.Protocol):
    """One connection; `uvicorn.Config(ws=WebSocket)` makes them."""

    __slots__ = ("_closing", "_config", "_listener", "_open", "_parts", "_protocol", "_server", "_transport")

    _transport: asyncio.Transport

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        del app_state
        self._config = config
        self._server = server_state
        self._protocol = ServerProtocol(max_size=config.ws_max_size, logger=_SILENT)
        self._listener: Listener | None = None
        self._open = False
        self._parts: list[bytes] | None = None
        self._closing: asyncio.TimerHandle | None = None

    # For whoever accepted it

    def listen(self, listener: Listener) -> None:
        """Hand all that arrives to `listener` from now on."""
        self._listener = listener
        self.resume_reading()
        if self._transport.is_closing():
            listener.lost()

    def write(self, frame: bytes) -> None:
        """Send a frame made by `text_frame`; it waits in memory for as long as the other side does not read."""
        if self._open:
            self._transport.write(frame)

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the network has not taken yet."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Leave what arrives in the network, which slows the other side down."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on after `pause_reading`."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, code: int = 1000) -> None:
        """Close when all that was written is sent; cut when the other side does not answer in time."""
        if self._open:
            self._open = False
            self._protocol.send_close(code)
            self._flush()
            self.resume_reading()
            self._closing = asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection, and drop what is unsent."""
        self._open = False
        self._transport.abort()

    # For uvicorn and the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn hands the transport over."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)  # pyright: ignore[reportArgumentType] it is all that uvicorn needs of one

    def shutdown(self) -> None:
        """Uvicorn stops."""
        if self._open:
            self.close(1012)
        elif self._closing is None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()
        if self._open and self._protocol.state is not State.OPEN:
            self._open = False  # the other side has closed it, or broken the protocol

    def resume_writing(self) -> None:
        """The transport's buffer is nearly empty again."""
        if self._listener:
            self._listener.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """Both directions are closed."""
        self._open = False
        self._server.connections.discard(self)  # pyright: ignore[reportArgumentType]
        if self._closing:
            self._closing.cancel()
        if self._listener:
            self._listener.lost()

    def _take(self, frame: Frame) -> None:
        if frame.opcode not in {Opcode.TEXT, Opcode.CONT, Opcode.BINARY}:
            return  # the protocol has answered control frames already
        if frame.opcode is Opcode.BINARY:
            self._protocol.fail(1003, "text only")
            return
        data = bytes(frame.data)
        if not frame.fin or self._parts is not None:
            self._parts = [*(self._parts or []), data]
            if not frame.fin:
                return
            data, self._parts = b"".join(self._parts), None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._protocol.fail(1007, "not UTF-8")
            return
        if self._listener and self._open:
            self._listener.received(text)

    def _flush(self) -> None:
        """Send what the protocol has to say: handshake, pongs, close frames."""
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def _handshake(self, request: Request) -> None:
        # Nothing is read before somebody listens.
        self._transport.pause_reading()
        response = self._protocol.accept(request)
        if response.status_code != 101:
            self._answer(response)
            return
        path, _, query = request.path.partition("?")
        scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "client": self._transport.get_extra_info("peername"),
            "server": self._transport.get_extra_info("sockname"),
            "root_path": "",
            "path": urllib.parse.unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.raw_items()
            ],
            "subprotocols": [],
            "extensions": {EXTENSION: self},
        }
        task = asyncio.get_running_loop().create_task(self._ask(scope, response))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _ask(self, scope: dict[str, Any], accepted: Response) -> None:
        """Let the application accept or refuse."""

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            if self._protocol.state is not State.CONNECTING:
                return
            if message["type"] == "websocket.accept":
                self._answer(accepted)
            else:
                self._answer(self._protocol.reject(403, "Refused.\n"))

        application = cast(ASGIApp, cast(Any, self._config).loaded_app)
        try:
            await application(scope, receive, send)
        except Exception:
            log.exception("a WebSocket could not be accepted")
        if self._protocol.state is State.CONNECTING:
            self._answer(self._protocol.reject(500, "The service failed.\n"))
        elif self._listener is None:
            self._transport.close()

    def _answer(self, response: Response) -> None:
        try:
            self._protocol.send_response(response)
        except InvalidState:
            self._transport.abort()
        else:
            self._flush()
            self._open = self._protocol.state is State.OPEN
