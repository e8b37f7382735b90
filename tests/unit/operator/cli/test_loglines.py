"""Log lines for people."""

import pytest

from chatcluster_operator.cli.errors import CliError
from chatcluster_operator.cli.loglines import Line, readable, seconds

TIME = "2026-11-23T10:00:01.5"


def line(text: str) -> str:
    return readable(Line(TIME, "demo-message-0", text), 16).plain


CASES = {
    "structlog's": (
        '{"message": "started", "level": "info", "timestamp": "2026-11-23T10:00:01.512345Z", "port": 3002}',
        "demo-message-0    10:00:01.512 INFO    started  port=3002",
    ),
    "other names": (
        '{"msg": "slow", "severity": "WARNING", "ts": "10:00:02"}',
        "demo-message-0    10:00:02     WARNING slow",
    ),
    "values with spaces": ('{"event": "x", "a": "b c", "d": {"e": 1}}', 'x  a="b c"  d={"e": 1}'),
    "no JSON": ("plain text", "demo-message-0    plain text"),
    "half a JSON": ('{"message": ', 'demo-message-0    {"message": '),
    "a list": ("[1]", "demo-message-0    [1]"),
}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=list(CASES))
def test_a_line_is_readable(text: str, said: str) -> None:
    assert line(text).endswith(said)


def test_a_traceback_stands_below() -> None:
    said = line('{"message": "failed", "level": "error", "exception": "Traceback:\\n  in f"}')
    assert said.splitlines()[1:] == ["    Traceback:", "      in f"]


def test_lines_sort_by_time_however_many_digits_it_has() -> None:
    raw = [
        b"2026-11-23T10:00:01.1Z a",
        b"2026-11-23T10:00:01.09Z b",
        b"2026-11-23T10:00:01Z c",
        b"2026-11-23T09:59:59.999Z d",
    ]
    assert [item.text for item in sorted(Line.parse("pod", item) for item in raw)] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("0", 0)])
def test_spans_of_time(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "m", "10 minutes", "-1h", "1.5h"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(CliError) as error:
        seconds(text)
    assert "10m" in error.value.remedy
