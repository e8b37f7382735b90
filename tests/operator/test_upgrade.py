"""A change of release against a real API server, on which the test plays the workloads' controllers."""

from typing import Any

import pytest
import yaml

from chatcluster_operator import install
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import until


@pytest.fixture
def running(room: Any) -> Any:
    """A room whose ChatCluster runs the shipped release, and a second release in the catalogue, named as the room."""
    room.create()
    until(room.settled, "everything applied", 20)
    room.run_everything()
    until(lambda: (room.get()["status"] or {}).get("version") == install.RELEASE, "the version that runs", 20)
    catalogue = KINDS["ConfigMap"].path(install.NAMESPACE, "chatcluster-images")
    images = yaml.safe_load(room.api.get(catalogue)["data"][install.RELEASE])
    second = {name: f"{image}-next" for name, image in images.items()}
    room.api.merge(catalogue, {"data": {room.namespace: yaml.safe_dump(second)}})
    return room


def renewed(room: Any) -> list[str]:
    """Components whose workload has an image of the second release, in the order of steps."""
    found = [
        name.removeprefix("demo-")
        for (kind, name), item in room.children().items()
        if kind in {"Deployment", "StatefulSet"}
        and item["spec"]["template"]["spec"]["containers"][0]["image"].endswith("-next")
    ]
    return sorted(found, key=ORDER.index)


def roll_out(room: Any, component: str) -> None:
    for (kind, name), item in room.children().items():
        if kind in {"Deployment", "StatefulSet"} and name == f"demo-{component}":
            room.say_ready(kind, name, item)


def upgrading(room: Any) -> str:
    return room.condition("Upgrading").get("reason", "")


def test_one_component_after_the_other_across_a_restart_of_the_operator(running: Any, operator: Any) -> None:
    running.change({"spec": {"version": running.namespace}})
    for place, component in enumerate(ORDER):
        until(lambda place=place: renewed(running) == list(ORDER[: place + 1]), f"the turn of {component}", 20)
        until(lambda: upgrading(running) == "RollingOut", "the condition Upgrading", 20)
        if component == "redis":
            operator.program.stop()
            operator.program.start()
            until(lambda: operator.leading, "the operator to lead again", 30)
            assert renewed(running) == list(ORDER[: place + 1])
        roll_out(running, component)
    until(lambda: running.get()["status"]["version"] == running.namespace, "the new version to run", 20)
    assert "operation" not in running.get()["status"]
    assert upgrading(running) == "Settled"


def test_a_component_that_does_not_become_ready_takes_everything_back(running: Any) -> None:
    running.change({"spec": {"version": running.namespace, "upgrade": {"stepTimeoutSeconds": 10}}})
    until(lambda: renewed(running) == ["postgres"], "the first step", 20)
    roll_out(running, "postgres")
    until(lambda: len(renewed(running)) == 2, "the second step", 20)
    # It never becomes ready; ten seconds later the operator takes everything back.
    until(lambda: renewed(running) == [], "everything back", 40)
    until(lambda: running.events("UpgradeFailed") or running.run_everything(), "an event that says so", 40, every=1.0)
    failed = running.condition("Upgrading")
    assert failed["reason"] == "UpgradeFailed"
    assert f"{ORDER[1]} did not become ready within 10 s" in failed["message"]
    assert running.get()["status"]["version"] == install.RELEASE

    running.change({"spec": {"version": install.RELEASE}})
    until(lambda: upgrading(running) == "Settled", "the failure to be over", 20)
