"""Everything that `up` brings up: the cluster, the images, the operator and one ChatCluster."""

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .errors import ExitCode, LocalError
from .manifests import CATALOGUE, Manifest, as_list, behind, documents, troubles, with_images
from .paths import cache_root, repository
from .progress import Progress, Step, duration
from .providers import Provider

NAMESPACE = "chat"
CHATCLUSTER = "demo"
OPERATOR = "chatcluster-operator"
OPERATOR_NAMESPACE = "chatcluster-system"
MANAGER = "chatcluster-local"
READY_TIMEOUT = 600.0


def programs_path() -> str:
    """A search path for programs that begins with the built ones (kubectl among them), newest first."""
    folders = sorted(cache_root().glob("programs/*/bin"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


class Environment:
    """What runs on one cluster."""

    def __init__(self, provider: Provider, progress: Progress) -> None:
        self.provider = provider
        self.progress = progress

    # up

    def up(self, *, cluster_only: bool) -> None:
        """Bring everything up, or only what is missing, and say where it is."""
        started = time.monotonic()
        self.provider.check()
        if cluster_only:
            self.provider.up(self.progress)
        else:
            references = self._cluster_and_images()
            self._apply(references)
            self._await_ready(references)
            if references:
                self.provider.forget_images(references.values())
        if not cluster_only:
            self.progress.print(f"Chat at     {self.url()}")
        self.progress.print(f"kubeconfig  {self.provider.kubeconfig}")
        self.progress.print(f"Took        {duration(time.monotonic() - started)}")

    def _cluster_and_images(self) -> dict[str, str]:
        """Bring up the cluster, with our images on its nodes; return these by name."""
        if not self.provider.takes_images:
            self.provider.up(self.progress)
            return {}
        from .images import build_all  # noqa: PLC0415 - nothing else here needs it

        with self.progress, ThreadPoolExecutor(2) as pool:
            cluster = pool.submit(self.provider.up, self.progress)
            building = pool.submit(build_all, self.progress)
            cluster.result()
            images = building.result()
        missing = self.provider.missing_images([image.reference for image in images])
        archives = {image.archive for image in images if image.reference in missing}
        if archives:
            self.provider.load(sorted(archives), self.progress)
        return {image.component: image.reference for image in images}

    def _apply(self, images: dict[str, str]) -> None:
        root = repository()
        install = documents((root / "operator/install.yaml").read_text())
        folder = root / "environments/local/manifests"
        namespace, mail, chat = (
            documents((folder / name).read_text()) for name in ("namespace.yaml", "mail-sink.yaml", "chatcluster.yaml")
        )
        chat[0]["spec"].setdefault("edge", {})["publicUrl"] = self.url()
        if images:
            platform = with_images([*install, *namespace, *mail], images)
        else:
            # Images come from where this cluster's nodes pull them: the release that the catalogue names.
            platform = [*install, *namespace]
            [release] = next(item for item in install if item["metadata"]["name"] == CATALOGUE)["data"]
            chat[0]["spec"]["version"] = release
            del chat[0]["spec"]["notification"]
        with self.progress.step("Installing the operator") as step:
            self._apply_all(platform)
            step.say("waiting for its API")
            crd = next(item["metadata"]["name"] for item in install if item["kind"] == "CustomResourceDefinition")
            self.provider.ask("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=30s")
            step.say("waiting for its pods")
            target = ("--namespace", OPERATOR_NAMESPACE, f"deployment/{OPERATOR}")
            try:
                self.provider.ask("rollout", "status", *target, "--timeout=180s", timeout=200)
            except LocalError as error:
                raise LocalError(
                    f"the operator does not run: {self._troubles(OPERATOR_NAMESPACE)}",
                    f"See kubectl --namespace {OPERATOR_NAMESPACE} logs deployment/{OPERATOR}",
                    ExitCode.TIMEOUT,
                ) from error
            self._apply_all(chat)

    def _apply_all(self, manifests: Sequence[Manifest]) -> None:
        options = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename", "-")
        self.provider.ask("apply", *options, input=as_list(manifests), timeout=120)

    def _await_ready(self, images: dict[str, str]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        with self.progress.step(f"Waiting for the ChatCluster {CHATCLUSTER}") as step:
            while not self._is_ready(images, step):
                if time.monotonic() > deadline:
                    condition = self._ready_condition(self._chatcluster())
                    raise LocalError(
                        f"the ChatCluster {CHATCLUSTER} is not ready after {duration(READY_TIMEOUT)}: "
                        f"{condition.get('message', 'the operator has not reported yet')}; {self._troubles(NAMESPACE)}",
                        f"See kubectl --namespace {NAMESPACE} describe chatcluster {CHATCLUSTER}",
                        ExitCode.TIMEOUT,
                    )
                time.sleep(0.5)

    def _is_ready(self, images: dict[str, str], step: Step) -> bool:
        chat = self._chatcluster()
        workloads = self._workloads()
        references = set(images.values())
        waiting = [late for workload in workloads if (late := behind(workload, references))] if references else []
        total = max(len(workloads), len(chat.get("status", {}).get("components") or []))
        condition = self._ready_condition(chat)
        if waiting or not total:
            step.update(total - len(waiting), total or None, ", ".join(waiting) or "the operator")
            return False
        step.update(total, total, condition.get("message", ""))
        return (
            condition.get("status") == "True" and condition.get("observedGeneration") == chat["metadata"]["generation"]
        )

    # What there is

    def url(self) -> str:
        """The address to chat at."""
        [chat] = documents((repository() / "environments/local/manifests/chatcluster.yaml").read_text())
        return f"http://{self.provider.node_addresses()[0]}:{chat['spec']['edge']['service']['nodePort']}"

    def summary(self) -> str:
        """The ChatCluster and its components, in lines for people."""
        lines = [f"logs        {self.provider.paths.logs}"] if self.provider.paths.logs.exists() else []
        lines.append(f"kubeconfig  {self.provider.kubeconfig}")
        try:
            chat = self._chatcluster()
        except LocalError:
            return "\n".join([*lines, "There is no ChatCluster; up makes one."])
        condition = self._ready_condition(chat)
        state = (
            "ready" if condition.get("status") == "True" else f"not ready: {condition.get('message', 'no word yet')}"
        )
        parts = ", ".join(
            f"{part['name']} {part.get('ready', 0)}/{part.get('wanted', 0)}"
            for part in chat.get("status", {}).get("components") or []
        )
        return "\n".join([*lines, f"chat        {self.url()}, {state}", f"components  {parts or 'none yet'}"])

    def _chatcluster(self) -> dict[str, Any]:
        return self.provider.get("chatclusters.chatcluster.dev", CHATCLUSTER, "--namespace", NAMESPACE)

    def _workloads(self) -> list[Manifest]:
        selector = f"app.kubernetes.io/instance={CHATCLUSTER}"
        answer = self.provider.ask(
            *("get", "deployments,statefulsets", "--namespace", NAMESPACE),
            *("--selector", selector, "--output", "json"),
        )
        return json.loads(answer)["items"]

    def _troubles(self, namespace: str) -> str:
        pods = self.provider.get("pods", "--namespace", namespace)["items"]
        return "; ".join(troubles(pods)) or "no pod says why"

    @staticmethod
    def _ready_condition(chat: dict[str, Any]) -> dict[str, Any]:
        conditions = chat.get("status", {}).get("conditions") or []
        return next((condition for condition in conditions if condition["type"] == "Ready"), {})
