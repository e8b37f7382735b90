"""A cable between a service and a store that a test can harm: what shares a store need not stop it for everybody."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Cable:
    """Forwards connections of a loopback port to another one, until it is cut, reset or hangs."""

    target: int
    port: int = 0
    lost_after: bytes = b""
    """Once a client has sent this, it reaches the store and no answer comes back any more."""
    _listener: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _there: threading.Event = field(default_factory=threading.Event)
    _back: threading.Event = field(default_factory=threading.Event)

    def mend(self) -> None:
        """Forward, and accept connections on the same port as before."""
        self.lost_after = b""
        self._there.set()
        self._back.set()
        if self._listener is None:
            listener = socket.create_server(("127.0.0.1", self.port))
            self.port = listener.getsockname()[1]
            self._listener = listener
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End all connections and refuse new ones, as when the store's process has died."""
        with self._lock:
            ends = [*self._open, *([self._listener] if self._listener else [])]
            self._open, self._listener = [], None
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def reset(self) -> None:
        """Tear all connections (RST) and go on with new ones, as when a store has been replaced by another."""
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def hang(self) -> None:
        """Take connections and what is sent, and pass nothing on, as when the store's node is cut off."""
        self._there.clear()
        self._back.clear()

    def close(self) -> None:
        """Cut it for good: whoever waits to pass something on finds that the connection is closed."""
        self.cut()
        self._there.set()
        self._back.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                return
            far.settimeout(None)
            with self._lock:
                if self._listener is not listener:
                    near.close()
                    far.close()
                    return
                self._open += [near, far]
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()
            threading.Thread(target=self._return, args=(far, near), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 16):
                self._there.wait()
                if self.lost_after and self.lost_after in data:
                    self._back.clear()
                far.sendall(data)
        _end(near, far)

    def _return(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 16):
                self._back.wait()
                near.sendall(data)
        _end(near, far)


def _end(*sockets: socket.socket) -> None:
    for end in sockets:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running_cable(target: int) -> Iterator[Cable]:
    """A whole cable to the loopback port `target`."""
    cable = Cable(target)
    cable.mend()
    try:
        yield cable
    finally:
        cable.close()
