"""A real API server with etcd, and a controller manager that collects garbage, as processes on loopback ports.

Without nodes there is no workload controller either: a test says itself how far a Deployment has come. With nodes,
which kwok fakes, workloads get their pods and these become ready; there is no scheduler, so each pod must name its
node. CHATCLUSTER_PROGRAMS names the folder of the programs; without it they come from the local cluster's cache, which
is filled first.
"""

import contextlib
import functools
import http.client
import json
import os
import secrets
import signal
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chatcluster_local.programs import ensure_programs
from chatcluster_local.progress import Progress
from chatcluster_testing.fake_nodes import write_stages
from chatcluster_testing.process import Program, free_port

Object = dict[str, Any]


_CONTROLLERS = ("garbage-collector-controller", "namespace-controller", "serviceaccount-controller")
_WORKLOAD_CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "job-controller",
    "persistentvolumeclaim-protection-controller",
)


def program(name: str) -> Path:
    """Where the program of this name is."""
    given = os.environ.get("CHATCLUSTER_PROGRAMS")
    if given:
        return Path(given) / name
    return ensure_programs(Progress()).path(name)


IDLE = 60.0
"""Seconds after which a connection is opened anew: the API server closes what is idle for 90."""


class ApiRefusalError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """Calls to the API server as one user, as little as tests need, over one connection a thread."""

    def __init__(self, port: int, token: str, tls: ssl.SSLContext) -> None:
        self._port = port
        self._token = token
        self._tls = tls
        self._kept = threading.local()
        self._connections: list[http.client.HTTPSConnection] = []

    def call(self, method: str, path: str, body: Object | None = None, content: str = "application/json") -> Object:
        """One call; `ApiRefusalError` when it is refused, `OSError` when nothing answers."""
        connection: http.client.HTTPSConnection | None = getattr(self._kept, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=30, context=self._tls)
            self._kept.connection = connection
            self._connections.append(connection)
        elif time.monotonic() - self._kept.used > IDLE:
            connection.close()
        self._kept.used = time.monotonic()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise OSError(f"{method} {path}: {error!r}") from error
        if response.status >= 400:
            # Of a kind that it does not know yet, the server says so in plain text.
            with contextlib.suppress(ValueError):
                text = json.loads(text).get("message", text)
            raise ApiRefusalError(response.status, str(text))
        return json.loads(text or b"{}")

    def close(self) -> None:
        """Close all connections; the next call opens one anew."""
        for connection in self._connections:
            connection.close()

    def get(self, path: str) -> Object | None:
        """An object or list; None when there is none."""
        try:
            return self.call("GET", path)
        except ApiRefusalError as refusal:
            if refusal.status == 404:
                return None
            raise

    def items(self, path: str) -> list[Object]:
        """The items of a list."""
        return self.call("GET", path)["items"]

    def create(self, path: str, body: Object) -> Object:
        """POST."""
        return self.call("POST", path, body)

    def merge(self, path: str, patch: Object) -> Object:
        """JSON merge patch."""
        return self.call("PATCH", path, patch, "application/merge-patch+json")

    def apply(self, path: str, body: Object, manager: str = "tests") -> Object:
        """Server-side apply."""
        return self.call("PATCH", f"{path}?fieldManager={manager}&force=true", body, "application/apply-patch+yaml")

    def delete(self, path: str) -> None:
        """DELETE, dependents in the background; nothing to do when there is none."""
        with contextlib.suppress(ApiRefusalError):
            self.call("DELETE", path, {"propagationPolicy": "Background"})


@dataclass
class ControlPlane:
    """etcd, the API server and the controller manager."""

    folder: Path
    nodes: int = 0
    """Fake nodes, called `fake-0` and so on."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further environment of the programs."""
    port: int = field(default_factory=free_port)
    _token: str = field(default_factory=lambda: secrets.token_hex(16))
    _programs: list[Program] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Address of the API server."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate that the API server's is signed by."""
        return self.folder / "certs/apiserver.crt"

    @functools.cached_property
    def api(self) -> Api:
        """The API as its administrator."""
        return self.api_as(self._token)

    def api_as(self, token: str) -> Api:
        """The API as whom this token names."""
        return Api(self.port, token, ssl.create_default_context(cafile=str(self.ca)))

    def kubeconfig(self, name: str, token: str | None = None, server: str | None = None) -> Path:
        """A kubeconfig file for the token's user, the administrator when left out."""
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": server or self.url, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token or self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def start(self) -> None:
        """Start all three; etcd without fsync, since nothing here outlives the tests."""
        etcd_port, peer_port, controller_port = free_port(), free_port(), free_port()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key_file = self.folder / "service-accounts.pem"
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f"{self._token},admin,admin,system:masters\n")
        etcd = [
            str(program("etcd")),
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            "--log-level=warn",
        ]
        server = [
            str(program("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key_file}",
            f"--service-account-signing-key-file={key_file}",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--endpoint-reconciler-type=none",
        ]
        controllers = [
            str(program("kube-controller-manager")),
            f"--secure-port={controller_port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'controller-certs'}",
            "--leader-elect=false",
            f"--controllers={','.join(_CONTROLLERS + (_WORKLOAD_CONTROLLERS if self.nodes else ()))}",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]
        self._run("etcd", etcd, lambda: _healthy(f"http://127.0.0.1:{etcd_port}/health"))
        self._run("kube-apiserver", server, self._ready)
        controllers.append(f"--kubeconfig={self.kubeconfig('admin')}")
        self._run("kube-controller-manager", controllers, lambda: True)
        if self.nodes:
            kwok = ["--manage-all-nodes", f"--server-address=127.0.0.1:{free_port()}", "--v=WARN"]
            kwok += [f"--kubeconfig={self.kubeconfig('kwok')}", f"--config={write_stages(self.folder)}"]
            self._run("kwok", [str(program("kwok")), *kwok], lambda: True)
            for number in range(self.nodes):
                self.api.create("/api/v1/nodes", {"metadata": {"name": f"fake-{number}"}})

    def stop(self) -> None:
        """Stop them, the last started first."""
        if "api" in self.__dict__:
            self.api.close()
        for running in reversed(self._programs):
            running.kill()

    def hang(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT for the API server: meanwhile it hears and says nothing."""
        next(item for item in self._programs if item.name == "kube-apiserver").signal(number)

    def service_account_token(self, namespace: str, name: str) -> str:
        """A token of a service account, from the TokenRequest API."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return self.api.create(path, body)["status"]["token"]

    def _run(self, name: str, argv: list[str], ready: Callable[[], bool]) -> None:
        # An API server whose etcd has gone does not end when asked to.
        program = Program(name, argv, self.folder, ready, env=self.env, timeout=60, orphaned="KILL")
        self._programs.append(program.start())

    def _ready(self) -> bool:
        if not self.ca.exists():
            return False
        try:
            # The controller manager ends where this takes more than ten seconds, as on a busy machine.
            healthy = _healthy(f"{self.url}/healthz", ssl.create_default_context(cafile=str(self.ca)))
            return healthy and self.api.get("/api/v1/namespaces/default") is not None
        except (ApiRefusalError, OSError, ValueError):
            return False


def _healthy(url: str, tls: ssl.SSLContext | None = None) -> bool:
    request = functools.partial(urllib.request.urlopen, url, timeout=2, context=tls)
    with contextlib.suppress(OSError), request() as response:
        return response.status == 200
    return False


@contextlib.contextmanager
def running(folder: Path, *, nodes: int = 0, env: Mapping[str, str] | None = None) -> Iterator[ControlPlane]:
    """A control plane for as long as the block lasts."""
    plane = ControlPlane(folder, nodes, env or {})
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def until(found: Callable[[], Any], what: str, seconds: float = 30.0, every: float = 0.05) -> Any:
    """Poll until `found` returns something true, and return it; AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(every)
    return result
