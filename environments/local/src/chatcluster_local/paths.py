"""Where things are kept: state per cluster, the user's cache, and this repository's own files."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import ExitCode, LocalError

DEFAULT_NAME = "chatcluster"
NAME = re.compile(r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?")


def check_name(name: str) -> str:
    """Return `name` if it can name a cluster; else raise LocalError."""
    if not NAME.fullmatch(name):
        raise LocalError(
            f"{name!r} cannot name a cluster",
            "Use up to 24 lower-case letters, digits and dashes, beginning with a letter, not ending with a dash",
            ExitCode.UNFIT,
        )
    return name


def _base(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG rules say to ignore a relative path.
    return Path(value) if value.startswith("/") else Path.home() / default


def state_root() -> Path:
    """The folder with one folder a cluster."""
    return _base("XDG_STATE_HOME", ".local/state") / "chatcluster"


def cache_root() -> Path:
    """The folder of what is slow to make and may be thrown away: programs, base images, toolchains."""
    return _base("XDG_CACHE_HOME", ".cache") / "chatcluster"


def repository() -> Path:
    """The root of this repository."""
    return Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Paths:
    """The files of the cluster called `name`."""

    name: str

    @property
    def state(self) -> Path:
        return state_root() / self.name

    @property
    def record(self) -> Path:
        """What the cluster is: provider, index, options."""
        return self.state / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One file a program."""
        return self.state / "logs"

    @property
    def machines(self) -> Path:
        """One folder a machine: its disk."""
        return self.state / "machines"

    @property
    def lock(self) -> Path:
        """Held while a command changes the cluster; outlives the state folder so that removing it is safe."""
        return state_root() / f".{self.name}.lock"
