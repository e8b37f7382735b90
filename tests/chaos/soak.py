"""Rounds of random chat and faults for as long as asked, each with people of its own and judged by the checker; makes
`tests/results/soak.json`.

python tests/chaos/soak.py --minutes 60 --seed 1

Ends with 1 at the first round that broke the promise: its report is printed and its history stays. The platform stays
the same over all rounds, so that what grows shows.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.figures import Figures
from chatcluster_testing.history.run import Result, run
from chatcluster_testing.platform import Platform, running_platform

ROUND_SECONDS = 120.0


def main() -> int:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="go on for so long; at least one round")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one takes the next")
    options = parser.parse_args()
    logging.getLogger("engineio.client").setLevel(logging.CRITICAL)  # it reports each connection that a fault has cut
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-soak-"))
    results: list[Result] = []
    memory: Counter[str] = Counter()
    with running_platform(folder) as platform:
        end = time.monotonic() + 60 * options.minutes
        while not results or time.monotonic() < end:
            seed = options.seed + len(results)
            result = asyncio.run(run(platform, seconds=ROUND_SECONDS, seed=seed, folder=folder))
            results.append(result)
            memory |= _memory(platform)
            print(f"seed {seed}: {result.harms} faults, {len(result.violations)} violations", flush=True)  # noqa: T201
            if result.violations or result.undocumented:
                print(result.report(), flush=True)  # noqa: T201
                break
            result.file.unlink()
            result.history.records.clear()
    _write(f"python tests/chaos/soak.py --minutes {options.minutes:g} --seed {options.seed}", results, memory)
    return 1 if results[-1].violations or results[-1].undocumented else 0


def _write(command: str, results: list[Result], memory: Counter[str]) -> None:
    figures = Figures("soak", command)
    operations = [count for result in results for count in result.operations.values()]
    figures.add("duration", sum(result.seconds for result in results) / 60, "min")
    figures.add("faults", sum(result.harms for result in results), "")
    figures.add("operations acknowledged", sum(count.get("ok", 0) for count in operations), "")
    figures.add("operations nobody answered", sum(count.get("unknown", 0) for count in operations), "")
    figures.add("live events", sum(result.events for result in results), "")
    figures.add("violations", sum(len(result.violations) for result in results), "", target=0)
    figures.add("kinds of traffic not as documented", sum(len(result.undocumented) for result in results), "", target=0)
    for name, mebibytes in sorted(memory.items()):
        figures.add(f"most memory of {name} between rounds", mebibytes, "MiB")
    figures.write()


def _memory(platform: Platform) -> Counter[str]:
    """Resident memory of each process, MiB."""
    found: Counter[str] = Counter()
    for name, program in platform.programs.items():
        status = Path(f"/proc/{program.pid}/status").read_text()
        kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        found[name] = int(kibibytes) // 1024
    return found


if __name__ == "__main__":
    sys.exit(main())
