"""The real cluster of the end-to-end tests: kubectl, the edge's address, and what only the host can do to a pod."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from chatcluster_local import environment

T = TypeVar("T")


@dataclass(frozen=True)
class Cluster:
    """A running environment, as `make up` leaves it."""

    name: str
    kubeconfig: str
    edge: str
    namespace: str = "chat"
    chatcluster: str = "demo"

    @classmethod
    def running(cls) -> "Cluster":
        """The environment that `CHATCLUSTER_NAME` names; fails with the remedy when it is not up."""
        name = os.environ.get("CHATCLUSTER_NAME", "chatcluster")
        return cls(name=name, kubeconfig=_local("kubeconfig", name), edge=_local("url", name))

    def local(self, command: str, *args: str) -> str:
        """Run a command of `chatcluster-local` on this environment; what it prints."""
        return _local(command, self.name, *args)

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the chat namespace."""
        done = subprocess.run(
            [_kubectl(), "--namespace", self.namespace, "--request-timeout=30s", *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            env={**os.environ, "KUBECONFIG": self.kubeconfig},
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done

    def get(self, *args: str) -> Any:
        """`kubectl get … -o json`, parsed."""
        return json.loads(self.kubectl("get", *args, "-o", "json").stdout)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """One object, or None while it does not exist."""
        done = self.kubectl("get", kind, name, "-o", "json", check=False)
        if done.returncode:
            assert "NotFound" in done.stderr, done.stderr
            return None
        return json.loads(done.stdout)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The component's pods that are not on their way out."""
        selector = f"app.kubernetes.io/instance={self.chatcluster},app.kubernetes.io/component={component}"
        items = self.get("pods", "-l", selector)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def raw(self, path: str) -> str:
        """A GET on the API server, its proxy to pods and services included."""
        return self.kubectl("get", "--raw", path).stdout

    def follow(self, path: str) -> subprocess.Popen[str]:
        """A GET on the API server that goes on, such as a watch; its answer is the process's output."""
        return subprocess.Popen(
            [_kubectl(), "get", "--raw", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "KUBECONFIG": self.kubeconfig},
        )

    def metric(self, pod: dict[str, Any], port: int, name: str) -> float:
        """The sum over all labels of one metric of a pod."""
        meta = pod["metadata"]
        text = self.raw(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{port}/proxy/metrics")
        lines = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def condition(self, kind: str = "Ready", name: str | None = None) -> dict[str, Any]:
        """A condition of the ChatCluster; empty while there is none."""
        chat = self.find("chatcluster", name or self.chatcluster) or {}
        conditions = chat.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def wait_ready(self, seconds: int = 180, name: str | None = None) -> None:
        """Wait for the ChatCluster's `Ready`, for the generation it has now."""
        name = name or self.chatcluster

        def ready() -> bool:
            chat = self.find("chatcluster", name) or {}
            now = self.condition(name=name)
            return now.get("status") == "True" and now["observedGeneration"] == chat["metadata"]["generation"]

        until(ready, f"{name} Ready", seconds)


def until(found: Callable[[], T | None], what: str, seconds: float = 30.0, every: float = 0.2) -> T:
    """The first truthy value of `found`; fails naming `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := found():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


async def until_async(found: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """`until`, for tests in which people chat meanwhile."""
    return await asyncio.to_thread(until, found, what, seconds)


def processes_of(pod: dict[str, Any]) -> list[int]:
    """The host's process ids of everything in a pod: the nodes of both local providers share this machine's kernel."""
    uid = pod["metadata"]["uid"]
    marks = (uid, uid.replace("-", "_"))
    return [pid for pid, cgroup in _cgroups() if any(mark in cgroup for mark in marks)]


def kill_pod(pod: dict[str, Any]) -> None:
    """SIGKILL to every process of a pod: no warning, no draining, as when the kernel runs out of memory."""
    pids = processes_of(pod)
    assert pids, f"no process found of {pod['metadata']['name']}"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _cgroups() -> Iterable[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / "cgroup").read_text()
            except OSError:
                continue  # it ended meanwhile


def _kubectl() -> str:
    return shutil.which("kubectl", path=environment.programs_path()) or "kubectl"


def _local(command: str, name: str, *args: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("chatcluster-local"), command, *args, "--name", name],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{command} failed (is it up? `make up NAME={name}`): {done.stderr.strip()}")
    return done.stdout.strip()
