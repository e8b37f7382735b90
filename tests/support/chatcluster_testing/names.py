"""A tiny DNS server for the edge, which finds pods as behind a headless Service: by the A records of one name."""

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_A = 1
_ANSWERED, _NO_SUCH_NAME = 0x8180, 0x8183


@dataclass
class NameServer:
    """Answers on a loopback port from `records`, which may change at any time."""

    records: dict[str, list[str]] = field(default_factory=dict)
    """IPv4 addresses by full name."""
    port: int = 0

    @property
    def address(self) -> str:
        """As HAProxy takes it."""
        return f"127.0.0.1:{self.port}"

    def answer(self, query: bytes) -> bytes:
        """The answer to one question."""
        end, labels = 12, list[str]()
        while query[end]:
            labels.append(query[end + 1 : end + 1 + query[end]].decode())
            end += query[end] + 1
        question = query[12 : end + 5]
        (kind,) = struct.unpack("!H", query[end + 1 : end + 3])
        addresses = self.records.get(".".join(labels), []) if kind == _A else []
        code = _ANSWERED if addresses else _NO_SUCH_NAME
        answer = query[:2] + struct.pack("!HHHHH", code, 1, len(addresses), 0, 0) + question
        for address in addresses:
            answer += struct.pack("!HHHIH", 0xC00C, _A, 1, 1, 4) + socket.inet_aton(address)
        return answer


@contextlib.contextmanager
def running_name_server() -> Iterator[NameServer]:
    """A name server without records."""
    names = NameServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, endpoint = self.request
            endpoint.sendto(names.answer(query), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        names.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield names
        finally:
            server.shutdown()
            thread.join(5)
