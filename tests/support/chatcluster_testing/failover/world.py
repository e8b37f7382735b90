"""The ChatCluster with members, as those see it who harm it: who leads, what is where, and whether all is well.

None of it asks the operator, which may be dead: leaders are asked of the stores, and whether all is well of Kubernetes.
"""

import contextlib
import copy
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from chatcluster_local.manifests import behind
from chatcluster_testing.cluster import Cluster, until
from chatcluster_testing.day_two import OPERATOR, SYSTEM, DayTwo
from chatcluster_testing.failover.timeline import PRIMARY, ROLE

STORES: Final = ("postgres", "redis", "kafka", "objects")
"""Those with several members. The message store of the environment is the embedded one, which has one."""
SERVICES: Final = ("gateway", "user", "message", "file", "notification", "presence")
MEMBERS: Final = 3
NAME: Final = "failover"
NODE_PORT: Final = 30081
_START_SECONDS: Final = 600.0
_WHOLE_SECONDS: Final = 600.0
_LOST_SECONDS: Final = 60
_PATRONI_PORT: Final = 8008
_CUT_TABLE: Final = "chatcluster_cut"

Pod = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """The environment's ChatCluster."""

    cluster: Cluster

    @property
    def day_two(self) -> DayTwo:
        """What is done to it by asking the operator."""
        return DayTwo(self.cluster)

    # Before and after

    @contextlib.contextmanager
    def without_operator(self) -> Iterator[None]:
        """No operator runs meanwhile."""
        deployment = self.cluster.get("deployment", OPERATOR, "-n", SYSTEM)
        self._scale_operator(0)
        until(lambda: not self.operated, "no operator left", 120)
        try:
            yield
        finally:
            self._scale_operator(deployment["spec"]["replicas"])
            self.cluster.wait_ready(int(_WHOLE_SECONDS))

    @property
    def operated(self) -> bool:
        """Whether an operator runs."""
        return bool(self.cluster.get("pods", "-n", SYSTEM)["items"])

    def wait_whole(self, seconds: float = _WHOLE_SECONDS) -> None:
        """Until every member and every replica is ready."""
        # Asking takes a tenth of a second of processor time, of which the ChatCluster has the less.
        until(self.is_whole, "every member and replica ready again", seconds, every=4.0)

    def is_whole(self) -> bool:
        """Whether every member and every replica is ready. A member is once it has all that the others have."""
        selector = f"app.kubernetes.io/instance={self.cluster.chatcluster}"
        workloads = self.cluster.get("statefulsets,deployments", "-l", selector)["items"]
        wanted = {f"{self.cluster.chatcluster}-{store}" for store in STORES}
        for item in workloads:
            least = MEMBERS if item["metadata"]["name"] in wanted else 1
            images = {container["image"] for container in item["spec"]["template"]["spec"]["containers"]}
            if item["spec"]["replicas"] < least or behind(item, images):
                return False
        return bool(workloads)

    # Who and where

    def pod(self, name: str) -> dict[str, Any]:
        """A pod that must be there."""
        found = self.cluster.find("pod", name)
        assert found, f"there is no pod {name}"
        return found

    def leader(self, store: str) -> dict[str, Any]:
        """The pod that leads a store, as the store itself says."""
        return until(lambda: self._leader(store), f"a leader of {store}", 120, every=0.5)

    def node_of(self, store: str) -> str:
        """The node of a store's leader, or of its only member."""
        pods = self.cluster.pods(store)
        return (pods[0] if len(pods) == 1 else self.leader(store))["spec"]["nodeName"]

    def pods_on(self, node: str) -> list[dict[str, Any]]:
        """The ChatCluster's pods on a node."""
        selector = f"app.kubernetes.io/instance={self.cluster.chatcluster}"
        items = self.cluster.get("pods", "-l", selector)["items"]
        return [pod for pod in items if pod["spec"].get("nodeName") == node]

    def edge_on(self, node: str) -> str:
        """Where people connect through a node."""
        address = urlsplit(self.cluster.edge)
        return f"{address.scheme}://{_address(self.cluster.get('node', node))}:{address.port}"

    @property
    def safe_node(self) -> str:
        """A node that is never harmed: it holds the message store, of which there is one."""
        return self.node_of("mongodb")

    def lead_elsewhere(self, store: str) -> dict[str, Any]:
        """The leader of a store, once it is on a node that may be harmed. A leader that is told to go hands over."""
        for _ in range(2 * MEMBERS):
            leader = self.leader(store)
            if leader["spec"]["nodeName"] != self.safe_node:
                return leader
            self.cluster.kubectl("delete", "pod", leader["metadata"]["name"], "--wait=true", "--timeout=120s")
            self.wait_whole()
        raise AssertionError(f"{store} will not be led from another node than {self.safe_node}")

    def primaries(self) -> list[str]:
        """The members of PostgreSQL that say of themselves that they are the primary."""
        return [pod["metadata"]["name"] for pod in self.cluster.pods("postgres") if _is_primary(pod)]

    # Harm that Kubernetes does not offer

    def node(self, command: str, name: str) -> None:
        """`kill`, `partition` or `heal` a node."""
        self.cluster.local("nodes", command, name.rpartition("-")[2])

    @contextlib.contextmanager
    def cut_between(self, one: str, other: str) -> Iterator[None]:
        """Nothing passes between two nodes and their pods; each still reaches all others and the API server.

        Where this machine's bridge connects the nodes, as in the built-in cluster.
        """
        first, second = (self._addresses(name) for name in (one, other))
        drops = "".join(
            f"add rule bridge {_CUT_TABLE} forward ip saddr {{ {source} }} ip daddr {{ {target} }} drop\n"
            for source, target in ((first, second), (second, first))
        )
        chain = f"add chain bridge {_CUT_TABLE} forward {{ type filter hook forward priority -10; }}\n"
        _nft(f"add table bridge {_CUT_TABLE}\n{chain}{drops}")
        try:
            yield
        finally:
            _nft(f"delete table bridge {_CUT_TABLE}\n")

    def _addresses(self, node: str) -> str:
        """A node's own and its pods', which this machine has a route to, as nft takes them."""
        told = self.cluster.get("node", node)["status"]["addresses"]
        own = next(address["address"] for address in told if address["type"] == "InternalIP")
        done = subprocess.run(
            ["ip", "-json", "route", "show", "via", own], capture_output=True, text=True, check=True, timeout=30
        )
        return ", ".join([own, *(route["dst"] for route in json.loads(done.stdout))])

    def _leader(self, store: str) -> dict[str, Any] | None:
        pods = self.cluster.pods(store)
        if store == "postgres":
            return next((pod for pod in pods if pod["metadata"]["labels"].get(ROLE) == PRIMARY), None)
        if store != "redis":
            return pods[0]
        for pod in pods:
            name = self._redis_master(pod["metadata"]["name"])
            if found := next((each for each in pods if each["metadata"]["name"] == name), None):
                return found
        return None

    def _redis_master(self, pod: str) -> str:
        ask = ". /usr/local/bin/members.sh; known_master"
        done = self.cluster.kubectl("exec", pod, "--container", "redis", "--", "bash", "-c", ask, check=False)
        return done.stdout.strip().partition(".")[0]

    def _scale_operator(self, replicas: int) -> None:
        self.cluster.kubectl("scale", "deployment", OPERATOR, "-n", SYSTEM, f"--replicas={replicas}")


def _address(node: Mapping[str, Any]) -> str:
    return next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")


def _is_primary(pod: Pod) -> bool:
    """Patroni answers 200 to this on the member that holds the lock, and on no other."""
    url = f"http://{pod['status'].get('podIP', '0.0.0.0')}:{_PATRONI_PORT}/primary"  # noqa: S104 an address to ask
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


@contextlib.contextmanager
def with_members(environment: Cluster, storage: Mapping[str, str] | None = None) -> Iterator[World]:
    """A ChatCluster of its own beside the environment's, which sleeps meanwhile: with three members of each store that
    can have them, two replicas of each service, and lost members made anew after a minute. It goes with its volumes.

    `storage` is what each store's volumes are like, where not as the environment's.
    """
    own = DayTwo(environment)
    spec = environment.get("chatcluster", environment.chatcluster)["spec"]
    body = {
        "apiVersion": "chatcluster.dev/v1alpha1",
        "kind": "ChatCluster",
        "metadata": {"name": NAME},
        "spec": several(spec, f"{urlsplit(environment.edge).hostname}:{NODE_PORT}", storage),
    }
    own.hibernate()
    try:
        environment.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))
        world = World(replace(environment, chatcluster=NAME, edge=body["spec"]["edge"]["publicUrl"]))
        world.cluster.wait_ready(int(_START_SECONDS))
        world.wait_whole()
        yield world
    finally:
        environment.kubectl("delete", "chatcluster", NAME, "--ignore-not-found", "--wait=true", "--timeout=120s")
        selector = f"app.kubernetes.io/instance={NAME}"
        until(lambda: not environment.get("pods", "-l", selector)["items"], f"{NAME} gone", 300, every=2.0)
        own.wake()


def beside(spec: Mapping[str, Any], address: str) -> dict[str, Any]:
    """A spec like this one, reached at another `host:port`; its volumes go with it."""
    made = copy.deepcopy(dict(spec))
    made["edge"] = made.get("edge", {}) | {
        "service": {"type": "NodePort", "nodePort": NODE_PORT},
        "publicUrl": f"http://{address}",
    }
    # The other may sleep still, from a run that was cut off.
    return made | {"deletionPolicy": "Delete", "hibernated": False}


def several(spec: Mapping[str, Any], address: str, storage: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A spec like this one, with several of everything that can be several, reached at another `host:port`."""
    made = beside(spec, address)
    for name in SERVICES:
        service = made.setdefault("services", {}).setdefault(name, {})
        service["autoscaling"] = {"minReplicas": 2, "maxReplicas": 2}
    for name in STORES:
        made[name] = made.get(name, {}) | {"members": MEMBERS}
    for name in (*STORES, "mongodb") if storage else ():
        made[name] = made.get(name, {}) | {"storage": dict(storage or {})}
    return made | {"failover": {"replaceAfterSeconds": _LOST_SECONDS}}


def two_at_once(world: World, seconds: float) -> Sequence[str]:
    """Watch for so long whether two members are the primary; who, when it was so in two looks one after the other."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # A switchover between two questions of one look is no pair.
        if len(world.primaries()) > 1 and len(pair := world.primaries()) > 1:
            return pair
        time.sleep(0.5)
    return ()


def _nft(commands: str) -> None:
    assert os.geteuid() == 0, "rules between nodes need root"
    done = subprocess.run(["nft", "-f", "-"], input=commands, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"nft: {done.stderr}{json.dumps(commands)}"
