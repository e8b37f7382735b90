"""Kill the operator at random points of upgrades, on an API server and fake nodes of its own.

python tests/chaos/operator_crash.py              fifty times (about ten minutes)
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.crash import crashed_upgrades
from chatcluster_testing.figures import Figures


def main() -> None:
    """Parse the arguments, kill, write. Fails where an upgrade is not as one that nobody disturbed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how often (default 50)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random points")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    random.seed(options.seed)
    sys.stdout.write(f"seed {options.seed}\n")
    figures = Figures("operator", " ".join(["python", "tests/chaos/operator_crash.py", *sys.argv[1:]]))
    with tempfile.TemporaryDirectory() as name:
        places = crashed_upgrades(Path(name), options.kills)
    for where, count in sorted(places.items()):
        figures.add(f"upgrades: operator killed {where}", count, "times")
    title = "upgrades: operator killed, and every one completes with nothing applied twice"
    figures.add(title, sum(places.values()), "times", target=50, at_least=True)
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
