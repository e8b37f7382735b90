"""`kubectl chat` against a real API server with the operator at work: looking, foretelling, changing."""

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import ControlPlane, program, until
from chatcluster_testing.kubectl_chat import PATIENCE, Chat, manifest

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def chat(plane: ControlPlane) -> Chat:
    """The plugin for the administrator."""
    return Chat(plane.kubeconfig("chat-administrator"))


def test_status_tells_the_whole_and_its_exit_code_whether_it_is_ready(room: Any, chat: Chat) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    assert "Not ready" in chat("status", "-n", room.namespace, code=1)
    room.run_everything()
    until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
    shown = chat("status", "demo", "-n", room.namespace)
    assert f"{room.namespace}/demo" in shown
    assert re.search(r"message +1/1", shown)
    assert "Every component is ready." in shown
    found = chat.json("status", "-n", room.namespace)
    assert found["ready"]
    assert found["version"] == {"wanted": install.RELEASE, "running": install.RELEASE}
    assert {item["name"] for item in found["components"]} >= {"gateway", "message", "edge", "postgres"}
    assert "name: demo" in chat("status", "-n", room.namespace, "-o", "yaml")


def test_which_chatcluster_is_meant(room: Any, chat: Chat) -> None:
    chat("status", "-n", room.namespace, code=3)
    assert "There is no ChatCluster in the namespace" in chat.errors
    room.create()
    room.create(name="other")
    chat("status", "-n", room.namespace, code=2)
    assert "demo, other" in chat.errors
    chat("status", "third", "-n", room.namespace, code=3)
    assert "there are: demo, other" in chat.errors


def test_plan_of_what_is_not_there_yet(room: Any, chat: Chat) -> None:
    found = chat.json("plan", "-n", room.namespace, "-f", "-", text=manifest())
    assert found["action"] == "create"
    assert found["refused"] == found["blocked"] == []
    assert {item["action"] for item in found["objects"]} == {"create"}
    planned = {(item["kind"], item["name"]) for item in found["objects"]}
    assert room.get() is None, "nothing is written"
    assert not room.children()

    room.create()
    until(room.settled, "everything applied", 60)
    assert planned == set(room.children())


CHANGES: dict[str, Object] = {
    "nothing": {},
    "more replicas": {"services": {"message": {"autoscaling": {"minReplicas": 3, "maxReplicas": 9}}}},
    "a setting": {"services": {"file": {"env": [{"name": "CHAT_LOG_LEVEL", "value": "debug"}]}}},
    "the edge": {"edge": {"replicas": 3, "service": {"type": "NodePort"}}},
    "a policy": {"deletionPolicy": "Delete"},
    "mail": {"notification": {"smtp": {"host": "mail", "port": 25, "security": "none", "from": "chat@example.com"}}},
}


@pytest.mark.parametrize("spec", CHANGES.values(), ids=list(CHANGES))
def test_what_plan_says_is_what_the_operator_does(room: Any, chat: Chat, spec: Object) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    found = chat.json("plan", "-n", room.namespace, "-f", "-", text=manifest(spec))
    assert found["refused"] == found["blocked"] == []
    before = room.contents()
    assert chat("plan", "-n", room.namespace, "-f", "-", text=manifest(spec))
    assert room.contents() == before, "nothing is written"

    room.change({"spec": spec})
    until(room.settled, "everything applied", 60)
    after = room.contents()
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert {(item["kind"], item["name"]) for item in found["objects"]} == changed
    templates = {
        key[1].removeprefix("demo-")
        for key in changed
        if key[0] in {"Deployment", "StatefulSet"} and before[key]["spec"]["template"] != after[key]["spec"]["template"]
    }
    assert {item["component"] for item in found["restarts"]} == templates
    code = 2 if spec else 0
    changed_again = {**spec, "hibernated": True} if spec else {}
    chat("plan", "-n", room.namespace, "-f", "-", "--detailed-exitcode", text=manifest(changed_again), code=code)


REFUSALS: dict[str, tuple[Object, str]] = {
    "a misspelt field": ({"edges": {}}, 'unknown field "spec.edges"'),
    "a rule": ({"edge": {"service": {"type": "ClusterIP", "nodePort": 30080}}}, "set edge.service.type to NodePort"),
    "a fixed field": ({"redis": {"external": {"secretName": "mine"}}}, "redis"),
    "a pod that cannot be": (
        {"services": {"message": {"podOverride": {"spec": {"restartPolicy": "Sometimes"}}}}},
        'Deployment demo-message: Deployment.apps "demo-message" is invalid',
    ),
}


@pytest.mark.parametrize(("spec", "why"), REFUSALS.values(), ids=list(REFUSALS))
def test_plan_says_what_is_refused_and_why(demo: Any, chat: Chat, spec: Object, why: str) -> None:
    found = chat.json("plan", "-n", demo.namespace, "-f", "-", text=manifest(spec), code=1)
    assert why in " ".join(found["refused"])


def test_plan_says_what_could_not_be_carried_out(demo: Any, chat: Chat) -> None:
    found = chat.json("plan", "-n", demo.namespace, "-f", "-", text=manifest({"version": "9.9"}), code=1)
    assert "image catalogue does not have" in found["blocked"][0]
    pulls = {"images": {"pullSecrets": ["registry"]}}
    found = chat.json("plan", "-n", demo.namespace, "-f", "-", text=manifest(pulls), code=1)
    assert "spec.images.pullSecrets[0] names the Secret 'registry'" in found["blocked"][0]


def test_plan_reads_what_kubectl_would(demo: Any, chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"kind: Namespace\napiVersion: v1\nmetadata: {{name: other}}\n---\n{manifest()}")
    assert "Nothing would change" in chat("plan", "-n", demo.namespace, "-f", str(file))
    file.write_text("kind: Namespace")
    chat("plan", "-f", str(file), code=2)
    chat("plan", "-f", str(tmp_path / "none.yaml"), code=2)


def test_pause_and_resume(room: Any, chat: Chat) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    chat("pause", "-n", room.namespace)
    until(lambda: room.condition("Paused").get("status") == "True", "the condition Paused")
    chat("resume", "-n", room.namespace)
    until(lambda: room.condition("Paused").get("status") == "False", "the condition to end")
    managers = {item["manager"] for item in room.get()["metadata"]["managedFields"]}
    assert "kubectl-chat" in managers, "who did it can be seen"


def test_hibernate_asks_and_waits_and_wake_waits(room: Any, chat: Chat) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    room.run_everything()
    chat("hibernate", "-n", room.namespace, code=2)
    assert "--yes" in chat.errors
    assert not room.get()["spec"]["hibernated"]
    chat("hibernate", "-n", room.namespace, "--yes")
    assert room.condition("Hibernated")["status"] == "True"

    for (kind, name), item in room.children().items():
        if kind in {"Deployment", "StatefulSet"}:
            room.say_ready(kind, name, item, ready=False)
    chat("wake", "-n", room.namespace, "--timeout", "1", code=5)
    assert "kubectl chat doctor" in chat.errors, "what to do"
    waking = chat.start("wake", "-n", room.namespace)
    until(room.settled, "everything applied", 60)
    room.run_everything()
    out, err = waking.communicate(timeout=PATIENCE)
    assert waking.returncode == 0, out + err
    assert "is awake" in err


def test_restart_and_rotate_ask_by_annotations(demo: Any, chat: Chat) -> None:
    chat("restart", "message", "redis", "-n", demo.namespace, "--no-wait")
    chat("rotate", "token-key", "-n", demo.namespace, "--no-wait")
    annotations = demo.get()["metadata"]["annotations"]
    assert {"chatcluster.dev/restart-message", "chatcluster.dev/restart-redis"} <= annotations.keys()
    assert "chatcluster.dev/rotate-token-key" in annotations
    assert "chatcluster.dev/rotate-credentials" not in annotations
    chat("restart", "mesage", "-n", demo.namespace, code=2)
    assert "Choose from" in chat.errors
    chat("rotate", "everything", "-n", demo.namespace, code=2)


def test_connect_prints_the_address_and_connects_again(demo: Any, chat: Chat, tmp_path: Path) -> None:
    # No node runs here, so what stands for kubectl only says what kubectl says, and ends as it does when a pod ends.
    said, kubectl = tmp_path / "said", tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >> {said}\necho "Forwarding from 127.0.0.1:45678 -> 8080"\n')
    kubectl.chmod(0o755)
    chat.kubectl = kubectl
    connecting = chat.start("connect", "-n", demo.namespace)
    try:
        assert connecting.stdout is not None
        assert connecting.stdout.readline() == "http://127.0.0.1:45678\n"
        until(lambda: len(said.read_text().splitlines()) > 1, "another connection", 60)
    finally:
        connecting.send_signal(signal.SIGINT)
        out, err = connecting.communicate(timeout=60)
    first, second = said.read_text().splitlines()[:2]
    assert first.startswith(f"port-forward --namespace {demo.namespace} service/demo-edge :80")
    assert " 45678:80" in second, "the address stays"
    assert (connecting.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_who_may_not_is_told_so(demo: Any, plane: ControlPlane) -> None:
    demo.api.create(KINDS["ServiceAccount"].path(demo.namespace), {"metadata": {"name": "nobody"}})
    token = plane.service_account_token(demo.namespace, "nobody")
    chat = Chat(plane.kubeconfig("chat-nobody", token))
    chat("status", "-n", demo.namespace, code=4)
    assert "You may not do this" in chat.errors
    assert "kubectl auth can-i" in chat.errors


def test_what_cannot_be_reached_is_told_so(plane: ControlPlane, tmp_path: Path) -> None:
    chat = Chat(plane.kubeconfig("chat-nowhere", server="https://127.0.0.1:1"))
    chat("status", code=3)
    assert "https://127.0.0.1:1 does not answer" in chat.errors
    Chat(tmp_path / "no-such-file")("status", code=3)
    chat("status", "--context", "other", code=3)


def test_version(chat: Chat) -> None:
    found = chat.json("version")
    assert found["api"] == ["v1alpha1"]
    assert found["operator"] == f"chatcluster/operator:{install.RELEASE}"
    assert found["kubernetes"].startswith("v1.")


def test_kubectl_finds_it_and_completes_it(demo: Any, chat: Chat) -> None:
    def kubectl(*arguments: str) -> str:
        command = [str(program("kubectl")), *arguments]
        return subprocess.run(
            command, env=chat.environment, capture_output=True, text=True, timeout=PATIENCE, check=True
        ).stdout

    assert "kubernetes" in kubectl("chat", "version", "-o", "yaml")
    assert "support-bundle" in kubectl("__complete", "chat", "sup").splitlines()
    assert "demo" in kubectl("__complete", "chat", "status", "-n", demo.namespace, "de").splitlines()
    assert "gateway" in kubectl("__complete", "chat", "logs", "gat").splitlines()
