"""The real kubectl, as a person runs it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chatcluster_testing.control_plane import program

SECONDS = 60
"""Time that one command may take."""


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Kubectl:
    """Runs commands with one kubeconfig."""

    kubeconfig: Path

    def __call__(self, *arguments: str, given: str | None = None, seconds: float = SECONDS) -> Said:
        """Run a command; `given` is its standard input."""
        # No cache in the home folder: another API server's answers about kinds would be in it.
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)}
        argv = [str(program("kubectl")), *arguments]
        done = subprocess.run(argv, input=given, capture_output=True, text=True, env=env, timeout=seconds, check=False)
        return Said(done.returncode, done.stdout, done.stderr)
