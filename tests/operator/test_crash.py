"""The operator is killed at random points of an upgrade; tests/chaos/operator_crash.py does that fifty times."""

from pathlib import Path

import pytest

from chatcluster_testing.crash import crashed_upgrades


@pytest.mark.timeout(600)
def test_an_upgrade_completes_however_often_the_operator_is_killed(tmp_path: Path) -> None:
    assert sum(crashed_upgrades(tmp_path, 3, kills_in_an_upgrade=3).values()) == 3
