"""The figures in the README are those that were measured."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (?P<figure>[^|]+?) \| (?P<value>[\d,.]+) (?P<unit>[^|]+?) \|", re.MULTILINE)


def test_the_readme_quotes_what_was_measured() -> None:
    results = (ROOT / "tests/results").glob("*.json")
    measured = {row["figure"]: row for file in results for row in json.loads(file.read_text())}
    section = (ROOT / "README.md").read_text().partition("## Figures")[2].partition("\n## ")[0]
    quoted = list(ROW.finditer(section))
    assert len(quoted) >= 10
    for row in quoted:
        found = measured[row["figure"]]
        assert (float(row["value"].replace(",", "")), row["unit"]) == (float(f"{found['value']:.3g}"), found["unit"])


def test_every_result_says_how_it_was_made() -> None:
    keys = {"figure", "value", "unit", "target", "met", "samples", "command", "commit", "machine"}
    for file in (ROOT / "tests/results").glob("*.json"):
        for row in json.loads(file.read_text()):
            assert set(row) == keys, f"{file.name}: {row.get('figure')}"
