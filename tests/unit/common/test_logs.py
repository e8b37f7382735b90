"""What the logs say, and what they must never say."""

import json
import logging

import pytest

from chatcluster_common import logs


@pytest.fixture(autouse=True)
def restored_root() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


def fail_with(password: str) -> None:
    raise RuntimeError(f"refused after {len(password)} characters")


def test_a_traceback_has_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "INFO")
    try:
        fail_with("correct horse")
    except RuntimeError:
        logs.get_logger("test").exception("failed")
    line = capsys.readouterr().out.strip()
    assert "correct horse" not in line
    [cause] = json.loads(line)["exception"]
    assert cause["exc_type"] == "RuntimeError"
    assert [frame["name"] for frame in cause["frames"]] == ["test_a_traceback_has_no_local_variables", "fail_with"]


def test_a_driver_logs_in_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "INFO")
    logging.getLogger("some.driver").warning("slow by %d s", 3)
    line = json.loads(capsys.readouterr().out.strip())
    assert (line["service"], line["level"], line["message"]) == ("test", "warning", "slow by 3 s")
