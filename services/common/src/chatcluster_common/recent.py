"""What was read a moment ago, kept for a moment, so that a busy thing is not asked for again each time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `most` values, each good for `seconds` after it was put."""

    def __init__(self, *, seconds: float, most: int = 10_000, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._known: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, unless it is too old."""
        found = self._known.get(key)
        return found[0] if found and self._now() < found[1] else None

    def put(self, key: K, value: V) -> None:
        """Remember what was just read; the value put longest ago makes room."""
        self._known[key] = (value, self._now() + self._seconds)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, key: K) -> None:
        """It has changed."""
        self._known.pop(key, None)
