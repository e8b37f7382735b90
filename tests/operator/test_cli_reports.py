"""`kubectl chat` against a real API server: what it finds wrong, gathers, reads from nodes, and takes away."""

import base64
import contextlib
import gzip
import http.server
import json
import ssl
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from chatcluster_operator import install
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_testing.control_plane import ApiRefusalError, ControlPlane, program, running, until
from chatcluster_testing.kubectl_chat import PATIENCE, Chat

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(400)

LEAK = "the-password-that-was-logged"


@pytest.fixture
def chat(plane: ControlPlane) -> Chat:
    """The plugin for the administrator."""
    return Chat(plane.kubeconfig("chat-administrator"))


class Node(http.server.ThreadingHTTPServer):
    """The part of a kubelet that gives logs, by pod, a line each with its time."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Logs)
        self.logs: dict[str, list[str]] = {}
        self.more = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certs/apiserver.crt", folder / "certs/apiserver.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class _Logs(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        node = cast("Node", self.server)
        url = urlsplit(self.path)
        pod = url.path.split("/")[3]
        query = parse_qs(url.query)
        self.send_response(200)
        self.end_headers()
        lines = list(node.logs[pod])
        if "tailLines" in query:
            lines = lines[-int(query["tailLines"][0]) :] if query["tailLines"] != ["0"] else []
        self.wfile.write("".join(f"{line}\n" for line in lines).encode())
        if query.get("follow") == ["true"]:
            self.wfile.flush()
            node.more.wait(60)
            self.wfile.write("".join(f"{line}\n" for line in node.logs[pod][len(lines) :]).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture(scope="module")
def node(plane: ControlPlane) -> Iterator[Node]:
    """A node whose kubelet has logs to give."""
    kubelet = Node(plane.folder)
    thread = threading.Thread(target=kubelet.serve_forever, daemon=True)
    thread.start()
    nodes = "/api/v1/nodes"
    plane.api.create(nodes, {"metadata": {"name": "logs"}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.server_address[1]}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}],
    }
    plane.api.merge(f"{nodes}/logs/status", {"status": status})
    yield kubelet
    plane.api.delete(f"{nodes}/logs")
    kubelet.shutdown()
    kubelet.server_close()


@pytest.fixture
def run_pod(room: Any, node: Node) -> Callable[..., None]:
    """Makes a pod of a component that runs on the node and has written these lines."""

    def make(name: str, component: str, *lines: str) -> None:
        node.logs[name] = list(lines)
        labels = {
            "app.kubernetes.io/name": "chatcluster",
            "app.kubernetes.io/managed-by": "chatcluster-operator",
            "app.kubernetes.io/instance": "demo",
            "app.kubernetes.io/component": component,
        }
        container = {
            "name": "service",
            "image": "example.com/service:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "nodeName": "logs",
            "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 0,
        }
        pods = KINDS["Pod"].path(room.namespace)
        room.api.create(pods, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        state = {"name": "service", "image": "x", "imageID": "x", "ready": True, "restartCount": 0}
        status = {"phase": "Running", "containerStatuses": [{**state, "state": {"running": {}}}]}
        room.api.merge(f"{pods}/{name}/status", {"status": status})

    return make


def test_logs_of_all_pods_are_merged_by_time_and_readable(room: Any, chat: Chat, run_pod: Any) -> None:
    room.create()
    line = '2026-11-23T10:00:0{}.5Z {{"message": "{}", "level": "info", "port": 3002}}'
    run_pod("demo-message-a", "message", line.format(1, "first"), line.format(4, "fourth"))
    run_pod("demo-message-b", "message", line.format(2, "second"), "2026-11-23T10:00:03Z plain text")
    run_pod("demo-gateway-a", "gateway", line.format(0, "other"))
    shown = chat("logs", "message", "-n", room.namespace, "--since", "0").splitlines()
    assert [words.split()[-2] for words in shown] == ["first", "second", "plain", "fourth"]
    assert shown[0].split() == ["demo-message-a", "10:00:01.500", "INFO", "first", "port=3002"]
    raw = chat("logs", "message", "-n", room.namespace, "--since", "0", "--raw").splitlines()
    assert json.loads(raw[0])["message"] == "first"
    assert raw[2] == "plain text"
    assert "other" in chat("logs", "-n", room.namespace, "--since", "0")
    assert len(chat("logs", "message", "-n", room.namespace, "--since", "0", "--tail", "1").splitlines()) == 2
    chat("logs", "postgres", "-n", room.namespace, code=3)
    chat("logs", "nothing", "-n", room.namespace, code=2)


def test_logs_are_followed_those_of_new_pods_too(room: Any, chat: Chat, node: Node, run_pod: Any) -> None:
    room.create()
    node.more.clear()
    run_pod("demo-file-a", "file", "2026-11-23T10:00:01Z one")
    following = chat.start("logs", "file", "-n", room.namespace, "--since", "0", "--follow", "--raw")
    try:
        assert following.stdout is not None
        assert following.stdout.readline() == "one\n"
        run_pod("demo-file-b", "file", "2026-11-23T10:00:02Z two")
        assert following.stdout.readline() == "two\n"
        node.logs["demo-file-a"].append("2026-11-23T10:00:03Z three")
        node.more.set()
        assert following.stdout.readline() == "three\n"
    finally:
        node.more.set()
        following.terminate()
        following.communicate(timeout=30)


def test_doctor_says_what_is_wrong_and_what_to_do(room: Any, chat: Chat, plane: ControlPlane) -> None:
    room.create({"redis": {"external": {"secretName": "my-redis"}}})
    until(lambda: room.condition("Ready").get("reason") == "SecretNotFound", "the condition", 60)
    found = chat.json("doctor", "-n", room.namespace, code=1)
    listed = [finding for check in found["checks"] for finding in check["findings"]]
    told = " ".join(finding["message"] for finding in listed)
    assert "'my-redis', which does not exist" in told
    assert "0 of 2 replicas are ready" in told, "nobody runs Deployments here"
    assert "No StorageClass is the default one" in told
    assert not [item for item in listed if item["subject"] == "CustomResourceDefinition"], "it is this program's own"
    assert "kubectl chat logs operator" in chat("doctor", "-n", room.namespace, code=1)
    chat("doctor", "other", "-n", room.namespace, code=3)


def test_doctor_finds_nothing_where_all_is_well(room: Any, chat: Chat, plane: ControlPlane) -> None:
    api = plane.api
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    api.create(classes, {"metadata": {"name": "well", "annotations": default}, "provisioner": "example.com/none"})
    deployment = KINDS["Deployment"].path(install.NAMESPACE, install.NAME)
    ready = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    try:
        api.merge(f"{deployment}/status", {"status": ready})
        room.create()
        until(room.settled, "everything applied", 60)
        room.run_everything()
        until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
        assert "Nothing is wrong." in chat("doctor", "-n", room.namespace)
    finally:
        api.delete(f"{classes}/well")
        api.merge(f"{deployment}/status", {"status": dict.fromkeys(ready, 0)})


def test_doctor_says_what_it_may_not_look_at(room: Any, plane: ControlPlane) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    api, group = plane.api, "/apis/rbac.authorization.k8s.io/v1"
    api.create(KINDS["ServiceAccount"].path(room.namespace), {"metadata": {"name": "reader"}})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": room.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    own = {"apiGroups": ["chatcluster.dev"], "resources": ["chatclusters"], "verbs": ["get", "list"]}
    api.create(f"{group}/namespaces/{room.namespace}/roles", {"metadata": {"name": "chat"}, "rules": [own]})
    for name, reference in (("view", role), ("chat", {**role, "kind": "Role", "name": "chat"})):
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        api.create(f"{group}/namespaces/{room.namespace}/rolebindings", body)
    reader = Chat(plane.kubeconfig("chat-reader", plane.service_account_token(room.namespace, "reader")))
    found = reader.json("doctor", "-n", room.namespace, code=1)
    assert {"operator", "nodes", "storage classes", "webhooks"} <= found["unreadable"].keys()
    subjects = {finding["subject"] for check in found["checks"] for finding in check["findings"]}
    assert not subjects & {"operator", "CustomResourceDefinition"}, "what cannot be seen is not called missing"
    reader("plan", "-n", room.namespace, "-f", "-", text="{}", code=2)


def test_no_secret_value_is_in_a_support_bundle(room: Any, chat: Chat, run_pod: Any, tmp_path: Path) -> None:
    brought = {"url": f"redis://user:{LEAK}@redis.example.com:6379/0"}
    room.api.create(KINDS["Secret"].path(room.namespace), {"metadata": {"name": "my-redis"}, "stringData": brought})
    room.create({"redis": {"external": {"secretName": "my-redis"}}})
    until(room.settled, "everything applied", 60)
    credentials = room.child("Secret", "demo-credentials")["data"]
    token = base64.b64decode(credentials["internal_token"]).decode()
    run_pod(
        "demo-message-a", "message", f"2026-11-23T10:00:01Z connecting with {LEAK}", f"2026-11-23T10:00:02Z {token}"
    )
    archive = tmp_path / "bundle.tar.gz"
    assert chat("support-bundle", "-n", room.namespace, "--to", str(archive)).strip() == str(archive)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600

    everything = gzip.decompress(archive.read_bytes()).decode(errors="replace")
    values = {LEAK}
    for secret in room.api.items(KINDS["Secret"].path(room.namespace)):
        for name, encoded in secret["data"].items():
            if name not in {"users.json", "s3.json", "users.acl", "jaas.conf"}:
                values |= {encoded, base64.b64decode(encoded).decode()}
    leaked = [value for value in values if len(value) > 5 and value in everything]
    assert not leaked, "a value of a Secret is in the archive"

    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
        log = next(name for name in tar.getnames() if name.endswith("logs/demo-message-a/service.log"))
        extracted = tar.extractfile(log)
        assert extracted is not None
        assert b"connecting with (redacted)" in extracted.read()
    assert names >= {"README.txt", "chatcluster.yaml", "doctor.json", "status.json", "version.json"}
    assert names >= {"objects/Secret.yaml", "objects/Deployment.yaml", "operator/Deployment.yaml", "missing.txt"}
    assert "internal_token: (redacted)" in everything, "the keys are told"
    chat("support-bundle", "-n", room.namespace, "--to", str(archive), code=1)
    assert "--to" in chat.errors, "what is there is not written over"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane to be taken apart, with no operator at work."""
    with running(tmp_path_factory.mktemp("other-plane")) as plane:
        yield plane


def set_up(plane: ControlPlane, chat: Chat, tmp_path: Path) -> None:
    """Install, and make a ChatCluster of each policy, one of them held by the operator's finalizer."""
    file = tmp_path / "install.yaml"
    file.write_text(install.text())
    kubectl(chat, "apply", "--server-side", "-f", str(file))
    kubectl(chat, "wait", "--for=condition=Established", "--timeout=60s", "crd/chatclusters.chatcluster.dev")
    for name, policy in (("kept", "Retain"), ("lost", "Delete")):
        metadata = {"name": name, "namespace": "default", "finalizers": ["chatcluster.dev/operator"]}
        spec = {"version": install.RELEASE, "deletionPolicy": policy}
        body = {"apiVersion": CHATCLUSTER.api_version, "kind": CHATCLUSTER.name, "metadata": metadata, "spec": spec}
        until(lambda body=body: made(plane, body), "the API server to take ChatClusters", 60)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    labels = {"app.kubernetes.io/instance": "lost"}
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    plane.api.create(claims, {"metadata": {"name": "data-lost-redis-0", "labels": labels}, "spec": claim})


def made(plane: ControlPlane, body: Object) -> bool:
    with contextlib.suppress(ApiRefusalError):
        plane.api.create(CHATCLUSTER.path("default"), body)
        return True
    return False


def kubectl(chat: Chat, *arguments: str) -> str:
    command = [str(program("kubectl")), *arguments]
    done = subprocess.run(command, env=chat.environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_uninstall_takes_everything_away_and_leaves_nothing_stuck(other: ControlPlane, tmp_path: Path) -> None:
    chat, api = Chat(other.kubeconfig("chat-administrator")), other.api
    set_up(other, chat, tmp_path)
    chat("uninstall", code=2)
    assert "default/lost (deletionPolicy Delete): volumes LOST" in chat.errors
    assert "data-lost-redis-0" in chat.errors
    assert "default/kept (deletionPolicy Retain): volumes kept" in chat.errors
    assert len(api.items(CHATCLUSTER.path())) == 2, "nobody confirmed"

    chat("uninstall", "--keep-crd", "--yes")
    left = api.items(CHATCLUSTER.path())
    assert {item["metadata"]["name"] for item in left} == {"kept", "lost"}, "chat goes on"
    assert not any(item["metadata"].get("finalizers") for item in left), "they can be deleted without an operator"
    assert remaining(api) == {"CustomResourceDefinition"}

    file = tmp_path / "install.yaml"
    kubectl(chat, "apply", "--server-side", "-f", str(file))
    for item in left:
        path = CHATCLUSTER.path("default", item["metadata"]["name"])
        api.merge(path, {"metadata": {"finalizers": ["chatcluster.dev/operator"]}})
    chat("uninstall", "--yes")
    assert remaining(api) == set()
    chat("uninstall", "--yes")
    assert remaining(api) == set(), "once more does no harm"


def remaining(api: Any) -> set[str]:
    """Kinds of what install.yaml makes and is there."""
    found: set[str] = set()
    plurals = {"NetworkPolicy": "networkpolicies"}
    for manifest in install.objects():
        group, _, version = manifest["apiVersion"].rpartition("/")
        where = f"/apis/{group}/{version}" if group else "/api/v1"
        namespace = manifest["metadata"].get("namespace")
        plural = plurals.get(manifest["kind"], manifest["kind"].lower() + "s")
        place = f"{where}/namespaces/{namespace}" if namespace else where
        if api.get(f"{place}/{plural}/{manifest['metadata']['name']}") is not None:
            found.add(manifest["kind"])
    return found
