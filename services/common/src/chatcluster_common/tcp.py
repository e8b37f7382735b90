"""Connections whose other end may vanish: with its node cut off nothing says goodbye, and the kernel's own patience is
a quarter of an hour for what was sent, two hours for silence.
"""

import socket
import sys
from typing import Any, Final

UNANSWERED_MS: Final = 4000
"""What was sent and not acknowledged for so long ends the connection (RFC 5482). It is the other end's kernel that
acknowledges, so a busy or stopped program there does not count; longer than a network takes to find another way."""
_IDLE_SECONDS: Final = 3
_PROBE_SECONDS: Final = 1
_PROBES: Final = 3


def notice_loss(connection: Any) -> None:
    """Have the kernel end a connected TCP socket within seconds of the other end's vanishing, in use or not.

    `connection` is a socket or what a transport gives for one; other than TCP, and elsewhere than on Linux, nothing is
    set.
    """
    if sys.platform != "linux" or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
