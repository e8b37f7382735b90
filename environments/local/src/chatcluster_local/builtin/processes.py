"""Remembering processes so that a recycled process id is never taken for the one that had it before.

A process is its id, the moment it started (clock ticks since boot, from /proc/PID/stat) and the boot it belongs to.
"""

import os
import signal
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

PROC = Path("/proc")


@cache
def boot_id() -> str:
    """The id of the running boot."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def started_at(pid: int) -> int | None:
    """When the process started, in ticks since boot; None when it is gone or a zombie."""
    try:
        # The name in brackets may itself hold spaces and brackets.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class Process:
    """One process, told apart from every later one with the same id."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this id now, or None."""
        started = started_at(pid)
        return None if started is None else cls(pid, started, boot_id())

    @classmethod
    def load(cls, data: dict[str, Any]) -> Self:
        return cls(int(data["pid"]), int(data["started"]), str(data["boot"]))

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def alive(self) -> bool:
        return self.boot == boot_id() and started_at(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still this process."""
        if not self.alive:
            return
        try:
            # The descriptor pins the process: it cannot be recycled between the second look and the signal.
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)
