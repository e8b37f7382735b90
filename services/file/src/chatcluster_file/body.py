"""A request's body as it comes: nobody waits for a sender that has fallen silent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from chatcluster_common.errors import Problem


async def in_time(body: AsyncIterator[bytes], idle_seconds: float) -> AsyncGenerator[bytes]:
    """The body's chunks; 408 when nothing comes for `idle_seconds`."""
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(body, None)
        except TimeoutError as error:
            raise Problem(408, "timeout", f"Nothing was sent for {idle_seconds:g} s.") from error
        if chunk is None:
            return
        yield chunk
