"""The operator on the real cluster: what drifts is mended, what cannot work is refused or says why."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatcluster_testing.cluster import Cluster, until

pytestmark = pytest.mark.timeout(300)

MENDED_SECONDS = 5.0


def chatcluster(name: str, **spec: Any) -> str:
    """A ChatCluster manifest."""
    return json.dumps(
        {
            "apiVersion": "chatcluster.dev/v1alpha1",
            "kind": "ChatCluster",
            "metadata": {"name": name},
            "spec": {"version": "dev", **spec},
        }
    )


def mended(found: Callable[[], Any], what: str) -> float:
    """Seconds until `found`; fails when that is longer than promised."""
    began = time.monotonic()
    until(found, what, MENDED_SECONDS, every=0.05)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("service", "demo-gateway"),
        ("configmap", "demo-edge"),
        ("poddisruptionbudget", "demo-message"),
        ("networkpolicy", None),
    ],
)
def test_what_is_deleted_comes_back(cluster: Cluster, kind: str, name: str | None) -> None:
    selector = f"app.kubernetes.io/instance={cluster.chatcluster}"
    name = name or str(cluster.get(kind, "-l", selector)["items"][0]["metadata"]["name"])
    before = cluster.find(kind, name)
    assert before, f"{kind}/{name}"
    cluster.kubectl("delete", kind, name, "--wait=true")

    def back() -> bool:
        now = cluster.find(kind, name)
        return bool(now and now["metadata"]["uid"] != before["metadata"]["uid"])

    mended(back, f"{kind}/{name} made anew")


def test_what_is_edited_by_hand_is_put_right(cluster: Cluster) -> None:
    patch = '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}'
    grace = cluster.get("deployment", "demo-presence")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    cluster.kubectl("patch", "deployment", "demo-presence", "--type=merge", "-p", patch)

    def put_right() -> bool:
        spec = cluster.get("deployment", "demo-presence")["spec"]["template"]["spec"]
        return spec["terminationGracePeriodSeconds"] == grace

    mended(put_right, "the grace period of demo-presence")
    cluster.wait_ready()


def test_what_others_add_is_left_alone(cluster: Cluster) -> None:
    cluster.kubectl("label", "service", "demo-user", "example.com/team=blue", "--overwrite")
    cluster.kubectl("delete", "service", "demo-notification")
    until(lambda: cluster.find("service", "demo-notification"), "the operator at work", MENDED_SECONDS)
    assert cluster.get("service", "demo-user")["metadata"]["labels"]["example.com/team"] == "blue"
    cluster.kubectl("label", "service", "demo-user", "example.com/team-")


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"postgres": {"external": {"secretName": "x"}, "storage": {"size": "1Gi"}}}, ["postgres", "remove either"]),
        ({"edge": {"service": {"nodePort": 30999}}}, ["edge.service.nodePort", "NodePort"]),
        (
            {"services": {"message": {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}}},
            ["spec.services.message.autoscaling", "lower the one or raise the other"],
        ),
        ({"deletionPolicy": "Perhaps"}, ["spec.deletionPolicy", "Retain"]),
        ({"images": {"overrides": {"mesage": "a:1"}}}, ["images.overrides", "the components are"]),
    ],
)
def test_a_bad_spec_is_refused_with_field_and_remedy(cluster: Cluster, spec: dict[str, Any], names: list[str]) -> None:
    done = cluster.kubectl("apply", "-f", "-", stdin=chatcluster("bad", **spec), check=False)
    assert done.returncode != 0
    for name in names:
        assert name in done.stderr


@pytest.fixture
def other(cluster: Cluster) -> Iterator[str]:
    """The name for a second ChatCluster, which is gone after the test, its volumes too."""
    name = "other"
    yield name
    cluster.kubectl("delete", "chatcluster", name, "--ignore-not-found", "--wait=true")
    selector = f"app.kubernetes.io/instance={name}"
    until(lambda: not cluster.get("pods", "-l", selector)["items"], f"the pods of {name} gone", 120)
    cluster.kubectl("delete", "pvc,secret", "-l", selector, "--ignore-not-found")


def test_an_unknown_storage_class_and_a_missing_secret_are_told_and_recover(cluster: Cluster, other: str) -> None:
    spec = {
        "redis": {"external": {"secretName": "my-redis"}},
        "postgres": {"storage": {"size": "1Gi", "storageClassName": "golden"}},
    }
    cluster.kubectl("apply", "-f", "-", stdin=chatcluster(other, **spec))

    def told() -> str | None:
        ready = cluster.condition(name=other)
        message = json.dumps((cluster.find("chatcluster", other) or {}).get("status", {}).get("conditions", []))
        return message if ready.get("status") == "False" and "golden" in message and "my-redis" in message else None

    message = until(told, "a condition that names both", 30)
    assert "spec.postgres.storage.storageClassName" in message
    assert "spec.redis.external.secretName" in message
    until(lambda: any(e["type"] == "Warning" for e in _all_events(cluster, other)), "a warning event", 30)

    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(_storage_class()))
    redis = "redis://nobody:nothing@demo-redis:6379/0"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "my-redis"}, "stringData": {"url": redis}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    try:

        def recovered() -> bool:
            text = json.dumps((cluster.find("chatcluster", other) or {})["status"]["conditions"])
            return "golden" not in text and "my-redis" not in text

        until(recovered, "the conditions without either complaint", 30)
        until(lambda: cluster.find("statefulset", f"{other}-postgres"), "the store is made", 30)
    finally:
        cluster.kubectl("delete", "storageclass", "golden", "--ignore-not-found")
        cluster.kubectl("delete", "secret", "my-redis", "--ignore-not-found")


def _all_events(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    return [
        e
        for e in cluster.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
        if e["involvedObject"]["kind"] == "ChatCluster"
    ]


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "golden"},
        "provisioner": "example.com/none",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def test_every_pod_keeps_to_the_restricted_profile(cluster: Cluster) -> None:
    namespace = json.loads(cluster.kubectl("get", "namespace", cluster.namespace, "-o", "json").stdout)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert cluster.pods("message"), "pods run under it"


def test_get_chat_tells_at_a_glance(cluster: Cluster) -> None:
    header, row = cluster.kubectl("get", "chat").stdout.splitlines()[:2]
    assert "READY" in header
    assert row.startswith("demo")
    assert "True" in row


def test_the_operator_has_no_more_rights_than_it_needs(cluster: Cluster) -> None:
    account = "system:serviceaccount:chatcluster-system:chatcluster-operator"
    for verb, what in [
        ("get", "nodes"),
        ("delete", "namespaces"),
        ("create", "clusterroles"),
        ("create", "pods/exec"),
        ("*", "*"),
    ]:
        answer = cluster.kubectl("auth", "can-i", verb, what, f"--as={account}", check=False)
        assert answer.stdout.strip() == "no", f"{verb} {what}"
