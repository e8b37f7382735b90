"""Makes `tests/results/full_volume.json`: what a full volume costs, and that growing it by the spec mends it.

python tests/chaos/full_volume.py                          # every store, one after the other
python tests/chaos/full_volume.py --only redis --dry

On the environment that CHATCLUSTER_NAME names, which must be the built-in one: it has the storage class `sized`, and
pods are processes of this machine. Its ChatCluster sleeps, while one of its own has its volumes filled. Ends with 1
when anything was lost, doubled or out of order, or a read failed.
"""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.failover.full import ALL, BEFORE, CODES, FULL, Filled, fill_and_grow
from chatcluster_testing.failover.world import World, with_members
from chatcluster_testing.figures import Figures
from chatcluster_testing.talking import Load, chatting

ROOM = 5
STORAGE = {"size": BEFORE, "storageClassName": "sized"}


async def go_through(world: World, store: str, load: Load) -> Filled:
    """One store, under people of its own."""
    edge = world.edge_on(world.safe_node)
    async with chatting(edge, load) as chat:
        return await fill_and_grow(world, chat, store, edge)


def record(figures: Figures, store: str, found: Filled) -> bool:
    """The rows of one store; whether all was as it must be."""
    title, as_full = f"volumes of {store} full", CODES.get(store, FULL)
    if found.refused_after is not None:
        figures.add(f"{title}: until a write was refused as `{as_full}`", found.refused_after, "s")
    others = sum(count for code, count in found.codes.items() if code != as_full)
    figures.add(f"{title}: refusals as `{as_full}`", found.codes.get(as_full, 0), "")
    figures.add(f"{title}: refusals for another reason", others, "")
    figures.add(f"{title}: failed reads", found.reads_failed, "", target=0, samples=found.reads)
    if found.told_after is not None:
        figures.add(f"{title}: until VolumesHaveRoom said so", found.told_after, "s")
    figures.add(f"{title}: from a larger size in the spec to a write", found.written_after, "s")
    lost = sum("lost" in problem or "has not seen" in problem for problem in found.problems)
    figures.add(f"{title}: lost", lost, "", target=0, samples=found.outcome.acknowledged)
    wrong = len(found.problems) - lost
    figures.add(f"{title}: doubled, out of order or refused wrongly", wrong, "", target=0)
    for problem in found.problems[:10]:
        print(problem, flush=True)  # noqa: T201 whoever waits for a long run watches it
    return not found.problems and not found.reads_failed


def main() -> int:
    """Parse the arguments, fill, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=ALL, metavar="STORE", help=f"one of: {', '.join(ALL)}")
    parser.add_argument("--clients", type=int, default=50, help="connected devices (default 50)")
    parser.add_argument("--rate", type=float, default=10, help="messages a second (default 10)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    logging.getLogger("engineio.client").setLevel(logging.CRITICAL)  # it reports each connection that is cut
    load = Load(people=options.clients, room=ROOM, per_second=options.rate)
    figures = Figures("full_volume", command=" ".join(["python", "tests/chaos/full_volume.py", *sys.argv[1:]]))
    cluster = Cluster.running()
    cluster.wait_ready()
    well = True
    with with_members(cluster, STORAGE) as world:
        for store in options.only or ALL:
            world.wait_whole()
            well = record(figures, store, asyncio.run(go_through(world, store, load))) and well
            if not options.dry:
                figures.write()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
