"""What the logs say, and what they must never say."""

import json
import logging
from datetime import datetime, timedelta

import pytest

from chatcluster_common import context, logs


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


def test_our_own_lines_say_where_they_belong(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "INFO")
    context.request_id.set("abc")
    log = logs.get_logger("test")
    log.debug("too fine")
    log.warning("slow", seconds=3)
    line = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line == {"service": "test", "level": "warning", "message": "slow", "seconds": 3, "request_id": "abc"}
    context.request_id.set("")


@pytest.mark.parametrize("odd", ["\ud800", 2**70, {1: object()}, float("nan"), b"\xff"])
def test_nothing_is_too_odd_to_be_logged(capsys: pytest.CaptureFixture[str], odd: object) -> None:
    logs.configure("test", "INFO")
    logs.get_logger("test").info("odd", value=odd)
    assert json.loads(capsys.readouterr().out)["message"] == "odd"
