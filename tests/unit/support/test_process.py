"""Programs of the tests last as long as they should."""

import threading
from pathlib import Path

from chatcluster_testing.process import Program


def test_a_program_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    program = Program("sleeper", ["sh", "-c", f"touch {begun}; exec sleep 60"], tmp_path, begun.exists)
    thread = threading.Thread(target=program.start)
    thread.start()
    thread.join()
    following = Program("follower", ["sleep", "0"], tmp_path, lambda: True).start()
    try:
        assert following.wait() == 0, "time for a signal to arrive"
        assert program.running
    finally:
        program.kill()
