"""What the kernel is told of connections whose other end may vanish."""

import asyncio
import socket
import sys

import pytest
import uvloop

from chatcluster_common import tcp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")


def says(connection: socket.socket) -> tuple[bool, int]:
    """Keep-alive, and the time in milliseconds that something may go unacknowledged."""
    return (
        bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)),
        connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_transports_socket_is_taken(loop_factory: object) -> None:
    async def connect() -> tuple[bool, int]:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            connection = writer.get_extra_info("socket")
            tcp.notice_loss(connection)
            said = says(connection)
            writer.close()
            return said

    with asyncio.Runner(loop_factory=loop_factory) as runner:  # pyright: ignore[reportArgumentType]
        assert runner.run(connect()) == (True, tcp.UNANSWERED_MS)


def test_others_than_tcp_are_left_alone() -> None:
    near, far = socket.socketpair()
    with near, far:
        tcp.notice_loss(near)
