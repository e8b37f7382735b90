"""The local cluster itself: made, broken, mended and taken away, with pods of its own in a cluster of its own name.

The tests run in order on one cluster, as a person would: each leaves it healthy for the next, the last take it away.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chatcluster_local.builtin.images import write_image
from chatcluster_local.builtin.machines import Cables
from chatcluster_local.builtin.processes import Process
from chatcluster_local.builtin.provider import Builtin, Record
from chatcluster_local.paths import Paths

T = TypeVar("T")
NAME = "t-lifecycle"
IMAGE = "chatcluster-test/busybox:1"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the built-in cluster needs root"),
    pytest.mark.timeout(300),
]


def until(found: Callable[[], T | None], what: str, seconds: float = 60.0) -> T:
    """The first truthy value of `found`; fails naming `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := found():
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Local:
    """The command under test, for one cluster."""

    name: str

    @property
    def command(self) -> list[str]:
        return [str(Path(sys.executable).parent / "chatcluster-local")]

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.command, *arguments, "--name", self.name],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=os.environ | {"CHATCLUSTER_PROVIDER": "builtin"},
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    @property
    def provider(self) -> Builtin:
        return Builtin(Paths(self.name))

    @property
    def record(self) -> Record:
        record = self.provider.record
        assert record is not None
        return record

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.provider.ask(*arguments, **options)

    def get(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, *manifests: dict[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "--filename", "-", input=json.dumps(items))

    def ready_nodes(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.get("nodes")["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
        }

    def ready_endpoints(self, service: str) -> set[str]:
        """The nodes of a Service's ready endpoints."""
        slices = self.get("endpointslices", "--selector", f"kubernetes.io/service-name={service}")["items"]
        return {
            endpoint["nodeName"]
            for piece in slices
            for endpoint in piece.get("endpoints") or []
            if endpoint["conditions"]["ready"]
        }

    def program(self, machine: str, program: str) -> Process:
        known = {m.name: m for m in self.provider._machines(self.record)}
        return known[machine].programs()[program]


def leftovers(record: Record | None) -> dict[str, list[str]]:
    """What there is on this host of the cluster; empty lists when nothing is left."""
    state = str(Paths(NAME).state)
    group = Builtin(Paths(NAME)).group
    links = {link for link in Cables.links() if record and (f"{link}-").startswith(f"{record.plan.bridge}-")}
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout.splitlines()
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    commands: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                text += (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if state in text or f"{group.path}/" in text:
                commands.append(f"{entry.name} {text[:200]}")
    return {
        "processes": [*map(str, group.processes()), *commands],
        "groups": [str(folder) for folder in group.folders if folder.exists()],
        "links": sorted(links),
        "routes": [line for line in routes if record and any(link in line.split() for link in [record.plan.bridge])],
        "tables": [line for line in tables.splitlines() if "kube" in line or "cni" in line or "chat" in line],
        "mounts": [line for line in mounts if state in line or "containerd" in line or "kubelet" in line],
        "namespaces": [line for line in namespaces.splitlines() if line.startswith(("cni", "chat"))],
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A cluster with a small image on its nodes; gone afterwards, whatever happened."""
    local = Local(NAME)
    local("clean")
    try:
        local("up", "--cluster-only", timeout=3600)
        folder = tmp_path_factory.mktemp("image")
        archive = folder / "busybox.tar"
        write_image(archive, IMAGE, {"bin/busybox": _busybox(folder)}, {"Entrypoint": ["/bin/busybox"]})
        local("load-images", str(archive))
        yield local
    finally:
        local("clean")


def _busybox(folder: Path) -> Path:
    found = shutil.which("busybox")
    if found is None:
        subprocess.run(["apt-get", "download", "busybox-static"], cwd=folder, check=True, timeout=120)
        subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), folder], check=True, timeout=60)
        found = str(next(folder.glob("**/bin/busybox")))
    return Path(found)


def pod_spec(*command: str, **container: Any) -> dict[str, Any]:
    """A pod that passes the restricted profile, as all of this project do."""
    return {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "main", "image": IMAGE, "args": list(command), "securityContext": RESTRICTED, **container}
        ],
    }


def wait_for_pods(local: Local, selector: str, count: int) -> list[dict[str, Any]]:
    def ready() -> list[dict[str, Any]]:
        pods = local.get("pods", "--selector", selector)["items"]
        good = [
            pod
            for pod in pods
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]
        return good if len(good) == count else []

    return until(ready, f"{count} pods {selector} ready")


@pytest.fixture(scope="module")
def web(local: Local) -> list[dict[str, Any]]:
    """A web server on each node, under the restricted profile, with a Service and a NodePort."""
    local.kubectl("label", "namespace", "default", "--overwrite", "pod-security.kubernetes.io/enforce=restricted")
    # httpd answers with a listing of nothing; the node's name is served from a volume.
    script = 'echo "$NODE" > /www/index.html; exec /bin/busybox httpd -f -p 8080 -h /www'
    spec = pod_spec(
        "sh",
        "-c",
        script,
        env=[{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        ports=[{"name": "http", "containerPort": 8080}],
        readinessProbe={"httpGet": {"path": "/index.html", "port": "http"}, "periodSeconds": 1},
        volumeMounts=[{"name": "www", "mountPath": "/www"}],
    )
    spec["volumes"] = [{"name": "www", "emptyDir": {}}]
    labels = {"app": "web"}
    local.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {
                "type": "NodePort",
                "selector": labels,
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}],
            },
        },
    )
    return wait_for_pods(local, "app=web", 3)


def fetch(address: str) -> str | None:
    done = subprocess.run(
        ["curl", "--silent", "--fail", "--max-time", "2", address], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def test_three_nodes_are_ready_and_status_says_so(local: Local) -> None:
    assert local.ready_nodes() == {"node-1", "node-2", "node-3"}
    assert "node-3" in local("status").stdout
    assert local("kubeconfig").stdout.strip() == str(Paths(NAME).kubeconfig)


def test_restricted_pods_run_on_every_node_and_node_ports_answer(local: Local, web: list[dict[str, Any]]) -> None:
    assert {pod["spec"]["nodeName"] for pod in web} == {"node-1", "node-2", "node-3"}
    for address in local.provider.node_addresses():
        until(lambda address=address: fetch(f"http://{address}:30080/index.html"), f"an answer from {address}", 20)
    # Pods are reached from the host as well.
    for pod in web:
        assert fetch(f"http://{pod['status']['podIP']}:8080/index.html") == pod["spec"]["nodeName"]


def test_names_services_exec_and_logs_work_from_inside(local: Local, web: list[dict[str, Any]]) -> None:
    name = web[0]["metadata"]["name"]

    def inside(*command: str) -> str:
        return local.kubectl("exec", name, "--", "/bin/busybox", *command)

    # This static program looks up names itself for nslookup alone; its wget is given the address.
    address = local.get("service", "web")["spec"]["clusterIP"]
    assert address in inside("nslookup", "web.default.svc.cluster.local")
    assert inside("wget", "-qO-", f"http://{address}/index.html").startswith("node-")
    # A pod reaches itself by the Service too.
    assert all(inside("wget", "-qO-", f"http://{address}/index.html") for _ in range(12))
    unknown = subprocess.run(
        [*_kubectl(local), "exec", name, "--", "/bin/busybox", "nslookup", "nowhere.example"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "NXDOMAIN" in unknown.stdout + unknown.stderr
    local.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talk"}, "spec": pod_spec("echo", "hello")})
    until(lambda: local.get("pod", "talk")["status"]["phase"] in ("Running", "Succeeded"), "the pod to run")
    until(lambda: "hello" in local.kubectl("logs", "talk"), "the pod's log")


def _kubectl(local: Local) -> list[str]:
    return [local.provider.kubectl, "--kubeconfig", str(local.provider.kubeconfig)]


def test_metrics_are_served(local: Local, web: list[dict[str, Any]]) -> None:
    def top() -> bool:
        done = subprocess.run([*_kubectl(local), "top", "nodes", "--no-headers"], capture_output=True, check=False)
        return done.returncode == 0 and len(done.stdout.splitlines()) == 3

    until(top, "kubectl top", 90)


def claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }


def test_a_claim_is_bound_written_by_a_non_root_pod_and_removed_with_its_folder(local: Local) -> None:
    spec = pod_spec(
        "sh",
        "-c",
        "echo kept > /data/file; exec /bin/busybox sleep 3600",
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "labels": {"app": "writer"}}, "spec": spec}
    local.apply(claim("data"), pod)
    [writer] = wait_for_pods(local, "app=writer", 1)
    assert local.get("pvc", "data")["status"]["phase"] == "Bound"
    volume = local.get("pv", local.get("pvc", "data")["spec"]["volumeName"])
    volumes = Paths(NAME).machines / writer["spec"]["nodeName"] / "lib/chatcluster/volumes"
    folder = volumes / volume["metadata"]["name"]
    until((folder / "file").exists, "the file on the node's disk")
    assert (folder / "file").stat().st_uid == 10001
    assert (folder / "file").stat().st_gid == 10001
    local.kubectl("delete", "pod/writer", "pvc/data", timeout=90)
    until(lambda: not folder.exists(), "the folder to be removed")
    until(lambda: not local.get("pv")["items"], "the volume to be removed")


def test_a_second_up_finds_nothing_to_do_and_mends_what_was_killed(local: Local) -> None:
    assert "all was running" in local("up", "--cluster-only").stderr
    victims = [
        local.program("node-1", "kubelet"),
        local.program("node-2", "containerd"),
        local.program("node-3", "kube-proxy"),
        local.program("control-plane", "coredns"),
        local.program("control-plane", "volumes"),
    ]
    etcd = next(
        pid
        for pid in local.provider.group.child("control-plane").processes()
        if Path(f"/proc/{pid}/comm").read_text().strip() == "etcd"
    )
    for victim in victims:
        victim.signal(signal.SIGKILL)
    os.kill(etcd, signal.SIGKILL)
    until(lambda: not any(victim.alive for victim in victims), "the killed to be gone", 10)
    status = local("status", check=False)
    assert status.returncode == 1
    assert "not running: kubelet" in status.stdout
    local("up", "--cluster-only")
    local("status")
    until(lambda: local.ready_nodes() == {"node-1", "node-2", "node-3"}, "all nodes ready")


def test_lost_nodes_leave_the_endpoints_and_serve_again_once_healed(local: Local, web: list[dict[str, Any]]) -> None:
    until(lambda: local.ready_endpoints("web") == {"node-1", "node-2", "node-3"}, "three endpoints")
    local("nodes", "kill", "2")
    local("nodes", "partition", "3")
    assert not local.provider.group.child("node-2").processes()
    listed = local("nodes", "list").stdout
    assert "not running" in listed
    assert "cut off" in listed
    until(lambda: local.ready_endpoints("web") == {"node-1"}, "both out of the endpoints", 60)
    assert local.ready_nodes() == {"node-1"}
    local("nodes", "heal", "2")
    local("nodes", "heal", "3")
    until(lambda: local.ready_endpoints("web") == {"node-1", "node-2", "node-3"}, "both back", 60)
    for address in local.provider.node_addresses():
        until(lambda address=address: fetch(f"http://{address}:30080/index.html"), f"an answer from {address}", 20)


def test_two_clusters_run_side_by_side(local: Local) -> None:
    other = Local("t-second")
    try:
        other("up", "--cluster-only")
        assert other.record.index != local.record.index
        assert other.ready_nodes() == local.ready_nodes() == {"node-1", "node-2", "node-3"}
    finally:
        other("clean")
    local("status")


def test_down_leaves_nothing_and_up_brings_the_data_back(local: Local, web: list[dict[str, Any]]) -> None:
    record = local.record
    local("down")
    assert not any(leftovers(record).values()), leftovers(record)
    local("down")
    assert local("status", check=False).returncode == 1
    assert local("kubeconfig", check=False).returncode == 4
    local("up", "--cluster-only")
    wait_for_pods(local, "app=web", 3)
    for address in local.provider.node_addresses():
        until(lambda address=address: fetch(f"http://{address}:30080/index.html"), f"an answer from {address}", 20)


@pytest.mark.parametrize("seconds", [0.6, 2.0, 4.0])
def test_after_a_crash_half_way_down_leaves_nothing(local: Local, seconds: float) -> None:
    local("clean")
    command = [*local.command, "up", "--cluster-only", "--name", NAME, "--provider", "builtin"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        until(lambda: local.provider.record, "the cluster's record", 30)
        time.sleep(seconds)  # how far it has come is what is varied here
        running.kill()
    record = local.provider.record
    local("down")
    assert not any(leftovers(record).values()), leftovers(record)
