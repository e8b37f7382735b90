"""The delivery promise under fire: many clients, faults of every kind, and a checker of what came of it.

A failure names its seed; `CHATCLUSTER_SEED` does the same things to the same processes again, though never at the very
same moments. `python tests/chaos/soak.py` goes on for as long as asked.
"""

import os
import random
from pathlib import Path

import pytest

from chatcluster_testing.history.run import run
from chatcluster_testing.platform import Platform

SECONDS = 60.0
MOST_SECONDS = 120.0
HARMS = 12
"""A slow machine takes longer over each: the chat goes on until they are done, within its time."""


@pytest.mark.timeout(400)
async def test_nothing_is_lost_doubled_reordered_or_shown_to_strangers(platform: Platform, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHATCLUSTER_SEED") or random.randrange(1_000_000))
    result = await run(platform, seconds=SECONDS, most_seconds=MOST_SECONDS, harms=HARMS, seed=seed, folder=tmp_path)
    assert not result.violations, result.report()
    assert not result.undocumented, result.report()
    # It was a history worth checking, however slow the machine.
    assert result.harms >= HARMS // 3
    for name in ("send", "edit", "delete", "mark", "page", "sync", "add"):
        assert result.operations[name]["ok"] > sum(result.operations[name].values()) / 2, result.operations
