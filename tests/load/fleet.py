"""The operator among many ChatClusters, on an API server, workload controllers and fake nodes of its own.

python tests/load/fleet.py                     1,000 ChatClusters, and 100 on the way (about half an hour)
python tests/load/fleet.py --clusters 50 --small 20 --samples 20 --rest 30 --dry
"""

import argparse
import itertools
import os
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_operator import install
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_testing.control_plane import ControlPlane, running, until
from chatcluster_testing.figures import Figures
from chatcluster_testing.operator import Operator, Room, apply_install, on_fake_node, operator_process

NODES = 10
CLUSTERS_IN_A_NAMESPACE = 25
POLL = 0.01
RECONCILE = "chatcluster_operator_reconcile_seconds"


class Place(NamedTuple):
    """A ChatCluster, by namespace and name."""

    room: Room
    name: str

    def replicas(self) -> int:
        """What the edge's Deployment asks for."""
        return (self.room.child("Deployment", f"{self.name}-edge") or {})["spec"]["replicas"]


@dataclass
class Fleet:
    """Many ChatClusters, their pods on fake nodes."""

    plane: ControlPlane
    places: list[Place] = field(default_factory=list[Place])

    def grow(self, count: int) -> None:
        """Make ChatClusters until there are so many, and wait until all of them are ready."""
        new: list[Place] = []
        for number in range(len(self.places), count):
            namespace = f"fleet-{number // CLUSTERS_IN_A_NAMESPACE}"
            if number % CLUSTERS_IN_A_NAMESPACE == 0:
                self.plane.api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
            new.append(Place(Room(self.plane.api, namespace), f"chat-{number}"))
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda place: place.room.create(on_fake_node(random.randrange(NODES)), place.name), new))
        self.places += new
        until(self.ready, f"{count} ChatClusters to be ready", 60 + 3 * count, every=2.0)
        print(f"{count} ChatClusters are ready after {time.monotonic() - began:.0f} s", flush=True)

    def ready(self) -> bool:
        """Whether every ChatCluster says that all of it runs."""
        ready = 0
        for namespace in {place.room.namespace for place in self.places}:
            for item in self.plane.api.items(CHATCLUSTER.path(namespace)):
                conditions = {entry["type"]: entry["status"] for entry in item.get("status", {}).get("conditions", [])}
                ready += conditions.get("Ready") == "True"
        return ready == len(self.places)

    def pick(self) -> Place:
        """One of them."""
        return random.choice(self.places)


def seconds_until(found: Callable[[], object], what: str, limit: float = 120.0) -> float:
    """How long it takes from now."""
    began = time.monotonic()
    until(found, what, limit, every=POLL)
    return time.monotonic() - began


def change(fleet: Fleet) -> float:
    """Seconds from a change of a spec to the object that it is about."""
    place = fleet.pick()
    wanted = 5 if place.replicas() != 5 else 4
    began = time.monotonic()
    place.room.change({"spec": {"edge": {"replicas": wanted}}}, place.name)
    until(lambda: place.replicas() == wanted, "the change applied", 120, every=POLL)
    return time.monotonic() - began


def drift(fleet: Fleet, kind: str) -> float:
    """Seconds from somebody's change or deletion of an object to its being as it was."""
    place = fleet.pick()
    path = KINDS[kind].path(place.room.namespace, f"{place.name}-edge")
    if kind == "Service":
        uid = place.room.api.call("GET", path)["metadata"]["uid"]
        place.room.api.delete(path)
        return seconds_until(
            lambda: (found := place.room.api.get(path)) and found["metadata"]["uid"] != uid, "the object put back"
        )
    before = place.replicas()
    place.room.api.merge(path, {"spec": {"replicas": before + 1}})
    return seconds_until(lambda: place.replicas() == before, "the value put back")


def percentile(values: list[float], share: float = 0.99) -> float:
    """The smallest value that so large a share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def buckets(operator: Operator, name: str) -> dict[float, float]:
    """A histogram of the operator's: count of observations up to each bound."""
    with urllib.request.urlopen(f"{operator.url}/metrics", timeout=10) as response:  # noqa: S310 http to loopback
        found = re.findall(rf'^{name}_bucket{{le="(.+?)"}} (\S+)$', response.read().decode(), re.MULTILINE)
    return {float(bound): float(count) for bound, count in found}


def quantile(before: dict[float, float], after: dict[float, float], share: float = 0.99) -> float:
    """A quantile of what was observed between two looks at a histogram, as PromQL's `histogram_quantile` has it."""
    counts = {bound: after[bound] - before[bound] for bound in sorted(after)}
    rank = share * counts[float("inf")]
    for (low, below), (high, upto) in itertools.pairwise([(0.0, 0.0), *counts.items()]):
        if upto >= rank:
            return low if high == float("inf") else low + (high - low) * (rank - below) / max(upto - below, 1)
    return 0.0


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def settle(operator: Operator) -> None:
    """Wait until it has applied and said nothing for five seconds."""
    last, since = -1.0, time.monotonic()
    while time.monotonic() - since < 5:
        now = operator.metric("chatcluster_operator_api_calls_total", method="PATCH")
        if now > last + 1:  # the canary
            last, since = now, time.monotonic()
        time.sleep(0.5)


def at_rest(figures: Figures, operator: Operator, count: int, seconds: float) -> None:
    """What it takes when there is nothing to do."""
    settle(operator)
    pid = operator.program.pid
    before, used, began = buckets(operator, RECONCILE), cpu_seconds(pid), time.monotonic()
    calls = operator.metric("chatcluster_operator_api_calls_total")
    time.sleep(seconds)
    share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
    after = buckets(operator, RECONCILE)
    looks = int(after[float("inf")] - before[float("inf")])
    calls = operator.metric("chatcluster_operator_api_calls_total") - calls
    among = f"among {count:,}"
    figures.add(f"no-op reconcile, p99, {among}", quantile(before, after) * 1000, "ms", target=100, samples=looks)
    figures.add(f"operator at rest, {among}, processor", share * 100, "% of a core", target=5)
    figures.add(f"operator at rest, {among}, memory", memory_mib(pid), "MiB", target=400)
    figures.add(f"operator at rest, {among}, calls of the API", calls / seconds, "calls/s")


def measure(figures: Figures, options: argparse.Namespace, folder: Path) -> None:
    """All of it."""
    with running(folder, nodes=NODES) as plane:
        apply_install(plane.api)
        token = plane.service_account_token(install.NAMESPACE, install.NAME)
        operator = operator_process(plane, "operator-a", token)
        standby = operator_process(plane, "operator-b", token)
        try:
            operator.program.start()
            fleet = Fleet(plane)
            for count, limit in ((options.small, 2), (options.clusters, 5)):
                fleet.grow(count)
                among = f"among {count:,}"
                at_rest(figures, operator, count, options.rest)
                changes = [change(fleet) for _ in range(options.samples)]
                title = f"change of spec to applied, p99, {among}"
                figures.add(title, percentile(changes), "s", target=limit, samples=len(changes))
                drifts = [drift(fleet, kind) for kind in ("Service", "Deployment") for _ in range(options.samples // 2)]
                figures.add(f"drift mended, p99, {among}", percentile(drifts), "s", target=5, samples=len(drifts))
            fail_over(figures, fleet, operator, standby)
            restart(figures, fleet, standby)
        finally:
            operator.program.kill()
            standby.program.kill()


def fail_over(figures: Figures, fleet: Fleet, leader: Operator, standby: Operator) -> None:
    """The leader is killed: how long until the other acts."""
    standby.program.start()
    settle(leader)
    leader.program.kill()
    title = f"leader killed: the other acts, with {len(fleet.places):,}"
    figures.add(title, change(fleet), "s", target=20)
    taken_over(figures, fleet, standby, "taking over")


def restart(figures: Figures, fleet: Fleet, sole: Operator) -> None:
    """The only operator is stopped and started again."""
    sole.program.stop()
    began = time.monotonic()
    sole.program.start()
    until(lambda: sole.metric("chatcluster_operator_reconciles_total", result="ok") >= 1, "a reconcile", 120, POLL)
    title = f"sole operator restarted to first reconcile, with {len(fleet.places):,}"
    figures.add(title, time.monotonic() - began, "s", target=15)
    figures.add(f"change of spec to applied right after, with {len(fleet.places):,}", change(fleet), "s")
    taken_over(figures, fleet, sole, "a restart")


def taken_over(figures: Figures, fleet: Fleet, operator: Operator, what: str) -> None:
    """How long until it has looked at everything, and what that cost."""

    def looked() -> bool:
        return operator.metric("chatcluster_operator_reconciles_total", result="ok") >= len(fleet.places)

    among = f"{len(fleet.places):,}"
    waited = seconds_until(looked, "a look at every ChatCluster", 900)
    figures.add(f"{what}: until each of {among} was looked at", waited, "s")
    writes = operator.metric("chatcluster_operator_applies_total")
    figures.add(f"{what}: objects applied for a ChatCluster, with {among}", writes / len(fleet.places), "objects")


def main() -> None:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=1000, help="how many in the end (default 1000)")
    parser.add_argument("--small", type=int, default=100, help="how many at first (default 100)")
    parser.add_argument("--samples", type=int, default=100, help="changes and drifts to time (default 100)")
    parser.add_argument("--rest", type=float, default=120, help="seconds to watch it at rest (default 120)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    figures = Figures("operator", " ".join(["python", "tests/load/fleet.py", *sys.argv[1:]]))
    with tempfile.TemporaryDirectory() as name:
        measure(figures, options, Path(name))
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
