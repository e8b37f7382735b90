"""What travels on a channel: an event for sockets, its data encoded once by the publisher and never decoded again."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from chatcluster_common.realtime.websocket import text_frame


class Packet:
    """An Engine.IO packet, ready for either transport; one serves all its receivers."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @cached_property
    def frame(self) -> bytes:
        """As a WebSocket frame."""
        return text_frame(self.data)


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
    def packet(self) -> Packet:
        """An Engine.IO message that holds a Socket.IO event of the main namespace."""
        return Packet(b"42[" + orjson.dumps(self.event) + b"," + self.body + b"]")
