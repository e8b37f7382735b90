"""Places in a conversation: who writes next, under which `seq`.

The store decides: (conversation_id, seq) is unique there, and a message is inserted with the number after the highest
one known. So N+1 can only be stored after N was, there is never a gap, and two processes that pick the same number find
out. Within a process the writers of a conversation take turns and remember the last number, so that they never collide
and seldom read.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Turn:
    """The right to write to a conversation, in this process."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
        self.last: int | None = None
        """The highest `seq` known to be stored; None when it has to be read."""


class Turns:
    """The turns of all conversations; the last numbers of the `remembered` most recent ones are kept."""

    def __init__(self, remembered: int = 10_000) -> None:
        self._remembered = remembered
        self._turns: OrderedDict[str, Turn] = OrderedDict()

    @asynccontextmanager
    async def take(self, conversation_id: str) -> AsyncGenerator[Turn]:
        """Wait for the conversation's turn, first come first served."""
        turn = self._turns.setdefault(conversation_id, Turn())
        self._turns.move_to_end(conversation_id)
        turn.waiting += 1
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.waiting -= 1
            self._forget()

    def saw(self, conversation_id: str, seq: int) -> None:
        """Another process has stored `seq`: the next number here is beyond it."""
        turn = self._turns.get(conversation_id)
        if turn is not None and turn.last is not None and turn.last < seq:
            turn.last = seq

    def _forget(self) -> None:
        while len(self._turns) > self._remembered:
            conversation_id, oldest = next(iter(self._turns.items()))
            if oldest.waiting:
                return
            del self._turns[conversation_id]
