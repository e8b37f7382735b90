"""Where the time of a failure goes: everything that the API server tells during it, and the moments that matter.

- detected: the first that anybody said of it: a node or a pod that is not ready, a member that does not answer;
- fenced: what was harmed is kept from doing harm: its pod deleted, or its node tainted as out of service;
- promoted: another member leads;
- reconnected: a write is taken again, which the probes say;
- redundant: every member is there again without what was harmed, which the fault itself waits for.
"""

import json
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_testing.cluster import Cluster

ROLE: Final = "chatcluster.dev/role"
PRIMARY: Final = "primary"
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
MARKS: Final = ("detected", "fenced", "promoted", "reconnected", "redundant")
_GONE: Final = frozenset({"Unreachable", "Absent"})


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as a watch told of it."""

    at: float
    """`time.monotonic`."""
    change: str
    """ADDED, MODIFIED or DELETED."""
    item: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Pod, Node or ChatCluster."""
        return self.item["kind"]

    @property
    def name(self) -> str:
        """Of the object."""
        return self.item["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class Harm:
    """What a fault has done."""

    at: float
    """`time.monotonic`."""
    store: str
    """Whose leader it concerns; empty: nobody leads there."""
    pods: frozenset[str] = frozenset()
    """Names of the pods that were harmed."""
    node: str = ""
    """The node that was harmed."""
    redundant: float | None = None
    """When every member was there again without it, `time.monotonic`; None: that was not waited for."""


def marks(seen: Sequence[Seen], harm: Harm, reconnected: float | None = None) -> dict[str, float]:
    """The moments, in seconds since the harm was done; those that nothing was seen of are left out."""
    later = [each for each in seen if each.at >= harm.at]
    found = {
        "detected": _first(each.at for each in later if _noticed(each, harm)),
        "fenced": _first(each.at for each in later if _fenced(each, harm)),
        "promoted": _first(each.at for each in later if harm.store and _leads_elsewhere(each, harm)),
        "reconnected": reconnected,
        "redundant": harm.redundant,
    }
    return {name: at - harm.at for name, at in found.items() if at is not None}


def _first(moments: Iterator[float]) -> float | None:
    return next(moments, None)


def _noticed(each: Seen, harm: Harm) -> bool:
    match each.kind:
        case "Node":
            return each.name == harm.node and _condition(each.item) != "True"
        case "Pod":
            ended = each.change == "DELETED" or "deletionTimestamp" in each.item["metadata"]
            return each.name in harm.pods and (ended or _condition(each.item) != "True")
        case _:
            stores = each.item.get("status", {}).get("stores", {})
            members = [member for store in stores.values() for member in store.get("members", [])]
            return any(member["name"] in harm.pods and member["state"] in _GONE for member in members)


def _fenced(each: Seen, harm: Harm) -> bool:
    if each.kind == "Node" and each.name == harm.node:
        return any(taint["key"] == OUT_OF_SERVICE for taint in each.item["spec"].get("taints", []))
    return each.kind == "Pod" and each.name in harm.pods and each.change == "DELETED"


def _leads_elsewhere(each: Seen, harm: Harm) -> bool:
    if each.kind == "Pod" and harm.store == "postgres":
        labels = each.item["metadata"].get("labels", {})
        return each.change != "DELETED" and labels.get(ROLE) == PRIMARY and each.name not in harm.pods
    if each.kind == "ChatCluster":
        leader = each.item.get("status", {}).get("stores", {}).get(harm.store, {}).get("leader", "")
        return bool(leader) and leader not in harm.pods
    return False


def _condition(item: Mapping[str, Any], kind: str = "Ready") -> str:
    conditions: Collection[Mapping[str, str]] = item.get("status", {}).get("conditions", ())
    return next((each["status"] for each in conditions if each["type"] == kind), "Unknown")


@dataclass
class Watching:
    """What has been seen so far."""

    seen: list[Seen] = field(default_factory=list[Seen])

    def since(self, moment: float) -> list[Seen]:
        """What was seen from then on."""
        return [each for each in self.seen if each.at >= moment]


@contextmanager
def watching(cluster: Cluster) -> Iterator[Watching]:
    """Pods and ChatClusters of the namespace, and all nodes, from now on."""
    space = f"namespaces/{cluster.namespace}"
    paths = (
        f"/api/v1/{space}/pods",
        f"/apis/chatcluster.dev/v1alpha1/{space}/chatclusters",
        "/api/v1/nodes",
    )
    watched, over = Watching(), threading.Event()
    processes: dict[str, subprocess.Popen[str]] = {}

    def follow(path: str) -> None:
        while not over.is_set():
            process = processes[path] = cluster.follow(f"{path}?watch=1")
            assert process.stdout
            for line in process.stdout:
                with suppress(ValueError, KeyError):
                    event = json.loads(line)
                    if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                        watched.seen.append(Seen(time.monotonic(), event["type"], event["object"]))
            process.wait()
            over.wait(0.5)

    threads = [threading.Thread(target=follow, args=(path,), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    try:
        yield watched
    finally:
        over.set()
        for process in processes.values():
            process.terminate()
        for thread in threads:
            thread.join(10)
