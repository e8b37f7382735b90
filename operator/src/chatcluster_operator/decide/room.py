"""How full volumes are: what is told of it, and when that is worth writing down."""

from collections.abc import Collection, Mapping
from typing import Final

MARKS: Final = (80, 90, 100)
"""Percent from which a volume fills up, is nearly full, and is full: that it then takes no writes."""
STEP: Final = 5
"""Percentage points by which a figure must change to be told anew. So one at a mark does not come and go either."""


def percent(size: int, free: int, *, full: bool) -> int:
    """How full a volume of so many bytes is. 100: its store takes no writes; the last bit is kept for the store."""
    return 100 if full else min(99, -(-100 * (size - free) // size))


def told(before: Mapping[str, int], heard: Mapping[str, int], there: Collection[str]) -> dict[str, int]:
    """The figure of each member's volume that the status is to say, given what it says and what was heard.

    A mark that is reached is told at once. `there` are members that have a pod: of one that does not answer now, as one
    without a byte left may not, the last word stands.
    """
    kept = {name: figure for name, figure in before.items() if name in there}
    return {name: _told(kept.get(name), heard[name]) if name in heard else kept[name] for name in {**kept, **heard}}


def _told(before: int | None, now: int) -> int:
    if before is None or abs(now - before) >= STEP:
        return now
    return now if any(before < mark <= now for mark in MARKS) else before
