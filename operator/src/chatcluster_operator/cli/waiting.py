"""Waiting for something in the cluster to come about, with a word on how far it is and an end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.session import Session
from chatcluster_operator.kube import ApiError
from chatcluster_operator.kube.client import CONNECTION_ERRORS

EVERY: Final = 1.0
"""Seconds between two looks."""


class Progress(NamedTuple):
    """How far it is."""

    done: bool
    text: str
    """What it waits for; once it is done, what came of it."""


async def wait_for(
    session: Session, title: str, look: Callable[[], Awaitable[Progress]], *, seconds: float, remedy: str
) -> str:
    """Look until it is done, and return what came of it. Raises CliError when it takes longer than `seconds`.

    An API server that does not answer for a while is waited for too.
    """
    text = "nothing yet"
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with session.screen.working(title) as update:
        while True:
            try:
                done, text = await look()
            except (*CONNECTION_ERRORS, ApiError) as error:
                if isinstance(error, ApiError) and error.status < 500 and error.status != 429:
                    raise
                done, text = False, f"the API server does not answer ({error})"
            if done:
                return text
            if loop.time() > end:
                raise CliError(f"{title}: not done within {seconds:g} s; last: {text}.", remedy, ExitCode.TIMEOUT)
            update(text)
            await asyncio.sleep(EVERY)
