"""The devices connected to this process: which of them idle, and what the store is still to be told of them.

Nothing is written while a device is in use: only that it came, that it idles or is used again, and that it went. What
could not be written stays here until it can, so that nobody stays online because Redis was away when they left.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class Mark(Enum):
    """What the store should know of a device."""

    USED = "used"
    IDLE = "idle"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Write:
    """A mark that is to be written."""

    user_id: str
    mark: Mark
    due: float
    """In a monotonic clock's seconds, as all times here."""


@dataclass(slots=True)
class Device:
    """One connected socket of a person."""

    user_id: str
    used: float
    idle: bool = False
    batched: bool = False
    """Wants the changes of those it watches in one event."""


class Devices:
    """By socket. A later mark of a socket replaces one that is not written yet."""

    def __init__(self, *, idle_after: float, grace: float) -> None:
        self._idle_after = idle_after
        self._grace = grace
        self._open: dict[str, Device] = {}
        self._of: dict[str, set[str]] = {}
        self._writes: dict[str, Write] = {}

    def __getitem__(self, socket: str) -> Device:
        return self._open[socket]

    def get(self, socket: str) -> Device | None:
        """The device of a socket that is open."""
        return self._open.get(socket)

    def of(self, user_id: str) -> Collection[str]:
        """The person's sockets here."""
        return self._of.get(user_id, ())

    def opened(self, socket: str, user_id: str, now: float) -> None:
        """A device is about to be added to the store."""
        self._open[socket] = Device(user_id, now)
        self._of.setdefault(user_id, set()).add(socket)

    def closed(self, socket: str, now: float) -> None:
        """A device has gone. It is given a moment to come back, so that nobody is told of a short break."""
        device = self._open.pop(socket, None)
        if device is None:
            return
        here = self._of[device.user_id]
        here.discard(socket)
        if not here:
            del self._of[device.user_id]
        self._writes[socket] = Write(device.user_id, Mark.GONE, now + self._grace)

    def used(self, socket: str, now: float, *, active: bool = True) -> None:
        """A device was used, or put aside."""
        device = self._open.get(socket)
        if device is None:
            return
        device.used = now if active else now - self._idle_after
        if device.idle == active:
            self._set_idle(socket, device, not active, now)

    def rest(self, now: float) -> None:
        """Find the devices that were not used for long enough."""
        for socket, device in self._open.items():
            if not device.idle and now - device.used >= self._idle_after:
                self._set_idle(socket, device, True, now)

    def again(self, now: float, user_id: str | None = None) -> None:
        """Write the devices (of None: everybody's) once more: the store may not know them."""
        sockets = list(self._open) if user_id is None else self.of(user_id)
        for socket in sockets:
            device = self._open[socket]
            self._set_idle(socket, device, device.idle, now)

    def take(self, now: float, most: int) -> dict[str, Write]:
        """What is due to be written, at most so much. What cannot be written, give back."""
        due: dict[str, Write] = {}
        for socket, write in self._writes.items():
            if write.due <= now:
                due[socket] = write
                if len(due) == most:
                    break
        for socket in due:
            del self._writes[socket]
        return due

    def give_back(self, writes: dict[str, Write]) -> None:
        """These could not be written; later marks of the same sockets win."""
        self._writes = writes | self._writes

    def _set_idle(self, socket: str, device: Device, idle: bool, now: float) -> None:
        device.idle = idle
        self._writes[socket] = Write(device.user_id, Mark.IDLE if idle else Mark.USED, now)
