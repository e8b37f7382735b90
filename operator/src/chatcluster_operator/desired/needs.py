"""What a component needs, as numbers with a reason each, and the operator's own: nothing derived goes below it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from chatcluster_operator.api import EDGE


@dataclass(frozen=True, slots=True)
class Number:
    """A number, and why it is what it is, in a line."""

    value: int
    why: str
    derived: bool = True
    """From a number of people; otherwise it is the operator's own."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one component needs: processor in thousandths of a core, memory in MiB, a volume in GiB."""

    fewest: Number
    """Replicas at least."""
    most: Number
    """Replicas at most; the same where nothing scales them."""
    cpu: Number
    memory: Number
    memory_limit: Number
    volume: Number | None = None
    connections: Number | None = None
    """Sockets that a replica should hold, at the edge those that it takes."""

    def at_least(self, other: "Need") -> "Need":
        """The larger of both, number by number."""
        pairs = {item.name: (getattr(self, item.name), getattr(other, item.name)) for item in fields(Need)}
        return Need(**{name: larger(*pair) if all(pair) else pair[0] or pair[1] for name, pair in pairs.items()})


def larger(one: Number, other: Number) -> Number:
    """The larger number; the first where they are equal."""
    return other if other.value > one.value else one


def own(value: int) -> Number:
    """A number of the operator's own."""
    return Number(value, "the operator's own", derived=False)


def _service(cpu: int, memory: int, memory_limit: int) -> Need:
    return Need(own(2), own(6), own(cpu), own(memory), own(memory_limit))


def _store(cpu: int, memory: int, memory_limit: int, volume: int) -> Need:
    return Need(own(1), own(1), own(cpu), own(memory), own(memory_limit), own(volume))


LEAST: Final[Mapping[str, Need]] = {
    "gateway": _service(100, 96, 256),
    # argon2id takes 19 MiB a password, two at a time.
    "user": _service(100, 128, 384),
    "message": _service(150, 128, 512),
    # Uploads pass through in parts, and thumbnails are decoded in processes of their own.
    "file": _service(100, 192, 1024),
    "notification": _service(50, 96, 256),
    "presence": _service(100, 96, 384),
    "postgres": _store(100, 192, 512, 8),
    "mongodb": _store(200, 256, 768, 10),
    "redis": _store(50, 64, 256, 1),
    "kafka": _store(150, 512, 768, 8),
    "objects": _store(100, 192, 768, 10),
    EDGE: Need(own(2), own(2), own(50), own(64), own(256), connections=own(8000)),
}
"""The operator's own sizes, for a few hundred people."""
LEAST_PARTITIONS: Final = own(6)
LEAST_DATABASE_CONNECTIONS: Final = own(200)
