"""The existing provider: a cluster that the user brings, reached by `KUBECONFIG`; used, never started or ended."""

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from .errors import ExitCode, LocalError
from .progress import Progress
from .providers import Part, Provider


class Existing(Provider):
    """Somebody else's cluster. Its images come from where its nodes pull them."""

    name = "existing"
    takes_images = False

    @property
    def kubeconfig(self) -> Path:
        value = os.environ.get("KUBECONFIG") or self._recorded()
        if not value:
            raise LocalError("KUBECONFIG is not set", "Set it to the kubeconfig of your cluster", ExitCode.UNFIT)
        path = Path(value)
        if not path.is_file():
            raise LocalError(f"KUBECONFIG names {value}, which is no file", "Set it to one kubeconfig", ExitCode.UNFIT)
        return path.resolve()

    def _recorded(self) -> str | None:
        try:
            return json.loads(self.paths.record.read_text()).get("kubeconfig")
        except (FileNotFoundError, ValueError):
            return None

    def check(self) -> None:
        try:
            self.ask("version", "--request-timeout=10s", timeout=20)
        except LocalError as error:
            raise LocalError(
                f"the cluster of {self.kubeconfig} does not answer: {error.message}",
                "Set KUBECONFIG to the kubeconfig of a running cluster",
                ExitCode.UNFIT,
            ) from error

    def up(self, progress: Progress) -> None:
        self.paths.state.mkdir(parents=True, exist_ok=True)
        self.paths.record.write_text(json.dumps({"provider": self.name, "kubeconfig": str(self.kubeconfig)}))
        with progress.step("Waiting for the cluster's nodes"):
            self.ask("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s", timeout=90)

    def down(self, progress: Progress) -> None:
        progress.print("The cluster is yours and keeps running.")

    def status(self) -> list[Part]:
        return [
            Part(node["metadata"]["name"], ready, "ready" if ready else "not ready")
            for node in self.get("nodes")["items"]
            for ready in [
                any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
            ]
        ]

    def images(self) -> dict[str, set[str]]:
        return {}

    def remove_images(self, node: str, names: Collection[str]) -> None:
        raise NotImplementedError("images of a cluster that is not ours are not ours to remove")

    def load(self, archives: Sequence[Path], progress: Progress) -> None:
        if archives:
            raise LocalError(
                "images cannot be loaded into a cluster that is not ours",
                "Push them to a registry that its nodes pull from, and name them in the image catalogue",
            )
