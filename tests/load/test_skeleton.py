"""The script that makes the skeleton's figures runs, and what it counts adds up; how fast is not asked here."""

import asyncio
import sys
from pathlib import Path

import pytest

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.figures import Figures

sys.path.insert(0, str(Path(__file__).parent))

import skeleton


@pytest.mark.timeout(120)
def test_the_latency_of_every_message_is_counted() -> None:
    cluster = Cluster.running()
    figures = Figures("skeleton", command="test")
    asyncio.run(skeleton.latency(cluster.edge, figures, per_second=20, seconds=5, pairs=2))
    assert {row["samples"] for row in figures.rows} == {100}
    assert all(0 < row["value"] < 10_000 for row in figures.rows)
