"""The script that makes the real-time figures runs; ratios and counts hold wherever it runs, seconds do not."""

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import realtime

from chatcluster_testing.figures import Figures


@pytest.mark.timeout(120)
def test_a_delivery_costs_less_than_with_the_stock_manager_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "LARGE", 200)
    with contextlib.ExitStack() as stack:
        loads = realtime.deliveries(realtime.Stage(stack), Figures("realtime", "test"), 2, [realtime.STOCK])
    for size in (realtime.SMALL, realtime.LARGE):
        ours, stock = loads[realtime.OURS, size], loads[realtime.STOCK, size]
        assert (ours.missing, ours.disordered) == (0, 0)
        assert ours.server_cpu / ours.delivered < stock.server_cpu / stock.delivered / 1.2


@pytest.mark.timeout(120)
def test_a_process_hears_nothing_of_conversations_that_it_has_no_member_of() -> None:
    figures = Figures("realtime", "test")
    with contextlib.ExitStack() as stack:
        assert realtime.replicas(realtime.Stage(stack), figures, 200) == 0
    assert all(row["met"] for row in figures.rows if row["target"] is not None)
