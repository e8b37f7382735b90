"""Makes `tests/results/day_two.json`: what people notice of upgrades, scaling, rotation and drained nodes.

python tests/chaos/day_two.py                          # every operation, on the environment CHATCLUSTER_NAME names
python tests/chaos/day_two.py upgrade --kill-operator  # one of them, while the leading operator dies
python tests/chaos/day_two.py --clients 100 --rate 20  # under less load

Ends with 1 when anything was lost, doubled or out of order.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.day_two import DayTwo, releases, with_the_operator_killed
from chatcluster_testing.figures import Figures
from chatcluster_testing.talking import Load, Outcome, chatting

DEVICES = 2
ROOM = 5
LONGEST_GAP_SECONDS = 5.0
_TOLD = 5
"""The longest outages, of which it is printed what they were spent on."""


def operations(day_two: DayTwo, working: str, broken: str) -> dict[str, Callable[[], None]]:
    """What can be measured, by name."""
    own = day_two.status["version"]

    def upgrade() -> None:
        day_two.upgrade(working if day_two.status["version"] == own else own)

    def scale() -> None:
        day_two.scale("message", 4)
        day_two.scale("message", 2)

    def drain() -> None:
        node = day_two.node_without_stores() or day_two.node_of("message")
        try:
            day_two.drain(node)
        finally:
            day_two.uncordon(node)

    return {
        "upgrade": upgrade,
        "failed upgrade": lambda: day_two.upgrade_that_fails(broken),
        "scale": scale,
        "rotation of passwords": lambda: day_two.rotate("credentials"),
        "rotation of keys": lambda: day_two.rotate("token-key"),
        "restart": lambda: day_two.restart("message"),
        "drained node": drain,
    }


async def measure(cluster: Cluster, load: Load, act: Callable[[], None]) -> Outcome:
    """Chat through one operation."""
    async with chatting(cluster.edge, load) as chat:
        return await chat.through(lambda: asyncio.to_thread(act))


def record(figures: Figures, name: str, load: Load, outcome: Outcome) -> None:
    """The rows of one operation."""
    print("\n".join(outcome.problems[:10]), flush=True)  # noqa: T201
    longest = sorted(outcome.outages, key=lambda outage: -outage.seconds)[:_TOLD]
    print("\n".join(outage.told(outcome.began) for outage in longest), flush=True)  # noqa: T201
    lost = sum("lost" in problem or "has not seen" in problem for problem in outcome.problems)
    clients = load.people * load.devices
    at = f"{name}, {clients} clients, {load.per_second:g} messages/s"
    figures.add(f"{at}: lost", lost, "", target=0, samples=outcome.acknowledged)
    refused = sum("was refused" in problem for problem in outcome.problems)
    wrong = len(outcome.problems) - lost - refused
    figures.add(f"{at}: doubled or out of order", wrong, "", target=0, samples=outcome.stored)
    figures.add(f"{at}: tokens refused before their time", refused, "", target=0, samples=clients)
    figures.add(f"{at}: sign-ins after the answer to a refresh was lost", outcome.sign_ins, "", samples=clients)
    figures.add(
        f"{at}: longest time of one client without a connection",
        outcome.longest_outage,
        "s",
        target=LONGEST_GAP_SECONDS,
        samples=len(outcome.outages),
    )
    figures.add(f"{at}: longest wait for an acknowledgement", outcome.longest_wait, "s", samples=len(outcome.waits))
    figures.add(f"{at}: duration", outcome.seconds, "s")


def main() -> int:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="operations, such as upgrade; all when left out")
    parser.add_argument("--clients", type=int, default=500, help="connected devices (default 500)")
    parser.add_argument("--rate", type=float, default=100, help="messages a second (default 100)")
    parser.add_argument("--kill-operator", action="store_true", help="kill the leading operator meanwhile")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    logging.getLogger("engineio.client").setLevel(logging.CRITICAL)
    load = Load(people=options.clients // DEVICES, devices=DEVICES, room=ROOM, per_second=options.rate)
    figures = Figures("day_two", command=" ".join(["python", "tests/chaos/day_two.py", *sys.argv[1:]]))
    cluster = Cluster.running()
    cluster.wait_ready()
    day_two = DayTwo(cluster)
    broken = False
    with releases(day_two) as (working, not_working):
        for name, act in operations(day_two, working, not_working).items():
            if options.only and name not in options.only:
                continue
            doing = with_the_operator_killed(day_two, act, 30) if options.kill_operator else act
            outcome = asyncio.run(measure(cluster, load, doing))
            record(figures, f"{name}, operator killed" if options.kill_operator else name, load, outcome)
            broken = broken or bool(outcome.problems)
            if not options.dry:
                figures.write()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
