"""What a ChatCluster says of itself when something is missing or broken, and that it recovers by itself."""

from typing import Any

from chatcluster_operator import install
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import until

RECOVERED_SECONDS = 60.0


def invalid(room: Any, reason: str) -> dict[str, Any]:
    """The condition ConfigurationValid, once it is False for this reason."""

    def told() -> dict[str, Any] | None:
        condition = room.condition("ConfigurationValid")
        return condition if (condition.get("status"), condition.get("reason")) == ("False", reason) else None

    return until(told, f"ConfigurationValid to be False with {reason}", 60)


def test_a_missing_secret_is_told_and_recovers(room: Any) -> None:
    room.create({"redis": {"external": {"secretName": "my-redis"}}})
    condition = invalid(room, "SecretNotFound")
    assert "spec.redis.external.secretName" in condition["message"]
    assert "create it with the keys url" in condition["message"]
    assert room.condition("Ready")["reason"] == "SecretNotFound"
    assert until(lambda: room.events("SecretNotFound"), "an event")[0]["type"] == "Warning"
    assert room.child("Secret", "demo-credentials"), "the rest is made all the same"

    secrets = KINDS["Secret"].path(room.namespace)
    room.api.create(secrets, {"metadata": {"name": "my-redis"}, "stringData": {"uri": "redis://mistyped"}})
    assert "lacks the keys url" in invalid(room, "SecretKeyMissing")["message"]
    room.api.merge(f"{secrets}/my-redis", {"stringData": {"url": "redis://redis.example.com:6379/0"}})
    until(lambda: room.condition("ConfigurationValid")["status"] == "True", "recovery", RECOVERED_SECONDS)
    assert until(lambda: room.events("Recovered"), "an event")[0]["type"] == "Normal"
    assert len(room.events("SecretNotFound")) == 1, "told once, not at each look"


def test_an_unknown_storage_class_is_told_and_recovers(room: Any) -> None:
    name = f"golden-{room.namespace}"
    room.create({"postgres": {"storage": {"size": "1Gi", "storageClassName": name}}})
    condition = invalid(room, "StorageClassNotFound")
    assert "spec.postgres.storage.storageClassName" in condition["message"]
    assert name in condition["message"]
    assert room.child("StatefulSet", "demo-postgres") is None, "its volume could not be changed later"

    body = {"metadata": {"name": name}, "provisioner": "example.com/none"}
    room.api.create("/apis/storage.k8s.io/v1/storageclasses", body)
    until(lambda: room.condition("ConfigurationValid")["status"] == "True", "recovery", RECOVERED_SECONDS)
    until(room.settled, "everything applied")


def test_an_unknown_release_is_told_and_recovers_with_the_catalogue(room: Any) -> None:
    release = f"9.9-{room.namespace}"
    room.create({"version": release})
    condition = invalid(room, "ReleaseUnknown")
    assert repr(release) in condition["message"]
    assert install.RELEASE in condition["message"], "the releases that there are"
    catalogue = KINDS["ConfigMap"].path(install.NAMESPACE, "chatcluster-images")
    images = room.api.get(catalogue)["data"][install.RELEASE]
    room.api.merge(catalogue, {"data": {release: images}})
    until(room.settled, "everything applied", RECOVERED_SECONDS)


def test_a_release_without_images_leaves_what_runs_alone(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    room.run_everything()
    until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
    made = set(room.children())
    room.change({"spec": {"version": "no-such-release"}})
    invalid(room, "ReleaseUnknown")
    assert set(room.children()) == made
    room.api.delete(KINDS["ConfigMap"].path(room.namespace, "demo-jwks"))
    until(lambda: room.child("ConfigMap", "demo-jwks"), "what runs is still kept healthy")


def test_ready_follows_the_workloads(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    assert room.condition("Ready")["status"] == "False"
    room.run_everything()
    ready = until(lambda: (c := room.condition("Ready")).get("status") == "True" and c, "Ready", 60)
    until(lambda: room.get()["status"].get("version") == install.RELEASE, "the version that runs")
    assert until(lambda: room.events("Ready"), "an event")[0]["type"] == "Normal"

    room.change({"metadata": {"labels": {"example.com/a": "b"}}})
    again = room.condition("Ready")
    assert again["lastTransitionTime"] == ready["lastTransitionTime"]
    stores = [item for item in room.children().items() if item[0][0] == "StatefulSet"]
    for (kind, name), item in stores[:1]:
        room.say_ready(kind, name, item, ready=False)
        component = name.removeprefix("demo-")
        until(lambda: room.condition("Ready")["status"] == "False", "Ready to be False")
        assert component in room.condition("StoresReady")["message"]


def test_a_pod_that_cannot_run_says_why(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    labels = {
        "app.kubernetes.io/managed-by": "chatcluster-operator",
        "app.kubernetes.io/instance": "demo",
        "app.kubernetes.io/component": "message",
    }
    container = {
        "name": "service",
        "image": "registry.example.com/message:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pods = KINDS["Pod"].path(room.namespace)
    room.api.create(
        pods,
        {
            "metadata": {"name": "demo-message-0", "labels": labels},
            "spec": {"containers": [container], "securityContext": context},
        },
    )
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    state = {"name": "service", "image": container["image"], "imageID": "", "ready": False, "restartCount": 0}
    room.api.merge(
        f"{pods}/demo-message-0/status", {"status": {"containerStatuses": [{**state, "state": {"waiting": waiting}}]}}
    )
    condition = until(
        lambda: (c := room.condition("ServicesReady")).get("reason") == "ImagePullFailed" and c, "the reason"
    )
    assert "registry.example.com/message:1" in condition["message"]
    assert "spec.images.overrides" in condition["message"]
    assert until(lambda: room.events("ImagePullFailed"), "an event")[0]["type"] == "Warning"
