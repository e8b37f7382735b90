"""Waiting at start-up for what a service needs, with an end: Kubernetes restarts what gives up, and shows why."""

import asyncio
from collections.abc import Awaitable, Callable

from chatcluster_common import logs

log = logs.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 3.0


class StartupError(Exception):
    """The service cannot start; the message says what is missing and what to do."""


async def wait_for(what: str, attempt: Callable[[], Awaitable[object]], *, seconds: float = 60.0) -> None:
    """Call `attempt` until it does not raise, pausing longer each time.

    Raises `StartupError` naming `what` and the last reason when `seconds` have passed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                await attempt()
        except Exception as error:
            reason = str(error) or type(error).__name__
            if loop.time() + pause >= deadline:
                log.error("gave up waiting", what=what, seconds=seconds, reason=reason)
                raise StartupError(f"{what}: not there within {seconds:g} s ({reason})") from error
            log.warning("waiting", what=what, reason=reason)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
