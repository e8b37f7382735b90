"""What a provider of clusters does, and which one to use."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .builtin.images import full_name
from .errors import ExitCode, LocalError
from .packages import find
from .paths import Paths
from .progress import Progress
from .shell import run

OWN_IMAGES = "chatcluster/"
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
PROVIDERS = ("builtin", "kind", "existing")


@dataclass(frozen=True)
class Part:
    """One line of a cluster's status."""

    name: str
    healthy: bool
    detail: str


class Provider(ABC):
    """A cluster called `paths.name`, wherever it comes from."""

    name: str
    takes_images: bool = True
    """Whether images can be put on its nodes; else they come from where the nodes pull them."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    @property
    @abstractmethod
    def kubeconfig(self) -> Path:
        """The file that says how to reach the cluster."""

    @abstractmethod
    def check(self) -> None:
        """Look at the surroundings; raise LocalError with what is in the way, before anything is changed."""

    @abstractmethod
    def up(self, progress: Progress) -> None:
        """Make the cluster, or mend what died; return when its nodes are ready."""

    @abstractmethod
    def down(self, progress: Progress) -> None:
        """End the cluster and leave nothing running; safe at any time."""

    @abstractmethod
    def status(self) -> list[Part]:
        """What there is and whether it runs; empty when there is no cluster."""

    @abstractmethod
    def load(self, archives: Sequence[Path], progress: Progress) -> None:
        """Put the images of these archives on all nodes that lack them."""

    @abstractmethod
    def images(self) -> dict[str, set[str]]:
        """For each node, the full names of the images that it holds."""

    @abstractmethod
    def remove_images(self, node: str, names: Collection[str]) -> None:
        """Remove images from a node; what a running container still needs of them stays."""

    def missing_images(self, references: Collection[str]) -> set[str]:
        """Those of these images that some node lacks."""
        nodes = self.images().values()
        return {reference for reference in references if any(full_name(reference) not in held for held in nodes)}

    def forget_images(self, keep: Collection[str]) -> None:
        """Remove the images of ours that are neither in `keep` nor named by a pod, so that nodes do not fill up."""
        pods = self.get("pods", "--all-namespaces")["items"]
        used = {part["image"] for pod in pods for key in CONTAINERS for part in pod["spec"].get(key) or []}
        wanted = {full_name(reference) for reference in {*keep, *used}}
        for node, held in self.images().items():
            if old := {name for name in held if name.startswith(full_name(OWN_IMAGES))} - wanted:
                self.remove_images(node, old)

    @property
    def kubectl(self) -> str:
        """The `kubectl` command to use with this cluster."""
        found = find("kubectl")
        if found is None:
            raise LocalError("the program kubectl is missing", "Install kubectl and try again", ExitCode.UNFIT)
        return found

    def ask(self, *arguments: str, timeout: float = 60, **options: Any) -> str:
        """Run kubectl against this cluster and return what it prints."""
        command = [self.kubectl, "--kubeconfig", str(self.kubeconfig), *arguments]
        return run(command, timeout=timeout, **options).stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """What `kubectl get` returns, as data."""
        return json.loads(self.ask("get", *arguments, "--output", "json"))

    def node_addresses(self) -> list[str]:
        """The addresses at which the nodes answer NodePorts."""
        return [
            address["address"]
            for node in self.get("nodes")["items"]
            for address in node["status"]["addresses"]
            if address["type"] == "InternalIP"
        ]

    def set_node(self, number: int, state: str) -> None:
        """Kill, heal or partition node `number`."""
        raise LocalError(f"the provider {self.name} cannot {state} nodes", "Use the provider builtin for this")


def choose(asked: str | None, recorded: str | None, docker: bool) -> str:
    """Which provider to use: as asked, else as the cluster was made, else what fits this machine."""
    if asked is not None:
        if asked not in PROVIDERS:
            raise LocalError(f"there is no provider {asked}", f"Use one of {', '.join(PROVIDERS)}", ExitCode.UNFIT)
        if recorded is not None and recorded != asked:
            raise LocalError(
                f"the cluster was made by the provider {recorded}, not {asked}",
                "Run clean first, or use another --name",
                ExitCode.UNFIT,
            )
        return asked
    if recorded is not None:
        return recorded
    return "kind" if docker else "builtin"


def docker_answers() -> bool:
    """Whether a Docker engine can be used here."""
    return find("docker") is not None and run(["docker", "info"], timeout=20, check=False).returncode == 0


def recorded_provider(paths: Paths) -> str | None:
    """The provider that a cluster was made by, if it was."""
    try:
        return json.loads(paths.record.read_text())["provider"]
    except (FileNotFoundError, KeyError, ValueError):
        return None


def provider_for(paths: Paths, asked: str | None) -> Provider:
    """The provider of the cluster called `paths.name`."""
    from .builtin.provider import Builtin  # noqa: PLC0415 - these three build on this module
    from .existing import Existing  # noqa: PLC0415
    from .kind import Kind  # noqa: PLC0415

    recorded = recorded_provider(paths)
    docker = asked is None and recorded is None and docker_answers()
    kinds: dict[str, type[Provider]] = {kind.name: kind for kind in (Builtin, Kind, Existing)}
    return kinds[choose(asked, recorded, docker)](paths)
