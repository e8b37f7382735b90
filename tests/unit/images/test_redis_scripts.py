"""What the scripts of a Redis member do apart from any Redis."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "stores/redis/members.sh"
BUSY, RESTING = "while :; do :; done", "read -r _"
WORKING = "exec python3 -c 'import time\nwhile True: sum(range(5000)); time.sleep(0.001)'"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `bash -c`, which ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(command: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", **env},
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_a_process_that_goes_round_in_circles_is_ended(start: Start) -> None:
    """However little of a core it gets; one that waits after each piece of work is none."""
    starved, resting, working = start(f"renice -n 19 $$ >/dev/null; {BUSY}"), start(RESTING), start(WORKING)
    for process in (resting, working, starved):
        start(f". {SCRIPT}; end_when_busy {process.pid}", REDIS_BUSY_SECONDS="1")
    assert starved.wait(60) == -15
    assert resting.poll() is None
    assert working.poll() is None


def test_a_process_that_is_gone_is_not_waited_for(start: Start) -> None:
    gone = start("exit 0")
    assert gone.wait(10) == 0
    assert start(f". {SCRIPT}; end_when_busy {gone.pid}", REDIS_BUSY_SECONDS="1").wait(10) == 0
