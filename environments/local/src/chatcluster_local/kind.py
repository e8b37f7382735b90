"""The kind provider: the same commands on a cluster of Docker containers, where a Docker engine answers."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import yaml

from .errors import ExitCode, LocalError
from .packages import find
from .paths import Paths
from .progress import Progress
from .providers import Part, Provider
from .shell import run

NODES = 3
CREATE_TIMEOUT = 600.0


def kind_config() -> str:
    """The configuration of the cluster: the control plane takes pods too, as in the built-in one all nodes do."""
    nodes = [{"role": "control-plane"}, *({"role": "worker"} for _ in range(NODES))]
    return yaml.safe_dump({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes})


class Kind(Provider):
    """A cluster made by the `kind` command."""

    name = "kind"

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths)
        self._name = paths.name

    @property
    def kubeconfig(self) -> Path:
        return self.paths.kubeconfig

    def check(self) -> None:
        for program in ("docker", "kind", "kubectl"):
            if find(program) is None:
                raise LocalError(
                    f"the program {program} is missing", f"Install {program} or use --provider builtin", ExitCode.UNFIT
                )
        if run(["docker", "info"], timeout=20, check=False).returncode:
            raise LocalError("no Docker engine answers", "Start Docker or use --provider builtin", ExitCode.UNFIT)

    def _exists(self) -> bool:
        return self._name in run(["kind", "get", "clusters"]).stdout.split()

    def up(self, progress: Progress) -> None:
        self.paths.state.mkdir(parents=True, exist_ok=True)
        self.paths.record.write_text(json.dumps({"provider": self.name}))
        with progress.step(f"Starting the cluster {self._name} with kind") as step:
            if self._exists():
                containers = self._containers()
                run(["docker", "start", *containers], timeout=120)
                run(["kind", "export", "kubeconfig", "--name", self._name, "--kubeconfig", self.kubeconfig])
                step.result("it was there")
            else:
                run(
                    [
                        *("kind", "create", "cluster", "--name", self._name, "--config", "-"),
                        *("--wait", "120s", "--kubeconfig", str(self.kubeconfig)),
                    ],
                    input=kind_config(),
                    timeout=CREATE_TIMEOUT,
                )
            self.ask("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s", timeout=150)

    def down(self, progress: Progress) -> None:
        if find("kind") is None or not self._exists():
            return
        with progress.step(f"Deleting the kind cluster {self._name}"):
            run(["kind", "delete", "cluster", "--name", self._name, "--kubeconfig", self.kubeconfig], timeout=120)

    def _containers(self) -> list[str]:
        return run(["kind", "get", "nodes", "--name", self._name]).stdout.split()

    def status(self) -> list[Part]:
        if not self._exists():
            return []
        state = "{{.State.Status}}"
        parts: list[Part] = []
        for container in self._containers():
            status = run(["docker", "inspect", "--format", state, container]).stdout.strip()
            parts.append(Part(container, status == "running", status))
        return parts

    def images(self) -> dict[str, set[str]]:
        return {node: set(self._ctr(node, "images", "list", "--quiet").split()) for node in self._containers()}

    def remove_images(self, node: str, names: Collection[str]) -> None:
        self._ctr(node, "images", "remove", *sorted(names))

    @staticmethod
    def _ctr(node: str, *arguments: str) -> str:
        return run(["docker", "exec", node, "ctr", "--namespace", "k8s.io", *arguments]).stdout

    def load(self, archives: Sequence[Path], progress: Progress) -> None:
        with progress.step("Loading images into the nodes") as step:
            for done, archive in enumerate(archives, start=1):
                run(["kind", "load", "image-archive", str(archive), "--name", self._name], timeout=CREATE_TIMEOUT)
                step.update(done, len(archives), archive.name)
