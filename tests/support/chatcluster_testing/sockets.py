"""What the official Socket.IO client leaves behind when its connection ends, and how to end it whole."""

import asyncio
import contextlib

import aiohttp
import socketio

_GOODBYE_SECONDS = 60.0
"""A poll that nobody answers ends by then (`ping_interval` and `ping_timeout` of the contract)."""


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
