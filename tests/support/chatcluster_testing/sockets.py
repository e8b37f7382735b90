"""What the official Socket.IO client for Python does not do by itself when connections begin and end."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio
from socketio.exceptions import ConnectionError as SocketConnectionError

_GOODBYE_SECONDS = 60.0
"""A poll that nobody answers ends by then (`ping_interval` and `ping_timeout` of the contract)."""
_HANDSHAKE_SECONDS = 10.0


async def connect(
    client: socketio.AsyncClient, url: str, *, on_refused: Callable[[Any], None] = lambda _: None, **options: Any
) -> None:
    """Connect, with `options` of the client's own. Raises SocketIOError as soon as that is refused or the connection is
    lost, and TimeoutError after ten seconds.

    The client would wait those ten seconds where a server ends the connection in place of an answer, as it does while
    a store is away; the client for browsers tries again at once.
    """
    answered = asyncio.Event()

    def refused(problem: Any = None) -> None:
        on_refused(problem)
        answered.set()

    client.on("connect", answered.set)
    client.on("connect_error", refused)
    answer = asyncio.create_task(answered.wait())
    try:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            await client.connect(url, wait=False, **options)
            await asyncio.wait({answer, client.eio.read_loop_task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        answer.cancel()
    if not client.namespaces:
        raise SocketConnectionError("refused" if answered.is_set() else "lost, or not answered, before it was accepted")


async def hang_up(client: socketio.AsyncClient, session: aiohttp.ClientSession) -> None:
    """Say goodbye if there still is a connection, then leave nothing open.

    The client leaves a session that it was given open, and opens one of its own when it has something to send after
    that one was closed: a poll, or what waited in its queue. Its loops end first, so that none is opened later.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await client.disconnect()
    await abandon(client, session)


async def abandon(client: socketio.AsyncClient, session: aiohttp.ClientSession) -> None:
    """Leave nothing open, without a goodbye: of a connection that did not come about."""
    loops = [task for task in (client.eio.read_loop_task, client.eio.write_loop_task) if task]
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    for opened in {session, client.eio.http} - {None}:
        await opened.close()
