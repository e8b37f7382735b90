"""A circuit breaker: a service that fails again and again is left alone for a while, and its callers know at once.

Closed, all calls go through; so many failures in a row, with no success between, open it. Open, no call goes through
until its time is over. Half-open, one call tries: its success closes the circuit, its failure opens it for twice as
long.

Time is handed in, so that the whole is a function of what happened.
"""

import math
from enum import Enum


class State(Enum):
    """Where the circuit is; the value is what the metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """One service's circuit. `admit` each call, and tell what became of it with the permit that it got."""

    def __init__(self, *, failures: int, first_seconds: float, longest_seconds: float) -> None:
        self._most = failures
        self._first = first_seconds
        self._longest = longest_seconds
        self.state = State.CLOSED
        self._failures = 0
        self._seconds = first_seconds
        self._until = 0.0
        self._generation = 0

    def admit(self, now: float) -> int | None:
        """A permit for one call; None: the circuit is open, or somebody is trying already."""
        if self.state is State.OPEN and now >= self._until:
            self._turn(State.HALF_OPEN)
        elif self.state is not State.CLOSED:
            return None
        return self._generation

    def retry_seconds(self, now: float) -> int:
        """When to come back after a refusal, in whole seconds."""
        return max(1, math.ceil(self._until - now))

    def succeeded(self, permit: int) -> None:
        """The service answered."""
        if permit != self._generation:
            return  # of a call from before the last turn: it says nothing of now
        self._failures = 0
        if self.state is State.HALF_OPEN:
            self._seconds = self._first
            self._turn(State.CLOSED)

    def failed(self, permit: int, now: float) -> None:
        """The service did not answer."""
        if permit != self._generation:
            return
        self._failures += 1
        if self.state is State.HALF_OPEN:
            self._seconds = min(self._seconds * 2, self._longest)
        elif self._failures < self._most:
            return
        self._until = now + self._seconds
        self._turn(State.OPEN)

    def abandoned(self, permit: int) -> None:
        """The caller left before there was an answer: nothing is known, and the next call may try."""
        if permit == self._generation and self.state is State.HALF_OPEN:
            self._turn(State.OPEN)

    def _turn(self, state: State) -> None:
        self.state = state
        self._failures = 0
        self._generation += 1
