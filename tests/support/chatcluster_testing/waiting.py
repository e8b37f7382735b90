"""Waiting for what has to be asked for: a condition that is itself a call."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 60.0) -> None:
    """Ask until it holds. Raises AssertionError, which says what was waited for."""

    async def wait() -> None:
        while not await holds():
            await asyncio.sleep(0.05)

    try:
        await asyncio.wait_for(wait(), seconds)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:g} s in vain for {what}") from None
