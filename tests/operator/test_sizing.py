"""Capacity, optional services and KEDA on a real API server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import Api, ControlPlane, until
from chatcluster_testing.go_module import source

KEDA = "github.com/kedacore/keda/v2@v2.21.0"
SERVED_SECONDS = 150
"""The operator asks once a minute which kinds are served."""
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def figures(room: Any) -> dict[tuple[str, str], str]:
    """What status.capacity says."""
    status = room.get().get("status", {}).get("capacity", {"figures": []})
    return {(item["component"], item["what"]): item["value"] for item in status["figures"]}


def scaler(room: Any, service: str) -> Any:
    found = room.child("HorizontalPodAutoscaler", f"demo-{service}")
    return found and found["spec"]


def claimed(room: Any, store: str) -> str:
    templates = room.child("StatefulSet", f"demo-{store}")["spec"]["volumeClaimTemplates"]
    return templates[0]["spec"]["resources"]["requests"]["storage"]


def test_capacity_sizes_and_says_why(room: Any) -> None:
    room.create({"capacity": {"concurrentUsers": 10_000}, "services": {"user": {"replicas": 3}}})
    until(room.settled, "everything applied", 60)
    said = figures(room)
    message = scaler(room, "message")
    assert said["message", "replicas"] == str(message["minReplicas"]) != "2"
    assert said["mongodb", "volume"] == claimed(room, "mongodb")
    assert ("user", "replicas") not in said, "set in the spec, not derived"
    assert room.child("Deployment", "demo-user")["spec"]["replicas"] == 3
    assert scaler(room, "user") is None
    assert ("mongodb", "bound") in said, "the embedded engine is not for so many"


def test_replicas_that_an_autoscaler_sets_stay(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    path = KINDS["Deployment"].path(room.namespace, "demo-message")
    room.api.merge(f"{path}/scale", {"spec": {"replicas": 4}})
    room.change({"spec": {"services": {"message": {"autoscaling": {"maxReplicas": 9}}}}})
    until(lambda: scaler(room, "message")["maxReplicas"] == 9, "the new bound", 60)
    assert room.api.get(path)["spec"]["replicas"] == 4


def test_a_service_is_switched_off_and_on(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    room.change({"spec": {"services": {"file": {"enabled": False}}}})
    until(lambda: room.child("Deployment", "demo-file") is None, "file to be removed", 60)
    until(lambda: not [key for key in room.children() if key[1].startswith("demo-file")], "all of it", 60)
    assert room.child("StatefulSet", "demo-objects"), "files stay where they are"
    assert "file" not in {item["name"] for item in room.get()["status"]["components"]}
    room.change({"spec": {"services": {"file": {"enabled": True}}}})
    until(lambda: room.child("Deployment", "demo-file"), "file to be back", 60)


@pytest.fixture
def keda(plane: ControlPlane) -> Iterator[Callable[[], None]]:
    """Installs KEDA's own definitions."""
    folder = source(KEDA) / "config/crd/bases"
    item = yaml.safe_load((folder / "keda.sh_scaledobjects.yaml").read_text())
    api: Api = plane.api
    path = f"{_DEFINITIONS}/{item['metadata']['name']}"

    def install() -> None:
        api.apply(path, item)

    yield install
    if api.get(path) is not None:
        api.delete(path)


@pytest.mark.timeout(600)
def test_keda_is_used_once_it_is_there(room: Any, keda: Callable[[], None]) -> None:
    room.create({"services": {"message": {"autoscaling": {"targetConnections": 4000}}}})
    until(lambda: room.condition("ScalesOnSockets").get("reason") == "KedaMissing", "the status to say so", 60)
    assert "install KEDA" in room.condition("ScalesOnSockets")["message"]
    assert scaler(room, "message")

    keda()
    path = KINDS["ScaledObject"].path(room.namespace, "demo-message")
    until(lambda: room.condition("ScalesOnSockets").get("status") == "True", "KEDA to be noticed", SERVED_SECONDS)
    until(lambda: room.api.get(path), "the ScaledObject", 60)
    spec = room.api.get(path)["spec"]
    assert [trigger["type"] for trigger in spec["triggers"]] == ["cpu", "metrics-api"]
    assert spec["scaleTargetRef"]["name"] == "demo-message"
    until(lambda: scaler(room, "message") is None, "the operator's own autoscaler to go", 60)
    until(room.settled, "everything applied", 60)

    room.api.delete(path)
    until(lambda: room.api.get(path), "the ScaledObject to be put back", 60)
    room.change({"spec": {"services": {"message": {"autoscaling": None}}}})
    until(lambda: room.api.get(path) is None, "the ScaledObject to go", 60)
    assert scaler(room, "message")
