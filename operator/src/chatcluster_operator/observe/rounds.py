"""Numbers that pods are asked for now and then, beside everything else.

A look never waits for them: it takes what was last heard and, when that is due, begins another round. What cannot be
asked is unknown and asked ever more rarely, so that a thousand ChatClusters whose pods do not answer cost next to
nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

UNANSWERED_SECONDS: Final = 3600.0
"""Least seconds between two rounds, for pods that have long not answered."""

Addresses = Sequence[str]
Questions = Mapping[str, Addresses]
"""Pods to be asked for each number, by what it is called. One without pods is unknown."""


class Rounds:
    """The numbers of one ChatCluster. `ask` gives one of them, None where a pod does not say; `changed` is called when
    one came out otherwise than before. A round begins `every` so many seconds at most."""

    def __init__(
        self,
        ask: Callable[[str, Addresses], Awaitable[int | None]],
        changed: Callable[[], None],
        *,
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._changed = changed
        self._every = every
        self._clock = clock
        self._heard: dict[str, int] = {}
        self._questions: Questions = {}
        self._began = float("-inf")
        self._due = float("-inf")
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def look(self, questions: Questions) -> Mapping[str, int]:
        """What was last heard. Begins another round when that is due."""
        now = self._clock()
        if questions != self._questions:
            # Others may answer where these did not.
            self._questions, self._failures = questions, 0
            self._due = min(self._due, self._began + self._every)
        if now >= self._due and (self._task is None or self._task.done()):
            self._began, self._due = now, now + self._every
            self._task = asyncio.create_task(self._round(questions))
        return {name: number for name, number in self._heard.items() if questions.get(name)}

    def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()

    async def _round(self, questions: Questions) -> None:
        asked = {name: addresses for name, addresses in questions.items() if addresses}
        heard = {
            name: number
            for name, addresses in asked.items()
            if (number := await self._ask(name, addresses)) is not None
        }
        self._failures = 0 if len(heard) == len(asked) else self._failures + 1
        if self._failures == 1:
            # One that did not answer in time may only have been busy: what it said before is the better guess.
            heard = {**{name: self._heard[name] for name in asked if name in self._heard}, **heard}
        wait = min(self._every * 2**self._failures, UNANSWERED_SECONDS)
        self._due = self._clock() + wait * random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, guards nothing
        if heard != self._heard:
            self._heard = heard
            self._changed()
