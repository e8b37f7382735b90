"""The script that makes the files' figures runs, and memory stays flat; how fast is not asked here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import files

from chatcluster_testing.figures import Figures


@pytest.mark.timeout(120)
def test_a_file_larger_than_all_buffers_leaves_memory_flat() -> None:
    figures = Figures("files", "test")
    files.measure(figures, 32 * files.MIB, 1)
    rows = {row["figure"]: row for row in figures.rows}
    assert len(rows) == 7
    assert rows["file of 32 MiB, memory above idle"]["value"] < 30
    assert all(row["value"] > 0 for row in rows.values())
