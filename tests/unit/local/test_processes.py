import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chatcluster_local.builtin.processes import Process, started_at


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_running_process_is_recognised_after_the_record_was_written_and_read(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    again = Process.load(json.loads(json.dumps(process.dump())))
    assert again == process
    assert again.alive


def test_another_process_with_the_same_id_is_not_taken_for_it_and_not_killed(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    for other in (
        Process(process.pid, process.started - 1, process.boot),
        Process(process.pid, process.started, "another boot"),
    ):
        assert not other.alive
        other.signal(signal.SIGKILL)
    assert child.poll() is None
    assert process.alive


def test_an_ended_process_is_not_alive_even_before_its_parent_knows(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    process.signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not process.alive
    assert Process.of(child.pid) is None
    process.signal(signal.SIGTERM)  # nothing to do, and no error


def test_there_is_no_start_of_a_process_that_is_not() -> None:
    assert started_at(2**22 + 1) is None
