"""Writes docs/figures.md from tests/results, so that no figure in the docs was typed by hand.

python tests/load/page.py --write | --check
"""

import json
import sys
from pathlib import Path
from typing import Any

from chatcluster_operator import generated

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/figures.md"

_HEAD = """\
# Figures

Made from [tests/results](../tests/results) by `python tests/load/page.py --write`. Each row there also has the commit,
the machine and the number of samples. All are of 2 cores and 24 GiB, where the clients of a load share the machine with
what they load: compare within one run, as ratios, and take a single figure for what a busy small machine gives.
"""

_SECTIONS = {
    "skeleton": (
        "The whole environment",
        "The local cluster and one ChatCluster on it. `make up, cold` starts from a clean clone with empty caches.",
    ),
    "realtime": (
        "Real time, beside other servers",
        "One process each, with a core of its own, the same clients, tokens and rooms. What is delivered comes from "
        "Redis, as from another replica: the document store of the tests, an embedded stand-in for MongoDB, takes few "
        "durable inserts a second (a few hundred) and would be all that is measured.",
    ),
    "gateway": ("The gateway", "One process on a core of its own, the services behind it and the load on the other."),
    "files": ("Files", "One file of 1 GiB through the file service, and the same through its object store alone."),
    "presence": ("Presence", "Ten thousand people who come online together."),
    "operator": (
        "The operator",
        "One operator, an API server, its controllers and fake nodes (kwok) on one machine. What the others do there, "
        "the API server above all, is in the times. A restart waits for the list of every kind before the first look: "
        "about 2.5 s of the operator's own processor time with few ChatClusters, and then what the API server takes to "
        "write, and the operator to read, 92 objects for each.",
    ),
    "day_two": (
        "Day two",
        "A ChatCluster on the three-node local cluster, its clients on the same two cores, while it is upgraded, "
        "scaled, rotated and drained. The message store is the embedded stand-in, which takes about 110 messages a "
        "second. Each store has one member, so that people wait while it is renewed or moves. With 500 clients the two "
        "cores do not keep up with what is asked of them: nothing is lost at 40 messages a second, but people are "
        "without a connection for a minute, and at 100 a second calls go unanswered.",
    ),
    "failover": (
        "Failover",
        "Three members of each store on the three-node local cluster, and the clients on the same two cores, which are "
        "busy all the while (ten to fifty processes wait for one): 60 clients and 12 messages a second, one to three "
        "times each. With 200 clients and 50 messages a second, which was the goal, a hundred processes wait, and "
        "people do not get connected any more. A gap is the longest time in which no write was taken, by the public "
        "API; [failover.md](failover.md) says what happens in it.",
    ),
    "restore": (
        "Backup and restore",
        "People chat on the three-node local cluster while a ChatBackup is made; their ChatCluster is deleted with its "
        "volumes and a new one restored in another namespace, where everybody signs in and reads what they wrote.",
    ),
    "full_volume": (
        "Full volumes",
        "A volume filled to its last byte under people who chat, and grown by the spec.",
    ),
    "soak": (
        "Delivery under faults",
        "Random clients while processes are killed and frozen; the history is checked for anything lost, doubled, "
        "reordered or wrongly visible.",
    ),
}


def render() -> str:
    """The page."""
    parts = [_HEAD]
    for name, (title, text) in _SECTIONS.items():
        file = ROOT / f"tests/results/{name}.json"
        if not file.exists():
            continue
        rows: list[dict[str, Any]] = json.loads(file.read_text())
        commands = sorted({str(row["command"]) for row in rows})
        parts.append(f"## {title}\n\n{text}\n\n" + "".join(f"    {command}\n" for command in commands))
        parts.append("| figure | value | must reach |\n|---|---|---|\n" + "".join(map(_row, rows)))
    return "\n".join(parts)


def _row(row: dict[str, Any]) -> str:
    target = "" if row["target"] is None else f"{_number(row['target'])}{'' if row['met'] else ' (missed)'}"
    return f"| {row['figure']} | {_number(row['value'])} {row['unit']} | {target} |\n".replace("  |", " |")


def _number(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 1000 or rounded == int(rounded) else f"{rounded:g}"


def main() -> int:
    """1 when the page is not what the results say."""
    return generated.main({PAGE: render()}, command="python tests/load/page.py", description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
