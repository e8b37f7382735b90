"""What travels on a channel: an event for sockets, its data encoded once by the publisher and never decoded again."""

from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Frame:
    """An event on its way to the sockets of a channel."""

    event: str
    body: bytes
    """The event's data as JSON."""
    meta: dict[str, Any] = field(default_factory=dict[str, Any])
    """For the processes on the way (a sequence number, a room to join); clients never see it."""

    def encode(self) -> bytes:
        """One line of JSON for the processes, then the body as it is."""
        return orjson.dumps([self.event, self.meta]) + b"\n" + self.body

    @classmethod
    def decode(cls, data: bytes) -> "Frame":
        """The reverse of `encode`. Raises ValueError for anything else."""
        head, separator, body = data.partition(b"\n")
        if not separator:
            raise ValueError("a frame has two lines")
        event, meta = orjson.loads(head)
        return cls(event, body, meta)

    @property
    def packet(self) -> str:
        """The Socket.IO EVENT packet of the main namespace."""
        return f"2[{orjson.dumps(self.event).decode()},{self.body.decode()}]"
