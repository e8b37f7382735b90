"""Makes `tests/results/skeleton.json`: what the whole costs at rest, and how fast a message travels.

python tests/load/skeleton.py                 # latency and rest, on the environment CHATCLUSTER_NAME names
python tests/load/skeleton.py --cold          # also `make up` with empty caches, and again with nothing to do
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.cluster import Cluster, processes_of, until
from chatcluster_testing.figures import ROOT, Figures
from chatcluster_testing.people import Person

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a set of processes has used: CPU seconds since their start, resident bytes now (shared pages by share)."""

    cpu: float
    memory: int


def usage(pids: Sequence[int]) -> Usage:
    """The sum over the processes that still run."""
    cpu, memory = 0.0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            cpu += (int(stat[11]) + int(stat[12])) / TICKS
            memory += _proportional(pid)
    return Usage(cpu, memory)


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


async def latency(edge: str, figures: Figures, *, per_second: int, seconds: float, pairs: int) -> None:
    """Send at a steady rate; time from each send to the other one's live event, and to the acknowledgement."""
    people = [await Person.register(edge, f"load{i}") for i in range(2 * pairs)]
    try:
        rooms = [await people[i].conversation(people[i + 1]) for i in range(0, 2 * pairs, 2)]
        devices = [await p.device() for p in people]
        began = time.monotonic()
        sends: list[asyncio.Task[Any]] = []
        for n in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, began + n / per_second - time.monotonic()))
            who = n % len(people)
            sends.append(asyncio.create_task(devices[who].send(rooms[who // 2], f"message {n}")))
        await asyncio.gather(*sends)
        expected = len(sends)
        async with asyncio.timeout(30):
            while sum(len(d.deliveries) for d in devices) < 2 * expected:
                await asyncio.sleep(0.05)
        sent = {cid: at for p in people for cid, at in p.sent_at.items()}
        acked = {cid: at for p in people for cid, at in p.acknowledged_at.items()}
        own = {cid: p for p in people for cid in p.sent_at}
        travel = [1000 * (at - sent[cid]) for d in devices for cid, at in d.deliveries if own[cid] is not d.person]
        acks = [1000 * (acked[cid] - at) for cid, at in sent.items()]
        for name, values in (("send to delivery", travel), ("send to acknowledgement", acks)):
            cuts = statistics.quantiles(values, n=100, method="inclusive")
            figures.add(f"{name} at {per_second}/s, p50", cuts[49], "ms", samples=len(values))
            figures.add(f"{name} at {per_second}/s, p99", cuts[98], "ms", samples=len(values))
    finally:
        for person in people:
            await person.__aexit__(None, None, None)


def at_rest(cluster: Cluster, figures: Figures, seconds: float) -> None:
    """Memory and processor share of every pod, and of the whole environment with its control plane and nodes."""
    before_all = usage(_environment_pids(cluster))
    pods = [p for ns in ("chat", "chatcluster-system") for p in cluster.get("pods", "-n", ns)["items"]]
    before = {p["metadata"]["name"]: usage(processes_of(p)) for p in pods}
    time.sleep(seconds)  # the share of a processor is an amount over a time
    by_component: dict[str, list[Usage]] = defaultdict(list)
    for pod in pods:
        now, was = usage(processes_of(pod)), before[pod["metadata"]["name"]]
        labels = pod["metadata"].get("labels", {})
        component = labels.get("app.kubernetes.io/component", labels.get("app.kubernetes.io/name", "other"))
        by_component[component].append(Usage(max(0.0, now.cpu - was.cpu), now.memory))
    for component, values in sorted(by_component.items()):
        figures.add(
            f"memory at rest, {component} pod",
            statistics.mean(v.memory for v in values) / 2**20,
            "MiB",
            samples=len(values),
        )
        share = statistics.mean(v.cpu for v in values) / seconds * 1000
        figures.add(f"CPU at rest, {component} pod", share, "millicores", samples=len(values))
    after_all = usage(_environment_pids(cluster))
    figures.add("memory at rest, all pods", sum(v.memory for vs in by_component.values() for v in vs) / 2**20, "MiB")
    figures.add("memory at rest, whole environment", after_all.memory / 2**20, "MiB")
    figures.add("CPU at rest, whole environment", (after_all.cpu - before_all.cpu) / seconds * 1000, "millicores")


def apply_to_ready(cluster: Cluster, figures: Figures) -> None:
    """A second, small ChatCluster, from `kubectl apply` to Ready; its images are on the nodes already."""
    name = "timed"
    body = {
        "apiVersion": "chatcluster.dev/v1alpha1",
        "kind": "ChatCluster",
        "metadata": {"name": name},
        "spec": {"version": "dev", "deletionPolicy": "Delete"},
    }
    began = time.monotonic()
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    try:
        until(lambda: cluster.condition(name=name).get("status") == "True", f"{name} Ready", 300)
        figures.add("kubectl apply to Ready", time.monotonic() - began, "s")
    finally:
        cluster.kubectl("delete", "chatcluster", name, "--wait=true")
        selector = f"app.kubernetes.io/instance={name}"
        until(lambda: not cluster.get("pods", "-l", selector)["items"], f"the pods of {name} gone", 180)


def cold_and_warm(figures: Figures) -> None:
    """`make up` in a clean clone with empty caches, then again with nothing changed; then all of it removed.

    Debian packages, and Go where there is one, stay installed.
    """
    with tempfile.TemporaryDirectory(prefix="chatcluster-cold-", dir="/var/tmp") as folder:
        caches = {
            "XDG_CACHE_HOME": f"{folder}/cache",
            "GOCACHE": f"{folder}/go-build",
            "GOMODCACHE": f"{folder}/go-mod",
            "UV_CACHE_DIR": f"{folder}/uv",
            "npm_config_cache": f"{folder}/npm",
            "MAVEN_OPTS": f"-Dmaven.repo.local={folder}/m2",
        }
        env = {**os.environ, **caches}
        clone = f"{folder}/clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), clone], check=True, timeout=60)
        try:
            for figure, target in (("make up, cold", None), ("make up, warm", 60.0)):
                began = time.monotonic()
                subprocess.run(["make", "up", "NAME=cold"], cwd=clone, env=env, check=True, timeout=5000)
                figures.add(figure, time.monotonic() - began, "s", target=target)
        finally:
            subprocess.run(["make", "clean", "NAME=cold"], cwd=clone, env=env, check=False, timeout=300)
            # Go writes its module cache without write permission.
            subprocess.run(["chmod", "-R", "u+w", folder], check=True)
            shutil.rmtree(f"{folder}/go-mod", ignore_errors=True)


def _environment_pids(cluster: Cluster) -> list[int]:
    """All processes of the environment: control plane, nodes, supervisors, pods."""
    del cluster
    children: dict[int, list[int]] = defaultdict(list)
    named: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children[int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])].append(int(entry.name))
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if "chatcluster/programs/" in command or "chatcluster_local" in command:
                    named.append(int(entry.name))
    found: set[int] = set()
    stack = named
    while stack:
        pid = stack.pop()
        if pid not in found and pid != os.getpid():
            found.add(pid)
            stack += children[pid]
    return sorted(found)


def main() -> None:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold", action="store_true", help="also time `make up` from nothing (about half an hour)")
    parser.add_argument("--only-cold", action="store_true", help="time `make up` from nothing, and nothing else")
    parser.add_argument("--rate", type=int, default=50, help="messages a second (default 50)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to send, and to rest (default 60)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    figures = Figures("skeleton", command=" ".join(["python", "tests/load/skeleton.py", *sys.argv[1:]]))
    if options.cold or options.only_cold:
        cold_and_warm(figures)
    if not options.only_cold:
        cluster = Cluster.running()
        cluster.wait_ready()
        at_rest(cluster, figures, options.seconds)
        asyncio.run(latency(cluster.edge, figures, per_second=options.rate, seconds=options.seconds, pairs=10))
        apply_to_ready(cluster, figures)
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
