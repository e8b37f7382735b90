"""Which components there are, what must exist beforehand, and which images they run."""

import pytest

from chatcluster_operator.api import COMPONENTS, InvalidSpecError
from chatcluster_operator.desired import (
    MissingImageError,
    Reference,
    ReferenceKind,
    WorkloadKind,
    components,
    manifests,
    public_url,
    required,
    resolve_images,
)

CATALOGUE = {component: f"{component}:1" for component in COMPONENTS}


def test_all_components_with_the_replicas_they_must_have(chatcluster):
    found = {item.name: item for item in components(chatcluster({"version": "1", "edge": {"replicas": 4}}))}
    assert tuple(found) == COMPONENTS
    assert (found["postgres"].kind, found["postgres"].workload) == (WorkloadKind.STATEFUL_SET, "demo-postgres")
    assert (found["user"].kind, found["user"].replicas) == (WorkloadKind.DEPLOYMENT, 2)
    assert found["edge"].replicas == 4


def test_external_stores_are_no_components(chatcluster):
    cluster = chatcluster({"version": "1", "redis": {"external": {"secretName": "mine"}}})
    assert "redis" not in {item.name for item in components(cluster)}
    assert Reference(ReferenceKind.SECRET, "mine", "spec.redis.external.secretName", ("url",)) in required(cluster)
    assert "redis" not in resolve_images(cluster, CATALOGUE)


def test_what_must_exist(chatcluster):
    cluster = chatcluster(
        {
            "version": "1",
            "images": {"pullSecrets": ["registry"]},
            "kafka": {"storage": {"size": "1Gi", "storageClassName": "fast"}},
            "notification": {"smtp": {"host": "m", "from": "a@b", "secretName": "mail"}},
        }
    )
    found = {(item.kind, item.name): item for item in required(cluster)}
    assert found[ReferenceKind.RELEASE, "1"].keys == COMPONENTS
    assert found[ReferenceKind.STORAGE_CLASS, "fast"].field == "spec.kafka.storage.storageClassName"
    assert found[ReferenceKind.SECRET, "mail"].keys == ("username", "password")
    assert found[ReferenceKind.SECRET, "registry"].field == "spec.images.pullSecrets[0]"


@pytest.mark.parametrize(("enabled", "needed"), [(True, True), (False, False)])
def test_an_object_store_of_the_users_own_is_needed_by_the_file_service_alone(chatcluster, enabled, needed):
    objects = {"external": {"secretName": "mine"}}
    cluster = chatcluster({"version": "1", "objects": objects, "services": {"file": {"enabled": enabled}}})
    assert ("mine" in {item.name for item in required(cluster)}) is needed


def test_overrides_win_and_spare_the_catalogue(chatcluster):
    overrides = {component: f"mine/{component}:2" for component in COMPONENTS}
    cluster = chatcluster({"version": "1", "images": {"overrides": overrides}})
    assert resolve_images(cluster, CATALOGUE) == overrides
    assert required(cluster) == []


def test_missing_images_are_named(chatcluster):
    with pytest.raises(MissingImageError, match=r"release '1' has no image for redis, user; .*overrides") as missing:
        resolve_images(
            chatcluster({"version": "1"}), {k: v for k, v in CATALOGUE.items() if k not in {"user", "redis"}}
        )
    assert missing.value.missing == ("redis", "user")


def test_address(chatcluster):
    assert public_url(chatcluster()) == "http://demo-edge.chat"
    assert public_url(chatcluster({"version": "1", "edge": {"publicUrl": "https://a.example/"}})) == "https://a.example"


def workloads(cluster, given):
    return {
        item["metadata"]["name"].removeprefix("demo-"): item["spec"]
        for item in manifests(cluster, given)
        if item["kind"] in {"Deployment", "StatefulSet"}
    }


def test_asleep_nothing_has_a_replica_and_nothing_scales_it(chatcluster, inputs):
    cluster = chatcluster({"version": "1", "hibernated": True})
    given = inputs(cluster)
    assert {name: spec["replicas"] for name, spec in workloads(cluster, given).items()} == dict.fromkeys(COMPONENTS, 0)
    assert not [item for item in manifests(cluster, given) if item["kind"] == "HorizontalPodAutoscaler"]


def test_awake_again_all_is_as_it_was(chatcluster, inputs):
    awake, woken = chatcluster({"version": "1"}), chatcluster({"version": "1", "hibernated": False})
    assert manifests(awake, inputs(awake)) == manifests(woken, inputs(woken))


def test_placement_and_override_reach_the_pods_of_their_component_alone(chatcluster, inputs):
    override = {"spec": {"containers": [{"name": "edge", "stdin": True}, {"name": "side", "image": "s:1"}]}}
    edge = {"placement": {"nodeSelector": {"pool": "edge"}}, "podOverride": override}
    cluster = chatcluster({"version": "1", "edge": edge})
    made = workloads(cluster, inputs(cluster))
    pod = made["edge"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "edge"}
    assert [container["name"] for container in pod["containers"]] == ["edge", "side"]
    assert pod["containers"][0]["stdin"]
    assert pod["containers"][0]["readinessProbe"]
    plain = chatcluster({"version": "1"})
    others = workloads(plain, inputs(plain))
    assert {name: spec for name, spec in made.items() if name != "edge"} == {
        name: spec for name, spec in others.items() if name != "edge"
    }


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"metadata": {"labels": {"app.kubernetes.io/instance": "x"}}}, "by which pods are found"),
        ({"spec": {"containers": [{"image": "x"}]}}, "each item needs the field name"),
    ],
)
def test_an_override_that_cannot_work_is_refused(chatcluster, override, says):
    with pytest.raises(InvalidSpecError, match=says):
        chatcluster({"version": "1", "edge": {"podOverride": override}})
