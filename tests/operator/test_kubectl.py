"""What a person sees with kubectl: a ChatCluster at a glance, its documentation, and that it waits for it."""

import subprocess
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.api.constants import SERVICES, STORES
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import program, until


def _columns(out: str) -> dict[str, str]:
    """The one line of a table, by column."""
    head, line = out.rstrip("\n").splitlines()
    starts = [
        index for index, character in enumerate(head) if character != " " and (not index or head[index - 1] == " ")
    ]
    ends = [*starts[1:], None]
    return {head[start:end].strip(): line[start:end].strip() for start, end in zip(starts, ends, strict=True)}


def test_one_line_tells_how_it_is(kubectl: Any, room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    room.run_everything()
    until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
    said = kubectl("get", "chat", "-n", room.namespace)
    shown = _columns(said.out)
    assert set(shown) == {"NAME", "VERSION", "READY", "REASON", "USERS", "URL", "AGE"}
    assert (shown["NAME"], shown["VERSION"], shown["READY"]) == ("demo", install.RELEASE, "True")
    assert shown["URL"].startswith("http")
    wide = _columns(kubectl("get", "chat", "-n", room.namespace, "-o", "wide").out)
    assert wide["MESSAGE"] == "Every component is ready."
    assert "demo" in kubectl("get", "all", "-n", room.namespace).out


def test_waiting_ends_with_the_condition(kubectl: Any, room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    wait = ("wait", "--for=condition=Ready", "chat/demo", "-n", room.namespace)
    assert kubectl(*wait, "--timeout=1s").code != 0
    argv = [str(program("kubectl")), f"--kubeconfig={kubectl.kubeconfig}", *wait, "--timeout=60s"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as waiting:
        room.run_everything()
        out, _ = waiting.communicate(timeout=90)
    assert waiting.returncode == 0
    assert "chatcluster.chatcluster.dev/demo condition met" in out


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("chatcluster", ["A chat platform"]),
        ("chatcluster.spec", ["What a ChatCluster should be", *STORES, "-required-"]),
        ("chatcluster.spec.services", [*SERVICES, "Conversations and messages, over REST and Socket.IO."]),
        ("chatcluster.spec.redis.external.secretName", ["Secret in the ChatCluster's namespace"]),
        ("chatcluster.status.connections", ["Sockets connected now"]),
    ],
)
def test_explain_reads_as_documentation(kubectl: Any, demo: Any, path: str, words: list[str]) -> None:
    del demo
    said = kubectl("explain", path)
    assert (said.code, said.err) == (0, "")
    text = " ".join(said.out.split())
    for word in words:
        assert word in text


def test_the_state_of_each_component_is_told(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    items = {item["name"]: item for item in room.get()["status"]["components"]}
    assert items.keys() == {*STORES, *SERVICES, "edge"}
    assert items["gateway"]["reason"] == "Starting"
    assert items["gateway"]["image"].endswith(f":{install.RELEASE}")
    room.run_everything()
    until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
    items = {item["name"]: item for item in room.get()["status"]["components"]}
    assert {item["reason"] for item in items.values()} == {"Ready"}
    assert items["gateway"]["updated"] == items["gateway"]["wanted"] >= 1
    endpoints = room.get()["status"]["endpoints"]
    assert endpoints["realtime"] == room.get()["status"]["url"] + "/socket.io/"
    assert endpoints["internal"] == f"http://demo-edge.{room.namespace}.svc"


def test_deletion_leaves_nothing_stuck(kubectl: Any, room: Any) -> None:
    room.create({"deletionPolicy": "Delete"})
    until(room.settled, "everything applied", 60)
    assert "finalizers" not in room.get()["metadata"]
    # In the foreground kubectl returns once all that belonged to it is gone.
    said = kubectl("delete", "chat", "demo", "-n", room.namespace, "--cascade=foreground", "--timeout=60s", seconds=90)
    assert (said.code, said.err) == (0, "")
    assert room.get() is None
    assert room.children() == {}


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_volumes_do_what_the_deletion_policy_says(room: Any, policy: str) -> None:
    room.create({"deletionPolicy": policy})
    until(room.settled, "everything applied", 60)
    store = room.child("StatefulSet", "demo-postgres")
    assert store["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == policy
    claim = _claim(room.api, room.namespace, store, owned=policy == "Delete")
    room.delete()
    until(lambda: room.child("StatefulSet", "demo-postgres") is None, "the store to be collected", 60)
    if policy == "Delete":
        until(lambda: _goes(room.api, claim), "the claim to be collected", 60)
        until(lambda: room.child("Secret", "demo-credentials") is None, "the credentials too", 60)
    else:
        until(lambda: set(room.children()) == {("Secret", "demo-credentials")}, "all else to be collected", 60)
        assert not _goes(room.api, claim)


def _goes(api: Any, claim: str) -> bool:
    """Whether it is deleted. It stays until the controller that protects claims in use lets it go; none runs here."""
    body = api.get(claim)
    return body is None or "deletionTimestamp" in body["metadata"]


def _claim(api: Any, namespace: str, store: Any, *, owned: bool) -> str:
    """A claim as the controller of StatefulSets makes it; under Delete it gives it to the StatefulSet."""
    metadata: dict[str, Any] = {"name": "data-demo-postgres-0"}
    if owned:
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "demo-postgres", "uid": store["metadata"]["uid"]}
        ]
    spec = store["spec"]["volumeClaimTemplates"][0]["spec"]
    path = KINDS["Pod"].path(namespace).replace("/pods", "/persistentvolumeclaims")
    api.create(path, {"metadata": metadata, "spec": spec})
    return f"{path}/data-demo-postgres-0"
