"""Makes `tests/results/failover.json`: how long no write is taken when a pod, a node or the network of nodes fails.

python tests/chaos/failover.py                              # every fault, ten times each
python tests/chaos/failover.py --operator dead              # the same, with no operator from the start
python tests/chaos/failover.py --only "node cut off" --times 1 --clients 40 --rate 10 --dry

On the environment that CHATCLUSTER_NAME names: its ChatCluster sleeps, while one of its own is harmed. Ends with 1 when
anything was lost, doubled or out of order.
"""

import argparse
import asyncio
import contextlib
import logging
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.failover.faults import ALL, FAULTS, Fault
from chatcluster_testing.failover.measure import Measured, measure
from chatcluster_testing.failover.timeline import MARKS, watching
from chatcluster_testing.failover.world import World, with_members
from chatcluster_testing.figures import Figures
from chatcluster_testing.talking import Load, chatting

ROOM = 5


async def repeat(world: World, fault: Fault, load: Load, times: int) -> list[Measured]:
    """One fault, so many times, under people who stay connected over all of them."""
    edge = world.edge_on(world.safe_node)
    found: list[Measured] = []
    with watching(world.cluster) as watched:
        async with chatting(edge, load) as chat:
            for number in range(times):
                await asyncio.to_thread(world.wait_whole)
                measured = await measure(world, chat, watched, fault, edge)
                found.append(measured)
                _tell(f"{fault.name} {number + 1}/{times}", measured)
                watched.seen.clear()
    return found


def record(figures: Figures, title: str, fault: Fault, found: Sequence[Measured]) -> None:
    """The rows of one fault."""
    for store in ALL:
        seconds = [measured.gaps[store].seconds for measured in found]
        target = fault.seconds if store in fault.bounded else None
        name = "message sends" if store == "mongodb" else f"writes to {store}"
        figures.add(f"{title}: longest gap in {name}", max(seconds), "s", target=target, samples=len(seconds))
        figures.add(f"{title}: median gap in {name}", statistics.median(seconds), "s", samples=len(seconds))
    for mark in MARKS:
        if moments := [measured.marks[mark] for measured in found if mark in measured.marks]:
            figures.add(f"{title}: {mark} after, median", statistics.median(moments), "s", samples=len(moments))
    acknowledged, stored = found[-1].outcome.acknowledged, found[-1].outcome.stored
    problems = [problem for measured in found for problem in measured.problems]
    lost = sum("lost" in problem or "has not seen" in problem for problem in problems)
    figures.add(f"{title}: lost", lost, "", target=0, samples=acknowledged)
    figures.add(
        f"{title}: doubled, out of order or refused wrongly", len(problems) - lost, "", target=0, samples=stored
    )


def _tell(what: str, measured: Measured) -> None:
    gaps = ", ".join(f"{store} {gap.seconds:.1f}" for store, gap in measured.gaps.items())
    moments = ", ".join(f"{name} {seconds:.1f}" for name, seconds in measured.marks.items())
    lines = [f"{what}: gaps in seconds: {gaps}; {moments}", *measured.problems[:10]]
    print("\n".join(lines), flush=True)  # noqa: T201 whoever waits for a long run watches it


def main() -> int:
    """Parse the arguments, break things, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of: {', '.join(names)}")
    parser.add_argument("--times", type=int, default=10, help="how often each (default 10)")
    parser.add_argument("--operator", choices=("alive", "dead"), default="alive", help="dead: none runs from the start")
    parser.add_argument("--clients", type=int, default=200, help="connected devices (default 200)")
    parser.add_argument("--rate", type=float, default=50, help="messages a second (default 50)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    logging.getLogger("engineio.client").setLevel(logging.CRITICAL)  # it reports each connection that a fault has cut
    load = Load(people=options.clients, room=ROOM, per_second=options.rate)
    figures = Figures("failover", command=" ".join(["python", "tests/chaos/failover.py", *sys.argv[1:]]))
    cluster = Cluster.running()
    cluster.wait_ready()
    broken = False
    dead = options.operator == "dead"
    with with_members(cluster) as world, world.without_operator() if dead else contextlib.nullcontext():
        for fault in FAULTS:
            if (options.only and fault.name not in options.only) or (dead and fault.needs_operator):
                continue
            found = asyncio.run(repeat(world, fault, load, options.times))
            record(figures, f"{fault.name}, no operator" if dead else fault.name, fault, found)
            broken = broken or any(measured.problems for measured in found)
            if not options.dry:
                figures.write()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
