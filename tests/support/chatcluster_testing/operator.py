"""The operator as a process with the rights of its service account and no more, and namespaces to try it in."""

import contextlib
import itertools
import os
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatcluster_operator import install
from chatcluster_operator.api import EDGE, SERVICES, STORES
from chatcluster_operator.kube import CHATCLUSTER, CHILD_KINDS, KINDS, Kind
from chatcluster_operator.kube.kinds import VALIDATING_WEBHOOK
from chatcluster_testing.control_plane import Api, ApiRefusalError, ControlPlane, until
from chatcluster_testing.process import Program, answers, free_port

Object = dict[str, Any]

_PLURALS = {
    "Namespace": Kind("", "v1", "Namespace", "namespaces", namespaced=False),
    "CustomResourceDefinition": Kind(
        "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
    ),
    "ClusterRole": Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind(
        "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
    ),
    **KINDS,
}


@dataclass
class Operator:
    """One operator process."""

    name: str
    program: Program
    url: str

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as response:  # noqa: S310 http to loopback
            text = response.read().decode()
        total = 0.0
        for line in text.splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
                total += float(found[2])
        return total

    @property
    def leading(self) -> bool:
        """Whether it says that it leads."""
        return self.metric("chatcluster_operator_leader") == 1


@dataclass
class Room:
    """A namespace of one test's own, and the ChatCluster `demo` in it."""

    api: Api
    namespace: str

    def create(self, spec: Object | None = None, name: str = "demo") -> Object:
        """Make a ChatCluster."""
        body = {
            "apiVersion": CHATCLUSTER.api_version,
            "kind": CHATCLUSTER.name,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"version": install.RELEASE, **(spec or {})},
        }
        return self.api.create(CHATCLUSTER.path(self.namespace), body)

    def get(self, name: str = "demo") -> Object | None:
        """The ChatCluster."""
        return self.api.get(CHATCLUSTER.path(self.namespace, name))

    def change(self, patch: Object, name: str = "demo") -> None:
        """Merge a patch into the ChatCluster."""
        self.api.merge(CHATCLUSTER.path(self.namespace, name), patch)

    def delete(self, name: str = "demo") -> None:
        """Delete the ChatCluster."""
        self.api.delete(CHATCLUSTER.path(self.namespace, name))

    def child(self, kind: str, name: str) -> Object | None:
        """An object in the namespace."""
        return self.api.get(KINDS[kind].path(self.namespace, name))

    def children(self) -> dict[tuple[str, str], Object]:
        """Every object that the operator made, by kind and name."""
        return {
            (kind.name, item["metadata"]["name"]): item
            for kind in CHILD_KINDS
            if kind.made and not kind.optional
            for item in (self.api.get(kind.path(self.namespace)) or {"items": []})["items"]
            if any(
                entry.get("manager") == "chatcluster-operator" for entry in item["metadata"].get("managedFields", [])
            )
        }

    def versions(self) -> dict[tuple[str, str], str]:
        """The resource version of every such object."""
        return {key: item["metadata"]["resourceVersion"] for key, item in self.children().items()}

    def contents(self) -> dict[tuple[str, str], Object]:
        """What every such object says, apart from who wrote it when.

        The generation counts as such: the API server keeps no empty list, so a NetworkPolicy that allows nothing, and
        says so by one, is written anew at each apply.
        """
        written = {"resourceVersion", "managedFields", "generation"}
        return {
            key: {**item, "metadata": {name: value for name, value in item["metadata"].items() if name not in written}}
            for key, item in self.children().items()
        }

    def condition(self, kind: str, name: str = "demo") -> Object:
        """A condition of the ChatCluster; empty while there is none."""
        conditions = (self.get(name) or {}).get("status", {}).get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), {})

    def settled(self, name: str = "demo") -> bool:
        """Whether everything is applied for the latest generation."""
        applied, body = self.condition("Applied", name), self.get(name)
        return bool(
            body and applied.get("status") == "True" and applied["observedGeneration"] == body["metadata"]["generation"]
        )

    def events(self, reason: str) -> list[Object]:
        """Events with this reason."""
        return [
            item for item in self.api.items(f"/api/v1/namespaces/{self.namespace}/events") if item["reason"] == reason
        ]

    def run_everything(self) -> None:
        """Say of every Deployment and StatefulSet that all its replicas are ready."""
        for (kind, name), item in self.children().items():
            if kind in {"Deployment", "StatefulSet"}:
                self.say_ready(kind, name, item)

    def say_ready(self, kind: str, name: str, item: Object, *, ready: bool = True) -> None:
        """Say how far a workload is, as its controller would."""
        count = item["spec"].get("replicas", 1)
        status: Object = {
            "observedGeneration": item["metadata"]["generation"],
            "replicas": count,
            "updatedReplicas": count,
            "readyReplicas": count if ready else 0,
            "availableReplicas": count if ready else 0,
        }
        if kind == "Deployment":
            status["conditions"] = [{"type": "Available", "status": str(ready), "reason": "Test", "message": ""}]
        self.api.merge(KINDS[kind].path(self.namespace, name) + "/status", {"status": status})


def apply_install(api: Api, objects: Iterable[Object] | None = None) -> None:
    """What `kubectl apply --server-side -f operator/install.yaml` does, apart from the webhook: nothing routes the
    addresses of Services here, so the API server would wait for it in vain."""
    for item in objects or install.objects():
        if item["kind"] == VALIDATING_WEBHOOK.name:
            continue
        metadata = item["metadata"]
        api.apply(_PLURALS[item["kind"]].path(metadata.get("namespace"), metadata["name"]), item)

    def served() -> bool:
        with contextlib.suppress(ApiRefusalError):
            return bool(api.get(CHATCLUSTER.path("default")))
        return False

    until(served, "the API server to serve ChatClusters")


def operator_process(
    plane: ControlPlane, name: str, token: str, *, server: str | None = None, env: Mapping[str, str] | None = None
) -> Operator:
    """An operator called `name` that is not started yet, as the service account whose token this is.

    `server` is where it finds the API server, when not at its own address; `env` are further settings.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder = plane.folder / name
    folder.mkdir(exist_ok=True)
    settings = {
        "KUBECONFIG": str(plane.kubeconfig(name, token, server)),
        "POD_NAME": name,
        "POD_NAMESPACE": install.NAMESPACE,
        "CHATCLUSTER_HOST": "127.0.0.1",
        "CHATCLUSTER_PORT": str(port),
        "PYTHONWARNINGS": "error",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "*",
        **(env or {}),
    }
    argv = [sys.executable, "-m", "chatcluster_operator.main"]
    return Operator(name, Program(name, argv, folder, lambda: answers(f"{url}/readyz"), env=settings, timeout=60), url)


_numbers = itertools.count(1)


@contextlib.contextmanager
def new_room(plane: ControlPlane) -> Iterator[Room]:
    """A namespace, removed afterwards without waiting for it to be gone."""
    name = f"room-{os.getpid()}-{next(_numbers)}"
    api = plane.api
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    namespace["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create("/api/v1/namespaces", namespace)
    # Its controller makes the account that pods run as.
    until(lambda: api.get(KINDS["ServiceAccount"].path(name, "default")), "the namespace's account", 60)
    yield Room(api, name)
    for item in api.items(CHATCLUSTER.path(name)):
        api.delete(CHATCLUSTER.path(name, item["metadata"]["name"]))
    api.delete(f"/api/v1/namespaces/{name}")


def on_fake_node(number: int) -> Object:
    """What a spec needs for its pods to be on the node `fake-<number>`, as no scheduler puts them anywhere."""
    where: Object = {"podOverride": {"spec": {"nodeName": f"fake-{number}"}}}
    services = dict.fromkeys(SERVICES, where)
    return {"services": services, **dict.fromkeys((*STORES, EDGE), where)}
