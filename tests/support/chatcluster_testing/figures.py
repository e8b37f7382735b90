"""What the load scripts write to `tests/results`: a figure a row, with the command, commit and machine that made it."""

import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass
class Figures:
    """The rows of `tests/results/<name>.json`."""

    name: str
    command: str
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add(
        self,
        figure: str,
        value: float,
        unit: str,
        *,
        target: float | None = None,
        at_least: bool = False,
        samples: int = 1,
    ) -> None:
        """Record one figure; a target is an upper bound, or a lower one with `at_least`."""
        met = None if target is None else value >= target if at_least else value <= target
        self.rows.append(
            {
                "figure": figure,
                "value": round(value, 3),
                "unit": unit,
                "target": target if target is None else round(target, 3),
                "met": met,
                "samples": samples,
                "command": self.command,
                "commit": _git("rev-parse", "--short", "HEAD"),
                "machine": f"{os.cpu_count()} cores, {_memory_gib()} GiB, {platform.machine()}",
            }
        )
        note = "" if met is None else f" ({'target' if met else 'MISSES the target'} {target:,.6g})"
        print(f"{figure}: {value:,.6g} {unit}{note}", flush=True)  # noqa: T201 whoever waits for a load run watches it

    def write(self) -> None:
        """Replace the rows made here in the file, keep the others."""
        file = ROOT / "tests" / "results" / f"{self.name}.json"
        old = json.loads(file.read_text()) if file.exists() else []
        made = {row["figure"] for row in self.rows}
        rows = [row for row in old if row["figure"] not in made] + self.rows
        file.write_text(json.dumps(sorted(rows, key=lambda r: r["figure"]), indent=2) + "\n")


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
