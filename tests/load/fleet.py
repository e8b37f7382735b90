"""The operator among many ChatClusters, on an API server, workload controllers and fake nodes of its own.

Each is a ChatCluster as one with nothing but a version in its spec: five stores, six services, the web client and the
edge, 92 objects and 13 pods. Making them takes most of the time, and is bounded: what is measured is measured among as
many as there are then, and says how many. A part that fails is told, and the others go on.

python tests/load/fleet.py                     1,000 ChatClusters, and 100 on the way (40 minutes at most)
python tests/load/fleet.py --grow 600 --samples 50 --rest 60           as many as are made in ten minutes (20 in all)
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

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_operator import install
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_testing.control_plane import ApiRefusalError, ControlPlane, running, until
from chatcluster_testing.figures import Figures
from chatcluster_testing.operator import Operator, Room, apply_install, on_fake_node, operator_process

NODES = 10
CLUSTERS_IN_A_NAMESPACE = 25
BATCH = 20
"""How many are on their way at one time."""
POLL = 0.01
RECONCILE = "chatcluster_operator_reconcile_seconds"


@dataclass(frozen=True)
class Place:
    """A ChatCluster, by namespace and name."""

    room: Room = field(compare=False)
    name: str

    def replicas(self) -> int:
        """What the edge's Deployment asks for."""
        return (self.room.child("Deployment", f"{self.name}-edge") or {})["spec"]["replicas"]


@dataclass
class Fleet:
    """Many ChatClusters, their pods on fake nodes."""

    plane: ControlPlane
    places: list[Place] = field(default_factory=list[Place])
    pending: set[Place] = field(default_factory=set[Place])
    """Those that are not ready yet."""

    def grow(self, count: int, seconds: float) -> None:
        """Make ChatClusters until there are so many, or for so long, and wait until all of them are ready."""
        before, began = len(self.places), time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            while len(self.places) < count and time.monotonic() - began < seconds:
                until(self.room_for_more, "ChatClusters to be ready", 300, every=1.0)
                new = [self._place(number) for number in range(len(self.places), min(count, len(self.places) + BATCH))]
                list(pool.map(lambda place: place.room.create(on_fake_node(random.randrange(NODES)), place.name), new))
                self.places += new
                self.pending |= set(new)
                print(f"{time.monotonic() - began:.0f} s: {len(self.places)} made", flush=True)
        until(lambda: not self.look(), f"{len(self.places)} ChatClusters to be ready", 300, every=1.0)
        took, made = time.monotonic() - began, len(self.places) - before
        print(f"{len(self.places)} ChatClusters are ready, {made} of them made in {took:.0f} s", flush=True)

    def room_for_more(self) -> bool:
        """Whether few enough are on their way: the API server would answer too late, were all made at once."""
        return len(self.look()) <= BATCH

    def look(self) -> set[Place]:
        """Those that do not yet say that all of them runs."""
        for namespace in {place.room.namespace for place in self.pending}:
            for item in self.plane.api.items(CHATCLUSTER.path(namespace)):
                conditions = {entry["type"]: entry["status"] for entry in item.get("status", {}).get("conditions", [])}
                if conditions.get("Ready") == "True":
                    self.pending.discard(Place(Room(self.plane.api, namespace), item["metadata"]["name"]))
        return self.pending

    def _place(self, number: int) -> Place:
        namespace = f"fleet-{number // CLUSTERS_IN_A_NAMESPACE}"
        if number % CLUSTERS_IN_A_NAMESPACE == 0:
            self.plane.api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        return Place(Room(self.plane.api, namespace), f"chat-{number}")

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
    used, began = cpu_seconds(pid), time.monotonic()
    calls = operator.metric("chatcluster_operator_api_calls_total")
    time.sleep(seconds)
    share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
    calls = operator.metric("chatcluster_operator_api_calls_total") - calls
    among = f"among {count:,}"
    figures.add(f"operator at rest, {among}, processor", share * 100, "% of a core", target=5)
    figures.add(f"operator at rest, {among}, memory", memory_mib(pid), "MiB", target=400)
    figures.add(f"operator at rest, {among}, calls of the API", calls / seconds, "calls/s")


def look_again(figures: Figures, fleet: Fleet, operator: Operator, samples: int) -> None:
    """What a look takes that finds nothing to do: an annotation of nobody's makes it look."""
    before = buckets(operator, RECONCILE)
    for _ in range(samples):
        place = fleet.pick()
        place.room.change({"metadata": {"annotations": {"example.com/looked": str(time.time_ns())}}}, place.name)

    def looks() -> int:
        return int(buckets(operator, RECONCILE)[float("inf")] - before[float("inf")])

    until(lambda: looks() >= min(samples, len(fleet.places)) // 2, "looks", 60, every=0.5)
    settle(operator)
    value = quantile(before, buckets(operator, RECONCILE)) * 1000
    figures.add(f"no-op reconcile, p99, among {len(fleet.places):,}", value, "ms", target=100, samples=looks())


def changed(figures: Figures, fleet: Fleet, samples: int, limit: float) -> None:
    """Changes of specs."""
    changes = [change(fleet) for _ in range(samples)]
    title = f"change of spec to applied, p99, among {len(fleet.places):,}"
    figures.add(title, percentile(changes), "s", target=limit, samples=len(changes))


def drifted(figures: Figures, fleet: Fleet, samples: int) -> None:
    """Changes of objects, and deletions."""
    drifts = [drift(fleet, kind) for kind in ("Service", "Deployment") for _ in range(samples // 2)]
    title = f"drift mended, p99, among {len(fleet.places):,}"
    figures.add(title, percentile(drifts), "s", target=5, samples=len(drifts))


def measure(figures: Figures, options: argparse.Namespace, folder: Path) -> list[str]:
    """All of it; what has failed."""
    failed: list[str] = []

    def part(name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except (AssertionError, ApiRefusalError, OSError) as error:
            failed.append(f"{name}: {error}")
            print(failed[-1], flush=True)
        if not options.dry:
            figures.write()

    # What is around the operator need not collect garbage so often: with 1,000 ChatClusters it keeps 2 GiB.
    with running(folder, nodes=NODES, env={"GOGC": "300"}) as plane:
        apply_install(plane.api)
        token = plane.service_account_token(install.NAMESPACE, install.NAME)
        operator = operator_process(plane, "operator-a", token)
        standby = operator_process(plane, "operator-b", token)
        fleet = Fleet(plane)
        try:
            operator.program.start()
            for count, limit in ((options.small, 2), (options.clusters, 5)):
                part("growing", lambda count=count: fleet.grow(count, options.grow))
                part("at rest", lambda: at_rest(figures, operator, len(fleet.places), options.rest))
                part("no-op", lambda: look_again(figures, fleet, operator, options.samples))
                part("changes", lambda limit=limit: changed(figures, fleet, options.samples, limit))
                part("drift", lambda: drifted(figures, fleet, options.samples))
            part("the leader killed", lambda: fail_over(figures, fleet, operator, standby))
            part("the only one restarted", lambda: restart(figures, fleet, standby))
        finally:
            operator.program.kill()
            standby.program.kill()
    return failed


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
    parser.add_argument("--grow", type=float, default=1500, help="seconds for making them, each time (default 1500)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    figures = Figures("operator", " ".join(["python", "tests/load/fleet.py", *sys.argv[1:]]))
    with tempfile.TemporaryDirectory() as name:
        failed = measure(figures, options, Path(name))
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
