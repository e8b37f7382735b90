"""`kubectl chat` as its user runs it: a program of its own, with a kubeconfig."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chatcluster_operator import install
from chatcluster_operator.kube import CHATCLUSTER
from chatcluster_testing.control_plane import program

BIN = Path(sys.executable).parent
PATIENCE = 180.0
"""Seconds that a command may take on a busy machine."""


@dataclass
class Chat:
    """The plugin, run as a program for one kubeconfig."""

    kubeconfig: Path
    kubectl: Path = field(default_factory=lambda: program("kubectl"))
    """The kubectl that the plugin uses."""

    @property
    def environment(self) -> dict[str, str]:
        """What it needs, and nothing of ours: each warning of Python's is an error."""
        path = os.pathsep.join([str(BIN), str(program("kubectl").parent), os.environ["PATH"]])
        return {
            "PATH": path,
            "HOME": str(self.kubeconfig.parent),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECTL": str(self.kubectl),
            "NO_PROXY": "*",
            "PYTHONWARNINGS": "error",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run a command in the background. It heeds Ctrl-C even where the tests are a shell's background job,
        which ignores it."""
        pipe = subprocess.PIPE
        command = ["env", "--default-signal=INT", str(BIN / "kubectl-chat"), *arguments]
        return subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def __call__(self, *arguments: str, text: str = "", code: int = 0) -> str:
        """What a command writes to standard output. It must end with this exit code, and never with a traceback."""
        done = subprocess.run(
            [str(BIN / "kubectl-chat"), *arguments],
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        self.errors = done.stderr
        return done.stdout

    def json(self, *arguments: str, text: str = "", code: int = 0) -> Any:
        """The same, read as JSON."""
        return json.loads(self(*arguments, "--output", "json", text=text, code=code))


def manifest(spec: dict[str, Any] | None = None, name: str = "demo") -> str:
    """A ChatCluster as a person writes it."""
    body = {
        "apiVersion": CHATCLUSTER.api_version,
        "kind": CHATCLUSTER.name,
        "metadata": {"name": name},
        "spec": {"version": install.RELEASE, **(spec or {})},
    }
    return yaml.safe_dump(body)
