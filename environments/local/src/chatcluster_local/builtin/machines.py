"""A machine of the cluster: namespaces of its own, kept by a first process that reaps the others.

Everything that runs in a machine is a descendant of that first process in a process namespace, so ending it ends them
all; the mounts made in the machine and its end of the cable go with it. Nothing of this shows on the host but the
host's end of the cable and the control group.
"""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ExitCode, LocalError
from ..shell import run
from .cgroups import Group
from .processes import Process

START_TIMEOUT = 15.0
LOG_LIMIT = 16 * 1024 * 1024
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

JOIN = 'for group in $GROUPS_OF_MACHINE; do echo $$ > "$group/cgroup.procs" || exit 1; done; exec "$@"'
"""A shell joins the groups and becomes the program: safe in a process with threads, which a hook after fork is not."""

DETACH = '"$@" >&2 & echo $!'
"""Leaves the program behind and prints its id as the host sees it: this shell is in the machine's other namespaces, its
children alone in the process namespace. The orphan passes to the machine's first process."""

FIRST = """set -eu
mount -t proc proc /proc
echo "$MACHINE" > /proc/sys/kernel/hostname
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
%s
exec catatonit -P
"""
ENTER = ("--mount", "--net", "--pid", "--uts", "--ipc")


@dataclass(frozen=True)
class Program:
    """A long-running program of a machine. A change in any of this restarts it."""

    name: str
    command: Sequence[str]
    files: Mapping[Path, str] = field(default_factory=dict[Path, str])
    """Its configuration: where on the host, and the text."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def digest(self) -> str:
        parts = [list(self.command), {str(path): text for path, text in self.files.items()}, dict(self.env)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    scratch.replace(path)


class Machine:
    """One machine. `setup` is shell that its first process runs in the new namespaces before anything else."""

    def __init__(self, name: str, *, folder: Path, logs: Path, group: Group, path: str, setup: str = "") -> None:
        self.name = name
        self.folder = folder
        self.logs = logs
        self.group = group
        """Holds the machine's own programs in its child `system`; a node's pods are beside that."""
        self._path = path
        self._setup = setup
        self._record = folder / "processes.json"

    # What is recorded

    def _load(self) -> dict[str, Any]:
        try:
            return json.loads(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return {"first": None, "programs": {}}

    def _save(self, data: dict[str, Any]) -> None:
        write_private(self._record, json.dumps(data, indent=1))

    @property
    def first(self) -> Process | None:
        """The first process, if it lives."""
        data = self._load()["first"]
        process = Process.load(data) if data else None
        return process if process and process.alive else None

    @property
    def running(self) -> bool:
        return self.first is not None

    def programs(self) -> dict[str, Process]:
        """The programs that were started here and still run."""
        if not self.running:
            return {}
        known = {name: Process.load(entry["process"]) for name, entry in self._load()["programs"].items()}
        return {name: process for name, process in known.items() if process.alive}

    def recorded(self) -> list[str]:
        """The names of the programs that were started here, running or not."""
        return list(self._load()["programs"])

    # The machine

    def _environment(self) -> dict[str, str]:
        groups = " ".join(str(folder) for folder in self.group.child("system").folders)
        return {"PATH": self._path, "HOME": "/root", "GROUPS_OF_MACHINE": groups, "MACHINE": self.name}

    def start(self) -> bool:
        """Start the machine unless it runs; return whether it was started."""
        if self.running:
            return False
        self.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.group.child("system").create()
        log = self.logs / f"{self.name}.log"
        command = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--propagation", "slave"]
        first = self._detach([*command, "sh", "-c", DETACH, "sh", "sh", "-c", FIRST % self._setup], {}, log)
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                if Path(f"/proc/{first.pid}/comm").read_text().strip() == "catatonit":
                    break
            except (FileNotFoundError, ProcessLookupError):
                pass
            if not first.alive or time.monotonic() > deadline:
                raise LocalError(f"the machine {self.name} did not start", f"See {log}")
            time.sleep(0.005)
        self._save({"first": first.dump(), "programs": {}})
        return True

    def stop(self) -> None:
        """End all that runs in the machine, at once, as a power cut does; safe to call at any time."""
        if first := self.first:
            first.signal(signal.SIGKILL)
        self.group.kill()
        self.group.remove()
        if self._record.exists():
            self._save({"first": None, "programs": {}})

    def inside(self, command: Sequence[str | Path], *, timeout: float = 60, **options: Any) -> str:
        """Run a program to its end in the machine; return what it printed."""
        first = self.first
        if first is None:
            raise LocalError(f"the machine {self.name} is not running", "Run up first", ExitCode.ABSENT)
        enter = ["nsenter", "--target", str(first.pid), *ENTER, "--", *command]
        env = self._environment() | dict(options.pop("env", {}))
        return run(["sh", "-c", JOIN, "sh", *enter], timeout=timeout, env=env, **options).stdout

    def ensure(self, program: Program) -> bool:
        """Have the program running with this configuration; return whether it had to be started."""
        first = self.first
        if first is None:
            raise LocalError(f"the machine {self.name} is not running", "Run up first", ExitCode.ABSENT)
        data = self._load()
        entry = data["programs"].get(program.name)
        if entry:
            process = Process.load(entry["process"])
            if process.alive and entry["digest"] == program.digest:
                return False
            self.end(program.name)
            data = self._load()
        for path, text in program.files.items():
            write_private(path, text)
        log = self.logs / f"{self.name}-{program.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        enter = ["nsenter", "--target", str(first.pid), *ENTER, "--no-fork", "--", "sh", "-c", DETACH, "sh"]
        process = self._detach([*enter, *program.command], program.env, log)
        data["programs"][program.name] = {"process": process.dump(), "digest": program.digest}
        self._save(data)
        return True

    def end(self, name: str, number: signal.Signals = signal.SIGTERM, grace: float = 10.0) -> None:
        """End one program: asked first, then made to after `grace` seconds."""
        process = self.programs().get(name)
        if process is not None:
            process.signal(number)
            deadline = time.monotonic() + grace
            while process.alive:
                if time.monotonic() > deadline:
                    process.signal(signal.SIGKILL)
                time.sleep(0.02)
        data = self._load()
        data["programs"].pop(name, None)
        self._save(data)

    def _detach(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
        with log.open("ab") as output:
            done = subprocess.run(
                ["sh", "-c", JOIN, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                env=self._environment() | dict(env),
                start_new_session=True,
                timeout=START_TIMEOUT,
                check=False,
                text=True,
            )
        process = Process.of(int(done.stdout)) if done.returncode == 0 and done.stdout.strip() else None
        if process is None:
            raise LocalError(f"{command[0]} could not be started in {self.name}", f"See {log}")
        return process


class Cables:
    """The host's bridge and the cables from it to the machines."""

    def __init__(self, bridge: str, address: str, prefix: int) -> None:
        self.bridge, self.address, self.prefix = bridge, address, prefix

    @staticmethod
    def links() -> set[str]:
        """The names of the host's network devices."""
        return {entry.name for entry in Path("/sys/class/net").iterdir()}

    def lay_bridge(self) -> None:
        if self.bridge not in self.links():
            run(["ip", "link", "add", self.bridge, "type", "bridge"])
        run(["ip", "address", "replace", f"{self.address}/{self.prefix}", "dev", self.bridge])
        run(["ip", "link", "set", self.bridge, "up"])

    def plug(self, machine: Machine, link: str, address: str) -> None:
        """Lay the cable to a machine and give the machine its address and default route."""
        first = machine.first
        assert first is not None, machine.name  # noqa: S101 - callers have just started it
        if link in self.links():
            run(["ip", "link", "delete", link], check=False)
        peer = ["peer", "name", "eth0", "netns", str(first.pid)]
        run(["ip", "link", "add", link, "type", "veth", *peer])
        run(["ip", "link", "set", link, "master", self.bridge, "up"])
        batch = (
            f"address replace {address}/{self.prefix} dev eth0\n"
            "link set eth0 up\n"
            f"route replace default via {self.address}\n"
        )
        machine.inside(["ip", "-batch", "-"], input=batch)

    @staticmethod
    def is_up(link: str) -> bool:
        """Whether the host's end of a cable is set up (a cut cable is set down)."""
        try:
            return bool(int(Path(f"/sys/class/net/{link}/flags").read_text(), 16) & 1)
        except FileNotFoundError:
            return False

    @staticmethod
    def set_up(link: str, up: bool) -> None:
        run(["ip", "link", "set", link, "up" if up else "down"])

    def unplug(self, link: str) -> None:
        if link in self.links():
            run(["ip", "link", "delete", link], check=False)

    def remove(self) -> None:
        """Take the bridge away, and with it the host's address and routes."""
        self.unplug(self.bridge)
