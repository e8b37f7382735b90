"""What a platform engineer does to a ChatCluster that people use, each as a call that ends when it is done."""

import contextlib
import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from chatcluster_testing.cluster import Cluster, kill_pod, until
from chatcluster_testing.images import relabelled

SYSTEM: Final = "chatcluster-system"
CATALOGUE: Final = "chatcluster-images"
OPERATOR: Final = "chatcluster-operator"
UPGRADE_SECONDS: Final = 1200.0
ROTATION_SECONDS: Final = 1800.0
"""Old keys stay for a quarter of an hour, until the last token that they signed has expired."""
SCALE_SECONDS: Final = 300.0
NODE_SECONDS: Final = 300.0
SLEEP_SECONDS: Final = 420.0
_WORKING, _BROKEN = "next", "broken"


@dataclass(frozen=True)
class DayTwo:
    """Operations on the cluster's one ChatCluster. Each raises AssertionError when it does not end in time."""

    cluster: Cluster

    @property
    def status(self) -> dict[str, Any]:
        """The ChatCluster's status."""
        found = self.cluster.find("chatcluster", self.cluster.chatcluster) or {}
        return found.get("status", {})

    def patch(self, spec: Mapping[str, Any]) -> None:
        """Merge into the spec."""
        patch = json.dumps({"spec": spec})
        self.cluster.kubectl("patch", "chatcluster", self.cluster.chatcluster, "--type=merge", "-p", patch)

    def annotate(self, name: str) -> str:
        """Set an annotation to this moment; the moment."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.cluster.kubectl("annotate", "chatcluster", self.cluster.chatcluster, f"{name}={now}", "--overwrite")
        return now

    def upgrade(self, release: str) -> None:
        """To another release of the catalogue, until all of it runs and is ready."""
        self.patch({"version": release})
        until(lambda: self._runs(release), f"release {release} everywhere, and Ready", UPGRADE_SECONDS, every=1.0)

    def upgrade_that_fails(self, release: str) -> None:
        """To a release that cannot work, until it has been taken back; then the spec is set back too."""
        before = self.status["version"]
        self.patch({"version": release, "upgrade": {"stepTimeoutSeconds": 60}})
        try:
            until(self._taken_back, f"release {release} taken back", UPGRADE_SECONDS, every=1.0)
        finally:
            self.patch({"version": before, "upgrade": None})
        until(lambda: self._runs(before), f"release {before} as before, and Ready", UPGRADE_SECONDS, every=1.0)

    def scale(self, service: str, replicas: int) -> None:
        """To so many replicas at least, until just so many are ready."""
        self.patch({"services": {service: {"autoscaling": {"minReplicas": replicas, "maxReplicas": replicas}}}})

        def done() -> bool:
            found = self.cluster.get("deployment", f"{self.cluster.chatcluster}-{service}")
            ready = found["status"].get("readyReplicas", 0)
            return ready == replicas == found["status"].get("replicas") and len(self._pods_of(service)) == replicas

        until(done, f"{replicas} replicas of {service}", SCALE_SECONDS, every=0.5)

    def rotate(self, what: str) -> None:
        """`credentials` or `token-key`, until nothing uses the old ones any more."""
        kind = {"credentials": "passwords", "token-key": "keys"}[what]
        before = self.status.get("rotated", {}).get(kind)
        self.annotate(f"chatcluster.dev/rotate-{what}")

        def done() -> bool:
            status = self.status
            return "rotation" not in status and status.get("rotated", {}).get(kind) not in {None, before}

        until(done, f"{kind} rotated", ROTATION_SECONDS, every=1.0)
        self.cluster.wait_ready()

    def restart(self, component: str) -> None:
        """One component, until none of its pods is of before."""
        before = {pod["metadata"]["uid"] for pod in self._pods_of(component)}
        self.annotate(f"chatcluster.dev/restart-{component}")

        def done() -> bool:
            return not before & {pod["metadata"]["uid"] for pod in self._pods_of(component)}

        until(done, f"new pods of {component}", SCALE_SECONDS, every=0.5)
        self.cluster.wait_ready()

    def hibernate(self) -> None:
        """Until nothing runs."""
        self.patch({"hibernated": True})
        until(lambda: self.cluster.condition("Hibernated").get("status") == "True", "asleep", SLEEP_SECONDS, every=1.0)

    def wake(self) -> None:
        """Until all is as it was."""
        self.patch({"hibernated": False})
        self.cluster.wait_ready(int(SLEEP_SECONDS))

    def drain(self, node: str) -> None:
        """Evict what a node runs, as before its upgrade."""
        self.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s")

    def uncordon(self, node: str) -> None:
        """Give the node back, until all is well again."""
        self.cluster.kubectl("uncordon", node)
        self.cluster.wait_ready(int(NODE_SECONDS))

    def node_of(self, component: str) -> str:
        """The node of a component's first pod."""
        return self.cluster.pods(component)[0]["spec"]["nodeName"]

    def node_without_stores(self) -> str | None:
        """A node on which no store runs, if there is one."""
        taken = {self.node_of(item) for item in ("postgres", "mongodb", "redis", "kafka", "objects")}
        nodes = [node["metadata"]["name"] for node in self.cluster.get("nodes")["items"]]
        return next((node for node in nodes if node not in taken), None)

    def kill_operator(self) -> None:
        """SIGKILL to the replica that leads."""
        lease = self.cluster.get("lease", OPERATOR, "-n", SYSTEM)
        for pod in self.cluster.get("pods", "-n", SYSTEM)["items"]:
            if pod["metadata"]["name"] == lease["spec"]["holderIdentity"]:
                kill_pod(pod)

    def _pods_of(self, component: str) -> list[dict[str, Any]]:
        """All its pods, those on their way out too."""
        selector = f"app.kubernetes.io/instance={self.cluster.chatcluster},app.kubernetes.io/component={component}"
        return self.cluster.get("pods", "-l", selector)["items"]

    def _runs(self, release: str) -> bool:
        chat = self.cluster.find("chatcluster", self.cluster.chatcluster) or {}
        ready = self.cluster.condition()
        return (
            chat["status"].get("version") == release
            and "operation" not in chat["status"]
            and ready.get("status") == "True"
            and ready["observedGeneration"] == chat["metadata"]["generation"]
        )

    def _taken_back(self) -> bool:
        return self.status.get("operation", {}).get("phase") == "RolledBack"


@contextlib.contextmanager
def releases(
    day_two: DayTwo, broken: str = "presence", renewed: Iterable[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Two more releases in the catalogue: one that works, in which the `renewed` components (all by default) have
    relabelled images, and one whose image of a component is nowhere. Before they leave the catalogue again the
    ChatCluster is brought back to its own release, from which it also starts."""
    cluster = day_two.cluster
    catalogue = cluster.get("configmap", CATALOGUE, "-n", SYSTEM)["data"]
    own = next(release for release in catalogue if release not in {_WORKING, _BROKEN})
    day_two.upgrade(own)
    current = yaml.safe_load(catalogue[own])
    works = {**current, **relabelled(cluster, {name: current[name] for name in renewed or current})}
    fails = {**works, broken: f"chatcluster/{broken}:nowhere"}
    _patch_catalogue(cluster, {_WORKING: yaml.safe_dump(works), _BROKEN: yaml.safe_dump(fails)})
    try:
        yield _WORKING, _BROKEN
    finally:
        day_two.upgrade(own)
        _patch_catalogue(cluster, {_WORKING: None, _BROKEN: None})


def _patch_catalogue(cluster: Cluster, data: Mapping[str, str | None]) -> None:
    patch = json.dumps({"data": data})
    cluster.kubectl("patch", "configmap", CATALOGUE, "-n", SYSTEM, "--type=merge", "-p", patch)


def with_the_operator_killed(day_two: DayTwo, act: Callable[[], None], within: float) -> Callable[[], None]:
    """`act`, during which the leading operator dies at a random moment of the first `within` seconds, once."""

    def both() -> None:
        timer = threading.Timer(random.uniform(0, within), day_two.kill_operator)
        timer.start()
        try:
            act()
        finally:
            timer.join()

    return both
