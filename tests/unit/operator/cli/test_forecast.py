"""What a changed spec would do, foretold from manifests alone."""

from collections.abc import Callable
from typing import Any

import pytest

from chatcluster_operator.api import COMPONENTS, ChatCluster
from chatcluster_operator.cli.forecast import Forecast, World, forecast
from chatcluster_operator.decide import Child, Key, Missing, Workload
from chatcluster_operator.desired import Inputs, generate, manifests

CATALOGUE = {
    release: {component: f"chatcluster/{component}:{release}" for component in COMPONENTS} for release in ("1.0", "2.0")
}
UID = "0f5fd2a4-5a5c-4a3c-9d52-3f8b9b1f9c11"


def world(cluster: ChatCluster, **more: Any) -> World:
    """Everything as the operator made it for the spec, two pods a workload."""
    inputs = Inputs(images=CATALOGUE["1.0"], credentials=generate(None, bytes))
    children: dict[Key, Child] = {}
    for manifest in manifests(cluster, inputs):
        workload = None
        if manifest["kind"] in {"Deployment", "StatefulSet"}:
            image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
            workload = Workload(wanted=2, ready=2, updated=2, current=True, available=True, image=image)
        key = Key(manifest["kind"], manifest["metadata"]["name"])
        owner = manifest["metadata"].get("ownerReferences", [{}])[0].get("uid")
        children[key] = Child("1", 1, owner, cluster.name, "ours", workload=workload)
    replicas = {key: 2 for key, child in children.items() if child.workload}
    return World(children, replicas, CATALOGUE, **more)


@pytest.fixture
def foretell(chatcluster: Callable[..., ChatCluster]) -> Callable[..., Forecast]:
    """Foretells the change from `version: '1.0'` and `before` to the same and `after`."""

    def call(after: dict[str, Any], before: dict[str, Any] | None = None, **more: Any) -> Forecast:
        old, new = (chatcluster({"version": "1.0", **spec}) for spec in (before or {}, after))
        return forecast(old, new, world(old, **more))

    return call


def said(found: Forecast) -> dict[str, str]:
    return {str(item.key): item.action for item in found.objects}


def test_the_same_spec_changes_nothing(foretell: Any) -> None:
    found = foretell({})
    assert not found.changes
    assert (found.objects, found.restarts, found.blocked, found.notes) == ([], [], [], [])


def test_a_new_chatcluster_makes_everything(chatcluster: Any) -> None:
    found = forecast(None, chatcluster(), World({}, {}, CATALOGUE))
    assert found.created
    assert found.changes
    assert {item.action for item in found.objects} == {"create"}
    assert not found.restarts, "there is no pod yet"


def test_a_setting_restarts_its_service_alone(foretell: Any) -> None:
    found = foretell({"services": {"file": {"env": [{"name": "CHAT_LOG_LEVEL", "value": "debug"}]}}})
    assert said(found) == {"Deployment demo-file": "change"}
    [restart] = found.restarts
    assert (restart.component, restart.pods) == ("file", 2)
    assert "CHAT_LOG_LEVEL" in restart.why
    assert "services.file.env[CHAT_LOG_LEVEL]" in {change.path for change in found.spec}


def test_more_replicas_restart_nothing(foretell: Any) -> None:
    found = foretell({"services": {"message": {"autoscaling": {"minReplicas": 3}}}})
    assert said(found)["HorizontalPodAutoscaler demo-message"] == "change"
    assert found.restarts == []
    assert "spec.minReplicas" in {change.path for item in found.objects for change in item.changes}


def test_more_replicas_than_the_edge_knows_restart_the_edge(foretell: Any) -> None:
    found = foretell({"services": {"message": {"autoscaling": {"maxReplicas": 90}}}})
    assert [(item.component, item.why) for item in found.restarts] == [("edge", "its configuration")]
    [configuration] = [item for item in found.objects if str(item.key) == "ConfigMap demo-edge"]
    assert any(line.strip().startswith("+") for change in configuration.changes for line in change.lines())


def test_a_new_release_goes_step_by_step(foretell: Any) -> None:
    found = foretell({"version": "2.0"})
    assert {item.component for item in found.restarts} == set(COMPONENTS)
    assert found.order[0] == "postgres"
    assert found.order[-1] == "edge"
    assert sorted(found.order) == sorted(COMPONENTS)


def test_a_store_of_ones_own_takes_the_managed_one_away(foretell: Any) -> None:
    found = foretell({"redis": {"external": {"secretName": "mine"}}})
    assert said(found)["StatefulSet demo-redis"] == "delete"


def test_an_unknown_release_blocks(foretell: Any) -> None:
    missing = (Missing("ReleaseUnknown", "spec.version is '3.0', which the image catalogue does not have"),)
    found = foretell({"version": "3.0"}, missing=missing)
    assert found.blocked == [missing[0].message]
    assert found.objects == []
    assert [change.path for change in found.spec] == ["version"]
    assert foretell({"version": "3.0"}).blocked, "even when nobody looked it up"


def test_a_name_that_somebody_else_has_blocks(chatcluster: Any) -> None:
    cluster = chatcluster()
    around = world(cluster)
    key = Key("Service", "demo-gateway")
    strange = {**around.children, key: Child("9", 1, "somebody", None, "")}
    found = forecast(cluster, cluster, World(strange, around.replicas, CATALOGUE))
    assert found.blocked == ["Service demo-gateway exists and is not this ChatCluster's; delete or rename it"]


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        ({}, {"paused": True}, "spec.paused is true"),
        ({}, {"hibernated": True}, "people are disconnected"),
        ({}, {"deletionPolicy": "Delete"}, "deletionPolicy becomes Delete"),
    ],
)
def test_what_a_person_should_know(foretell: Any, before: Any, after: Any, note: str) -> None:
    assert any(note in line for line in foretell(after, before).notes)


def test_no_secret_is_in_a_forecast(foretell: Any) -> None:
    found = foretell({"version": "2.0", "objects": {"external": {"secretName": "mine"}}})
    for item in found.objects:
        if item.key.kind == "Secret":
            values = [change.as_json() for change in item.changes if change.path.startswith("data")]
            assert all(set(value.values()) <= {value["path"], "(hidden)"} for value in values)
