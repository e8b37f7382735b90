import io
import threading

import pytest

from chatcluster_local import progress as module
from chatcluster_local.progress import Progress, duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def lines(stream: io.StringIO) -> list[str]:
    return [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]


def test_plain_output_names_the_step_its_counts_and_its_time() -> None:
    stream = io.StringIO()
    with Progress(stream).step("Building programs") as step:
        step.update(1, 2, "etcd")
        step.update(1, 2, "etcd")
        step.update(2, 2, "kubelet")
        step.result("2 built")
    assert lines(stream) == [
        "Building programs",
        "Building programs: 1/2 etcd",
        "Building programs: 2/2 kubelet",
        "Building programs: took 0.0 s (2 built)",
    ]


def test_text_without_a_count_is_rationed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    with Progress(stream).step("Waiting") as step:
        step.say("message")
        monkeypatch.setattr(module, "PLAIN_INTERVAL", 0.0)
        step.say("gateway")
    assert lines(stream)[:-1] == ["Waiting", "Waiting: gateway"]


def test_a_failing_step_says_so() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), Progress(stream).step("Trying"):
        raise ValueError("no")
    assert lines(stream)[-1].startswith("Trying: failed after")


def test_steps_run_side_by_side_on_a_terminal() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=True)

    def work(name: str) -> None:
        with progress.step(name) as step:
            step.update(1, 1, name)

    with progress:
        threads = [threading.Thread(target=work, args=(f"step {n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=5)
    for n in range(4):
        assert f"step {n}: took" in stream.getvalue()
