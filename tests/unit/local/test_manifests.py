from typing import Any

import pytest
import yaml

from chatcluster_local.errors import LocalError
from chatcluster_local.manifests import behind, documents, troubles, with_images
from chatcluster_local.paths import repository

IMAGES = {
    "operator": "chatcluster/operator:aaa",
    "message": "chatcluster/message:bbb",
    "haproxy": "chatcluster/haproxy:c",
}


def deployment(**changes: Any) -> dict[str, Any]:
    workload = {
        "metadata": {"name": "demo-message", "generation": 2, "labels": {"app.kubernetes.io/component": "message"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": IMAGES["message"]}]}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
    }
    workload["status"] |= changes
    return workload


def test_images_are_replaced_wherever_they_stand_and_others_left_alone() -> None:
    containers = [{"image": "chatcluster/operator:0.1.0"}, {"image": "example.com/other:1"}]
    [result] = with_images(
        [{"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"containers": containers}}], IMAGES
    )
    assert [part["image"] for part in result["spec"]["containers"]] == [IMAGES["operator"], "example.com/other:1"]


def test_the_catalogue_gets_one_release_with_the_built_images() -> None:
    images = {"message": "chatcluster/message:0.1.0", "edge": "chatcluster/haproxy:0.1.0"}
    released = yaml.safe_dump({**images, "mongodb-server": "docker.io/library/mongo:8.0"})
    catalogue = {"kind": "ConfigMap", "metadata": {"name": "chatcluster-images"}, "data": {"0.1.0": released}}
    [result] = with_images([catalogue], IMAGES)
    assert list(result["data"]) == ["dev"]
    assert yaml.safe_load(result["data"]["dev"]) == {
        "message": IMAGES["message"],
        "edge": IMAGES["haproxy"],
        "mongodb-server": "docker.io/library/mongo:8.0",
    }


def test_an_image_that_nobody_built_is_an_error_that_names_it() -> None:
    with pytest.raises(LocalError, match="chatcluster/kafka:1"):
        with_images([{"kind": "Pod", "metadata": {"name": "x"}, "image": "chatcluster/kafka:1"}], IMAGES)


def test_a_workload_is_done_when_all_its_replicas_are_new_and_ready() -> None:
    assert behind(deployment(), set(IMAGES.values())) is None


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"readyReplicas": 1}, "message 1/2"),
        ({"updatedReplicas": 1}, "message 1/2"),
        ({"replicas": 3}, "message 2/2"),
        ({"observedGeneration": 1}, "message"),
    ],
)
def test_a_workload_under_way_is_waited_for_by_name(status: dict[str, int], said: str) -> None:
    assert behind(deployment(**status), set(IMAGES.values())) == said


def test_a_workload_that_the_operator_has_not_seen_yet_is_waited_for() -> None:
    assert behind(deployment(), {"chatcluster/message:newer"}) == "message (new image)"


def test_our_own_manifests_can_be_read_and_pods_are_restricted() -> None:
    folder = repository() / "environments/local/manifests"
    kinds = {item["kind"]: item for file in folder.glob("*.yaml") for item in documents(file.read_text())}
    assert set(kinds) == {"Namespace", "Deployment", "Service", "ChatCluster"}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert all(part["securityContext"]["readOnlyRootFilesystem"] for part in pod["containers"])
    assert kinds["ChatCluster"]["spec"]["version"] == "dev"


def test_what_keeps_pods_from_running_is_said_by_pod() -> None:
    crashing = {"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}
    creating = {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    pods = [
        {"metadata": {"name": "a"}, "status": {"containerStatuses": [crashing]}},
        {"metadata": {"name": "b"}, "status": {"initContainerStatuses": [creating], "containerStatuses": [creating]}},
        {"metadata": {"name": "c"}, "status": {"conditions": [unscheduled]}},
    ]
    assert troubles(pods) == ["a: main CrashLoopBackOff, back-off 10s", "c: 0/3 nodes are available"]
