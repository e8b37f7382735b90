"""How many writes are on their way to the API server at one time: as many as it answers in time.

A write that is given up after its time limit has cost the server as much as one that succeeded, and is repeated. Made
all at once, the objects of many new ChatClusters can so keep a server busy with nothing but what is given up: at 10,000
Services each new one takes it 0.2 s, one after the other, in the allocator of their addresses. So the window of writes
follows the answers, as TCP's does (additive increase, multiplicative decrease: RFC 5681, section 3.1): a little wider
with each that came in time, half as wide when one did not.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from chatcluster_operator.kube import ApiError

FIRST: Final = 16.0
"""Width at the start."""
LEAST: Final = 2.0
MOST: Final = 64.0
"""As many as the client keeps connections."""

_OVERLOADED: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


class Window:
    """Lets in as many at a time as it is wide; the others wait in the order in which they came."""

    def __init__(self, width: float = FIRST) -> None:
        self.width = width
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._narrowed_at = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a turn, and learn from how the call in it ends."""
        await self._enter()
        began = time.monotonic()
        try:
            yield
        except (TimeoutError, ApiError) as error:
            if isinstance(error, TimeoutError) or error.status in _OVERLOADED:
                self._narrow(began)
            raise
        else:
            self.width = min(MOST, self.width + 1 / self.width)
        finally:
            self._inside -= 1
            self._admit()

    async def _enter(self) -> None:
        if self._inside < int(self.width) and not self._waiting:
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It was let in and went away in the same moment.
                self._inside -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self._inside < int(self.width):
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def _narrow(self, began: float) -> None:
        """Half as wide; once for all that were on their way when it was last narrowed, as they say the same."""
        if began >= self._narrowed_at:
            self.width = max(LEAST, self.width / 2)
            self._narrowed_at = time.monotonic()
