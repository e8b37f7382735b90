"""A clamd of the tests: speaks INSTREAM as the real one does, finds EICAR's test file, and can be slow or away."""

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""What every scanner finds by agreement. In two pieces, so that none finds it in this file."""


@dataclass
class Clamd:
    """A running scanner."""

    port: int = 0
    scanned: list[int] = field(default_factory=list[int])
    """Bytes of each content it was sent."""
    answering: threading.Event = field(default_factory=threading.Event)
    """Cleared: takes content and says nothing."""
    away: bool = False
    """Hang up on whoever calls."""
    limit: int = 1 << 30


@contextlib.contextmanager
def running_clamd() -> Iterator[Clamd]:
    """A scanner on a free loopback port."""
    clamd = Clamd()
    clamd.answering.set()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if clamd.away or self.rfile.read(10) != b"zINSTREAM\0":
                return
            content = b""
            while length := struct.unpack(">I", self.rfile.read(4))[0]:
                content += self.rfile.read(length)
                if len(content) > clamd.limit:
                    self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
                    return
            clamd.scanned.append(len(content))
            clamd.answering.wait(30)
            self.wfile.write(b"stream: Eicar-Test-Signature FOUND\0" if EICAR in content else b"stream: OK\0")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a service that hangs up

    with Server(("127.0.0.1", 0), Handler) as server:
        clamd.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield clamd
        finally:
            clamd.answering.set()
            server.shutdown()
