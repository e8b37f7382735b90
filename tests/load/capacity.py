"""Writes docs/capacity.md from the capacity model, so that the page and the operator cannot disagree.

python tests/load/capacity.py --write | --check
"""

import sys
from pathlib import Path

from chatcluster_operator import generated
from chatcluster_operator.api import COMPONENTS
from chatcluster_operator.desired.capacity import Demand, Need, derive
from chatcluster_operator.desired.figures import FIGURES, Figure

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/capacity.md"
PLANS = (1_000, 10_000, 100_000)

_HEAD = """\
# Capacity

`spec.capacity.concurrentUsers` says how many people are connected at the same time in the busiest hour. From it the
operator derives replicas and their bounds, resources, volumes and Kafka's partitions. What the spec says explicitly
wins over what is derived, number by number, and what is derived is never below what the operator takes without it.
`status.capacity` lists what was derived, each number with a line on why.

    spec:
      capacity: {concurrentUsers: 10000}
      retention: {messagesDays: 365, auditDays: 365}

This page is made from the model (`operator/src/chatcluster_operator/desired/figures.py` and `capacity.py`) by
`python tests/load/capacity.py --write`. A test compares the figures with [what was measured](figures.md): one that is a
quarter off fails.

## How a plan is made

- What a person costs a service is a sum of what people do times what it costs; everything is linear in people.
- A pod of a service is filled until its one core is used to 70 %, or it holds as many sockets as one other pod can take
  over, from its spare 30 %, within the 20 s that a pod drains. Then there are more of them.
- Every service, and the edge, has one pod more than that: at the number of people given, one of each kind may be lost.
  The autoscaler may go to twice the fewest.
- message and presence scale on sockets too, where KEDA 2.20 or newer is installed; without, on processor use alone, and
  the condition ScalesOnSockets says so. Replicas grow at once and shrink by one a minute, after five quiet minutes.
- A volume has room for what is kept for as long as `spec.retention` says, or for a year, and is 70 % full then. One
  that exists grows where its storage class allows that; the condition VolumesSized says so where not
  ([volumes.md](volumes.md)).
- No more than 50 replicas of the edge and 500 of a service are derived; a line in `status.capacity` says when more are
  wanted.

## What follows later

PostgreSQL takes up another `max_connections` by a restart, so its pods are replaced, one after the other.

Kafka's partitions are added to and never taken away. Conversations go into other partitions from then on, so events
of one that were not handled yet at that moment, and those that follow, may be handled out of order: a notification
may come before an earlier one. A Kafka of your own is left as it is: with fewer partitions than replicas of
notification, some of these have nothing to do, and mails and pushes may be late; no message is.

## What to doubt

- From 1,000 people on every managed store has three members, of which one may be lost; the embedded MongoDB is always
  alone. Below that a store is not part of "one may be lost": while its pod is away, what needs it waits. More members
  keep more copies and carry no more work: the table of bounds says for how many people one suffices.
- The managed MongoDB is an embedded engine for development. Beyond a few thousand people bring a replica set
  (`spec.mongodb.external`); `status.capacity` has a row `bound` then.
- Half of the processor time of message is REST calls at an assumed price. If clients hold histories well, it is less.
- Processor figures are of one two-core machine. Compare a pod's use at a known number of people with the plan, and set
  `resources` and `autoscaling` where yours differ.
- No one's network is in the plan: 100,000 people at the peak get about 50,000 messages a second, some 30 MiB/s.
"""

_FIGURES_HEAD = """\
## The figures

Where the source is a result, it was measured; where it says assumed, judge it.
"""


def text() -> str:
    """The page."""
    plans = {users: derive(users) for users in PLANS}
    parts = [_HEAD, *(_plan(demand) for demand in plans.values()), _bounds(plans[PLANS[0]]), _FIGURES_HEAD]
    parts += [_table(heading, list(table.values())) for heading, table in FIGURES.items()]
    return "\n".join(parts)


def _plan(demand: Demand) -> str:
    rows = [_row(name, demand.needs[name]) for name in COMPONENTS]
    return (
        f"## {demand.users:,} people\n\n"
        f"{demand.cores:.1f} cores and {demand.memory_gib:.0f} GiB asked for with the fewest replicas; "
        f"{demand.partitions.value} partitions, {demand.database_connections.value} database connections.\n\n"
        "| component | replicas | cores a pod | memory a pod | volume | sockets a pod | cores in all |\n"
        "|---|---|---|---|---|---|---|\n" + "".join(rows)
    )


def _row(name: str, need: Need) -> str:
    replicas = f"{need.fewest.value}" + (f" to {need.most.value}" if need.most.value != need.fewest.value else "")
    volume = f"{need.volume.value:,} GiB" if need.volume else ""
    sockets = f"{need.connections.value:,}" if need.connections else ""
    cores = need.cpu.value / 1000
    return (
        f"| {name} | {replicas} | {cores:.2f} | {need.memory.value:,} MiB | {volume} | {sockets} "
        f"| {need.fewest.value * cores:.1f} |\n"
    )


def _bounds(demand: Demand) -> str:
    rows = "".join(f"| {bound.component} | {bound.users:,} | {bound.why} |\n" for bound in demand.bounds)
    return f"## Where a single member ends\n\n| store | people | why |\n|---|---|---|\n{rows}"


def _table(heading: str, figures: list[Figure]) -> str:
    rows = "".join(f"| {item.what} | {item.value:,g} {item.unit} | {item.source} |\n" for item in figures)
    return f"### {heading}\n\n| figure | value | source |\n|---|---|---|\n{rows}"


def main() -> int:
    """1 when the page is not what the model says."""
    return generated.main({PAGE: text()}, command="python tests/load/capacity.py", description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
