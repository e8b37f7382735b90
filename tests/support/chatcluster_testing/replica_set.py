"""The operator's manifests of a replica set in a cluster of kind, and its probe, decisions and commands beside it.

The operator itself does not run: what it does in a look is done here, member by member through `kubectl port-forward`,
each on a loopback address of its own.
"""

import asyncio
import json
import subprocess
import time
from dataclasses import replace
from typing import Any, Final

from pymongo import MongoClient

from chatcluster_operator.act.stores.mongodb import command
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide.members import Contact, Reach, Standing
from chatcluster_operator.decide.members.mongodb import ReplicaSetView, decide, users
from chatcluster_operator.desired import Inputs, mongodb
from chatcluster_operator.desired.credentials import Credentials
from chatcluster_operator.observe.stores.mongodb import probe
from chatcluster_testing.specs import body, inputs_maker

CLUSTER: Final = "chatcluster-mongodb"
NAMESPACE: Final = "chat"
_CONTEXT: Final = f"kind-{CLUSTER}"


def run(*words: str, timeout: float = 60, given: str | None = None) -> str:
    """A program's output; AssertionError with what it said when it fails."""
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def kubectl(*words: str, timeout: float = 60, given: str | None = None) -> str:
    return run("kubectl", "--context", _CONTEXT, "-n", NAMESPACE, *words, timeout=timeout, given=given)


class ReplicaSet:
    """The set, as the operator would look after it."""

    def __init__(self) -> None:
        self._forwards: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}
        self.cluster = self._cluster(3)
        self.inputs: Inputs = inputs_maker()(self.cluster)
        run("kubectl", "--context", _CONTEXT, "create", "namespace", NAMESPACE)

    @staticmethod
    def _cluster(members: int) -> ChatCluster:
        spec = {"version": "1.0", "mongodb": {"engine": "ReplicaSet", "members": members}}
        return ChatCluster.from_body(body(spec, namespace=NAMESPACE))

    @property
    def credentials(self) -> Credentials:
        return self.inputs.credentials

    def apply(self, members: int, *, replicas: int | None = None) -> None:
        """Apply the manifests for so many members; `replicas` while members are still in the set that are to go."""
        self.cluster = self._cluster(members)
        held = {"mongodb": replicas} if replicas is not None else {}
        for manifest in mongodb.manifests(self.cluster, replace(self.inputs, members=held)):
            # There is no ChatCluster to own them.
            manifest["metadata"].pop("ownerReferences", None)
            kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(manifest))

    def settle(self, members: int, *, seconds: float = 600) -> ReplicaSetView:
        """Look and act until the set is well with so many members, in Kubernetes' eyes too."""
        deadline, seen = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            seen = asyncio.run(self._look(members))
            if isinstance(seen, ReplicaSetView) and seen.well and len(seen.members) == members and self._ready(members):
                return seen
            time.sleep(1)
        raise AssertionError(f"not well within {seconds:.0f} s: {seen}\n{kubectl('get', 'pods', '-o', 'wide')}")

    async def _look(self, wanted: int) -> Any:
        made = int(kubectl("get", "statefulset", "demo-mongodb", "-o", "jsonpath={.spec.replicas}"))
        reach = Reach(self.cluster, "mongodb", self.credentials, self._contacts(max(made, wanted)))
        seen = await probe(reach)
        decision = decide(Standing(self.cluster, seen, wanted, made, int(time.time())))
        for order in decision.orders:
            await command(order, reach)
        if made != (decision.members or wanted):
            self.apply(wanted, replicas=decision.members)
        return seen

    def _contacts(self, count: int) -> tuple[Contact, ...]:
        pods = {pod["metadata"]["name"]: pod for pod in json.loads(kubectl("get", "pods", "-o", "json"))["items"]}
        found: list[Contact] = []
        for ordinal in range(count):
            name = f"demo-mongodb-{ordinal}"
            pod = pods.get(name)
            running = pod is not None and pod["status"].get("phase") == "Running"
            address = self._forward(name, pod["metadata"]["uid"], f"127.0.2.{ordinal + 1}") if pod and running else ""
            found.append(Contact(name, address, "kind"))
        return tuple(found)

    def _forward(self, pod: str, uid: str, address: str) -> str:
        known = self._forwards.get(pod)
        if known is None or known[0] != uid or known[1].poll() is not None:
            if known is not None:
                known[1].kill()
                known[1].wait()
            words = ["kubectl", "--context", _CONTEXT, "-n", NAMESPACE, "port-forward", "--address", address]
            started = subprocess.Popen(
                [*words, pod, "27017:27017"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self._forwards[pod] = uid, started
        return address

    def _ready(self, count: int) -> bool:
        text = kubectl(
            "get", "statefulset", "demo-mongodb", "-o", "jsonpath={.status.readyReplicas}/{.status.replicas}"
        )
        return text == f"{count}/{count}"

    def client(self, seen: ReplicaSetView, login: str = "chat", password: str = "") -> MongoClient[dict[str, Any]]:
        """The primary, as the message service signs in."""
        ordinal = int(seen.leader.rpartition("-")[2])
        return MongoClient(
            f"127.0.2.{ordinal + 1}",
            directConnection=True,
            username=login,
            password=password or users(self.credentials)[login],
            authSource="admin",
            w="majority",
            timeoutMS=10_000,
        )

    def close(self) -> None:
        for _, forward in self._forwards.values():
            forward.kill()
            forward.wait()
