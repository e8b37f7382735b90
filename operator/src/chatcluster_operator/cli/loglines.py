"""Lines of logs for people: JSON as time, level, what happened and the rest; all else as it is. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from rich.text import Text

from chatcluster_operator.cli.errors import CliError, ExitCode

_TIME: Final = ("timestamp", "time", "ts", "@timestamp")
_LEVEL: Final = ("level", "severity", "log_level")
_MESSAGE: Final = ("message", "event", "msg")
_STYLES: Final = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}
_COLOURS: Final = ("cyan", "magenta", "green", "blue", "bright_cyan", "bright_magenta", "bright_green", "bright_blue")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, order=True)
class Line:
    """One line of a pod, ordered by the time at which the node took it down (RFC 3339, as text)."""

    time: str
    source: str
    text: str

    @classmethod
    def parse(cls, source: str, raw: bytes) -> "Line":
        """A line as the API server gives it with `timestamps=true`."""
        time, _, text = raw.decode(errors="replace").partition(" ")
        # Nanoseconds come without trailing zeros; made equally long, texts sort as times do.
        head, _, fraction = time.rstrip("Z").partition(".")
        return cls(f"{head}.{fraction:0<9}", source, text)


def readable(line: Line, width: int = 0) -> Text:
    """The line with its pod in front, which is padded to `width`."""
    said = Text()
    said.append(f"{line.source:<{width}}  ", style=_COLOURS[sum(line.source.encode()) % len(_COLOURS)])
    try:
        parsed: Any = json.loads(line.text) if line.text.startswith("{") else None
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        return said.append(Text.from_ansi(line.text))
    return said.append(_record(cast("dict[str, Any]", parsed), line.time))


def _record(fields: dict[str, Any], time: str) -> Text:
    written, level, message = (_take(fields, names) for names in (_TIME, _LEVEL, _MESSAGE))
    level = str(level or "").lower()
    trace = str(fields.pop("exception", None) or fields.pop("exc_info", None) or "")
    text = Text(f"{_clock(str(written or time))} ")
    text.append(f"{level.upper():<8}", style=_STYLES.get(level, ""))
    text.append(str(message or ""), style=_STYLES.get(level, ""))
    for name, value in fields.items():
        text.append(f"  {name}=", style="dim")
        text.append(_value(value))
    for line in trace.splitlines():
        text.append(f"\n    {line}", style="dim")
    return text


def _take(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields.pop(name) for name in names if name in fields), None)


def _clock(time: str) -> str:
    found = re.search(r"\d\d:\d\d:\d\d(\.\d{1,3})?", time)
    return f"{found[0]:<12}" if found else time


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)


def seconds(text: str) -> int:
    """How long `90s`, `10m`, `2h` or `1d` are. Raises CliError."""
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    if not found:
        raise CliError(f"{text!r} is no span of time.", "Write it like 90s, 10m, 2h or 1d", ExitCode.USAGE)
    return int(found[1]) * _UNITS[found[2] or "s"]
