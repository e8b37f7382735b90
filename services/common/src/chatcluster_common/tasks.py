"""Ending tasks for sure."""

import asyncio
from collections.abc import Iterable
from typing import Any

from chatcluster_common import logs

log = logs.get_logger(__name__)

_PATIENCE_SECONDS = 0.5
_ATTEMPTS = 20


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks and wait until they have ended, about ten seconds at most.

    Cancelled more than once where need be: drivers (redis-py, aiokafka) now and then turn a cancellation that meets an
    answer or an error into an error of their own, and a loop that tries again would go on for ever.
    """
    left = {task for task in tasks if not task.done()}
    for _ in range(_ATTEMPTS):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_PATIENCE_SECONDS)
    log.error("tasks do not end", tasks=sorted(task.get_name() for task in left))
