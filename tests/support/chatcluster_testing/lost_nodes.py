"""Nodes that are lost, and what PostgreSQL's members say of each other then, as their Patronis would.

Each member has an address of its own, where no PostgreSQL runs.

A world of fake nodes goes with it. Pods of PostgreSQL are put on nodes that are well, each where its volume is, as the
scheduler would; a volume is on the disk of the node that its first pod was put on.
"""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, Final

from chatcluster_operator.desired.postgres import PATRONI_PORT
from chatcluster_operator.kube import KINDS
from chatcluster_operator.kube.kinds import CLAIM, NODE, VOLUME
from chatcluster_testing.control_plane import Api

Object = dict[str, Any]

MEMBERS: Final = ("demo-postgres-0", "demo-postgres-1", "demo-postgres-2")


class Members:
    """Three members, the first of which leads. Those on lost nodes are silent."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._servers: dict[str, http.server.ThreadingHTTPServer] = {}
        self._put: dict[str, str] = {}
        self._nodes: dict[str, str] = {}
        self.lost: set[str] = set()
        """Nodes that are lost."""

    @contextlib.contextmanager
    def at_work(self) -> Iterator["Members"]:
        """Puts pods on nodes and answers for them, while the block lasts."""
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(30)
            for server in self._servers.values():
                server.shutdown()
                server.server_close()

    def lose(self, node: str, *, back: bool = False) -> None:
        """A node is not heard from any more, or is `back`."""
        (self.lost.discard if back else self.lost.add)(node)
        status = "True" if back else "Unknown"
        now = self._api.get(NODE.path(None, node)) or {}
        conditions = [item for item in now["status"]["conditions"] if item["type"] != "Ready"]
        ready = {"type": "Ready", "status": status, "reason": "Test", "message": ""}
        self._api.merge(NODE.path(None, node) + "/status", {"status": {"conditions": [*conditions, ready]}})

    def pod(self, name: str) -> Object:
        """A member's pod; empty when there is none."""
        return self._api.get(KINDS["Pod"].path(self._namespace, name)) or {}

    def claim(self, name: str) -> Object:
        """The claim of a member's volume; empty when there is none."""
        return self._api.get(CLAIM.path(self._namespace, f"data-{name}")) or {}

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(0.2):
            for number, name in enumerate(MEMBERS):
                pod = self.pod(name)
                self._nodes[name] = pod.get("spec", {}).get("nodeName") or ""
                if pod and "deletionTimestamp" not in pod["metadata"]:
                    # What another has changed meanwhile is met again in the next round.
                    with contextlib.suppress(Exception):
                        self._place(number, name, pod)

    def _place(self, number: int, name: str, pod: Object) -> None:
        node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
        if node is None:
            node = self._node_for(number, name)
            if node is not None:
                target = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
                target["target"] = {"apiVersion": "v1", "kind": "Node", "name": node}
                self._api.create(KINDS["Pod"].path(self._namespace, name) + "/binding", target)
            return
        address = f"127.77.0.{number + 1}"
        if pod.get("status", {}).get("podIP") not in {None, address} and self._put.get(name) != uid:
            self._answer(address)
            path = KINDS["Pod"].path(self._namespace, name) + "/status"
            self._api.merge(path, {"status": {"podIP": address, "podIPs": [{"ip": address}]}})
            self._put[name] = uid

    def _node_for(self, number: int, name: str) -> str | None:
        """Where the pod may run; makes its volume there when it has none."""
        claim = self.claim(name)
        if not claim or "deletionTimestamp" in claim["metadata"]:
            return None
        volume = claim["spec"].get("volumeName")
        if volume:
            found = self._api.get(VOLUME.path(None, volume)) or {}
            terms = found["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
            node = terms[0]["matchExpressions"][0]["values"][0]
            return None if node in self.lost else node
        node = next(f"fake-{n % 3}" for n in range(number, number + 3) if f"fake-{n % 3}" not in self.lost)
        term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        volume = f"{self._namespace}-{claim['metadata']['uid']}"
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "accessModes": ["ReadWriteOnce"],
                "local": {"path": "/nowhere"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
            },
        }
        self._api.create(VOLUME.path(), body)
        self._api.merge(CLAIM.path(self._namespace, claim["metadata"]["name"]), {"spec": {"volumeName": volume}})
        return node

    def _serves(self, name: str) -> bool:
        node = self._nodes.get(name, "")
        return bool(node) and node not in self.lost

    def _said(self) -> Object:
        known = [
            {"name": name, "role": "leader" if number == 0 else "quorum_standby", "state": "streaming", "lag": 0}
            for number, name in enumerate(MEMBERS)
            if self._serves(name)
        ]
        return {"members": known}

    def _answer(self, address: str) -> None:
        if address in self._servers:
            return
        world, own = self, MEMBERS[int(address.rpartition(".")[2]) - 1]

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not world._serves(own):
                    self.close_connection = True
                    return
                body = json.dumps(world._said()).encode()
                # Who asked may have given up meanwhile.
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
                del format, args

        server = http.server.ThreadingHTTPServer((address, PATRONI_PORT), Answer)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._servers[address] = server
