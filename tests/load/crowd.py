"""Thousands of Socket.IO clients in one thread, lean enough that the server is what is measured.

Raw WebSockets on one epoll: an event is counted after a look at its frame's length and first bytes; only the frames of
every tenth socket are read, for the time that they took and for their order. Masking keys are zero, which the protocol
allows.
"""

import contextlib
import json
import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_COUNTED = b'42["message:new"'
_STAMP = re.compile(rb"t=(\d+) n=(\d+)")
_ACK = re.compile(rb"43(\d+)")
_SAMPLED = 10
_RECEIVE_BYTES = 1 << 14
"""Small enough for memory that is at hand; asking the system for more at each turn costs more than the rest."""


@dataclass
class Socket:
    """One connected client."""

    wire: socket.socket
    handshake: bytes
    sampled: bool
    began: float
    rest: bytes = b""
    upgraded: bool = False
    ready: bool = False
    last: int = -1


@dataclass
class Crowd:
    """Clients of the server at a loopback port. `delivered`, `delays`, `disordered` grow as events come in."""

    port: int
    on_acknowledged: Callable[[int, bytes], None] = lambda _id, _data: None
    delivered: int = 0
    delays: list[float] = field(default_factory=list[float])
    """Seconds from the stamp in a sampled event to its arrival."""
    disordered: int = 0
    """Sampled events that came after a later one on the same socket."""
    connecting: list[float] = field(default_factory=list[float])
    """Seconds each connection took, from TCP to the answer to its token."""
    lost: int = 0
    sockets: list[Socket] = field(default_factory=list[Socket])

    def __post_init__(self) -> None:
        self._epoll = select.epoll()
        self._by_fd: dict[int, Socket] = {}
        self._waiting = 0

    def connect(self, handshakes: Sequence[Mapping[str, object]], *, parallel: int = 50, timeout: float = 120) -> float:
        """Connect one socket for each handshake (the `auth` of Socket.IO), so many at a time; the seconds it took."""
        began = time.monotonic()
        waiting = iter(handshakes)
        done = False
        while not done or self._waiting:
            while not done and self._waiting < parallel:
                auth = next(waiting, None)
                if auth is None:
                    done = True
                else:
                    self._open(b"40" + json.dumps(auth).encode())
            self.poll(1.0)
            assert self.lost == 0, f"{self.lost} connections were closed by the server"
            assert time.monotonic() - began < timeout, f"{self._waiting} connections still wait after {timeout:g} s"
        return time.monotonic() - began

    def _open(self, handshake: bytes) -> None:
        began = time.monotonic()
        wire = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one = Socket(wire, handshake, len(self.sockets) % _SAMPLED == 0, began)
        self.sockets.append(one)
        self._by_fd[wire.fileno()] = one
        self._epoll.register(wire.fileno(), select.EPOLLIN)
        self._waiting += 1
        wire.send(_UPGRADE)

    def poll(self, seconds: float) -> None:
        """Take in what has arrived; wait up to so long for anything."""
        for fd, _ in self._epoll.poll(seconds, 4096):
            self._receive(self._by_fd[fd])

    def _receive(self, one: Socket) -> None:
        try:
            data = one.wire.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._epoll.unregister(one.wire.fileno())
            del self._by_fd[one.wire.fileno()]
            one.wire.close()
            self.lost += 1
            return
        if one.rest:
            data = one.rest + data
        at = 0
        if not one.upgraded:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                one.rest = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            one.upgraded = True
            at = head + 4
            self.send(one, one.handshake)
        one.rest = self._take(one, data, at)

    def _take(self, one: Socket, data: bytes, at: int) -> bytes:
        """Look at each whole frame from `at` on; what is left of the last."""
        end = len(data)
        while end - at >= 2:
            size = data[at + 1]
            start = at + 2
            if size == 126:
                size = int.from_bytes(data[start : start + 2], "big")
                start += 2
            elif size == 127:
                size = int.from_bytes(data[start : start + 8], "big")
                start += 8
            stop = start + size
            if stop > end:
                break
            if data.startswith(_COUNTED, start):
                self.delivered += 1
                if one.sampled:
                    self._sample(one, data, start, stop)
            else:
                self._control(one, data[at], data[start:stop])
            at = stop
        return data[at:]

    def _sample(self, one: Socket, data: bytes, start: int, stop: int) -> None:
        stamp = _STAMP.search(data, start, stop)
        if stamp:
            self.delays.append((time.monotonic_ns() - int(stamp[1])) / 1e9)
            number = int(stamp[2])
            self.disordered += number <= one.last
            one.last = number

    def _control(self, one: Socket, first: int, text: bytes) -> None:
        if first == 0x88:
            return  # the end of the stream follows
        if text == b"2":
            self.send(one, b"3")
        elif text.startswith(b"40"):
            assert not one.ready
            one.ready = True
            self._waiting -= 1
            self.connecting.append(time.monotonic() - one.began)
        elif text.startswith(b"44"):
            raise AssertionError(f"refused: {text!r}")
        elif ack := _ACK.match(text):
            self.on_acknowledged(int(ack[1]), text[ack.end() :])

    def send(self, one: Socket, text: bytes) -> None:
        """Send one text frame."""
        size = len(text)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        one.wire.send(head + b"\0\0\0\0" + text)

    def close(self) -> None:
        """Hang up all."""
        for one in self.sockets:
            one.wire.close()
        self._epoll.close()


@contextlib.contextmanager
def crowd_at(port: int) -> Iterator[Crowd]:
    """A crowd that hangs up at the end."""
    crowd = Crowd(port)
    try:
        yield crowd
    finally:
        crowd.close()
