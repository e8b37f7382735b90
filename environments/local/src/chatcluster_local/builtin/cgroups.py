"""Control groups: every process of a cluster is in its groups, so all can be found and ended, whatever started them.

Works with the unified hierarchy (v2) and with one hierarchy a controller (v1). A group's path is the same in all.
"""

import os
import signal
import time
from pathlib import Path

from ..errors import LocalError

MOUNTS = Path("/proc/self/mounts")
KILL_TIMEOUT = 15.0
V2_CONTROLLERS = "+cpuset +cpu +io +memory +pids"


def hierarchies() -> list[Path]:
    """The folders where the hierarchies that limit resources are mounted: one with v2, several with v1."""
    v1: list[Path] = []
    v2: list[Path] = []
    for line in MOUNTS.read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup":
            v1.append(Path(target))
        elif kind == "cgroup2":
            v2.append(Path(target))
    # With v1, a cgroup2 mount beside it (the "hybrid" set-up) carries no controllers.
    return v1 or v2


def is_v1() -> bool:
    return any(line.split()[2] == "cgroup" for line in MOUNTS.read_text().splitlines())


class Group:
    """One group, in every hierarchy."""

    def __init__(self, path: str, roots: list[Path] | None = None) -> None:
        self.path = path.strip("/")
        self.roots = hierarchies() if roots is None else roots

    @property
    def folders(self) -> list[Path]:
        return [root / self.path for root in self.roots]

    def child(self, name: str) -> "Group":
        return Group(f"{self.path}/{name}", self.roots)

    @property
    def exists(self) -> bool:
        return any(folder.exists() for folder in self.folders)

    def create(self) -> None:
        """Make the group and those above it, ready to hold processes or groups."""
        for root in self.roots:
            folder = root
            for part in self.path.split("/"):
                self._delegate(folder)
                folder /= part
                folder.mkdir(exist_ok=True)
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    # A v1 cpuset is born empty and accepts no process until it is given some.
                    own, above = folder / setting, folder.parent / setting
                    if is_v1() and own.exists() and not own.read_text().strip():
                        own.write_text(above.read_text())

    def _delegate(self, folder: Path) -> None:
        control = folder / "cgroup.subtree_control"
        if is_v1() or not control.exists():
            return
        for controller in V2_CONTROLLERS.split():
            if controller[1:] not in control.read_text().split():
                try:
                    control.write_text(controller)
                except OSError as error:
                    raise LocalError(
                        f"the control group {folder} cannot hand on {controller[1:]} ({error.strerror})",
                        "Run on a machine or in a container that owns its control groups",
                    ) from error

    def processes(self) -> set[int]:
        """The ids of all processes in this group and those below it."""
        found: set[int] = set()
        for folder in self.folders:
            for top, _, _ in os.walk(folder):
                try:
                    found.update(int(pid) for pid in (Path(top) / "cgroup.procs").read_text().split())
                except OSError:  # removed while we looked
                    continue
        return found

    def holds(self, pid: int) -> bool:
        """Whether the process is in this group or below it now."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return any(f"/{self.path}/" in f"{line}/" for line in lines)

    def kill(self) -> None:
        """End all processes in this group and those below it, and wait until they are gone."""
        deadline = time.monotonic() + KILL_TIMEOUT
        while pids := self.processes():
            if time.monotonic() > deadline:
                raise LocalError(f"processes {sorted(pids)} do not end", "See with ps what they wait for")
            for pid in pids:
                try:
                    descriptor = os.pidfd_open(pid)
                except ProcessLookupError:
                    continue
                try:
                    # Once pinned, look again: the id may have passed to another process in between.
                    if self.holds(pid):
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                finally:
                    os.close(descriptor)
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the group and those below it; they must hold no process."""
        deadline = time.monotonic() + KILL_TIMEOUT
        for folder in self.folders:
            for top, _, _ in os.walk(folder, topdown=False):
                while True:
                    try:
                        os.rmdir(top)
                    except FileNotFoundError:
                        pass
                    except OSError as error:
                        # The last process of a group counts for a moment after its end.
                        if time.monotonic() > deadline:
                            raise LocalError(f"the control group {top} cannot be removed ({error.strerror})") from error
                        time.sleep(0.02)
                        continue
                    break

    def memory(self) -> int:
        """Bytes of memory that the group cannot do without: all but the file cache that could be dropped."""
        for folder in self.folders:
            for name, cache in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file")):
                if (folder / name).exists():
                    statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                    return max(0, int((folder / name).read_text()) - int(statistics.get(cache, 0)))
        return 0
