"""Where things are written: answers to standard output, progress and errors to standard error.

Rich leaves colour and cursor movement out when a stream is no terminal, and colour when NO_COLOR is set.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import yaml
from rich.console import Console, RenderableType
from rich.table import Table

WIDE: Final = 4096
"""Columns of what is no terminal: nothing is wrapped there."""
PATIENCE: Final = 2.0
"""Seconds after which a person is told what is waited for."""


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Screen:
    """Both streams, and how answers are to be written."""

    def __init__(self, output: Format = Format.TABLE) -> None:
        self.output = output
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def show(self, answer: Any, render: Callable[[], RenderableType]) -> None:
        """Write `answer`, a JSON value, as it is asked for; as a table, what `render` makes of it."""
        match self.output:
            case Format.JSON:
                self.write(json.dumps(answer, indent=2, ensure_ascii=False))
            case Format.YAML:
                self.write(yaml.safe_dump(answer, sort_keys=False, allow_unicode=True, width=120).rstrip())
            case Format.TABLE:
                self.out.print(render())

    def write(self, text: str) -> None:
        """One line, or several, for programs too: nothing is wrapped or coloured."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def say(self, text: str, *, style: str = "") -> None:
        """One line of progress."""
        self.err.print(text, style=style)

    @asynccontextmanager
    async def working(self, title: str) -> AsyncGenerator[Callable[[str], None]]:
        """While the block runs: a moving sign on a terminal, elsewhere a line once it takes long and at each change.

        Gives a function that takes how far it is.
        """
        spinner = self.err.status(title) if self.err.is_terminal else None
        last = title
        loop = asyncio.get_running_loop()
        handle = None if spinner else loop.call_later(PATIENCE, lambda: self.say(f"{last} …"))

        def update(text: str) -> None:
            nonlocal last, handle
            told = f"{title}: {text}" if text else title
            if spinner:
                spinner.update(told)
            elif told != last and (handle is None or handle.cancelled() or loop.time() >= handle.when()):
                self.say(told)
            last = told

        with spinner or nullcontext():
            try:
                yield update
            finally:
                if handle:
                    handle.cancel()


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width, soft_wrap=width is not None)


def grid(*columns: str) -> Table:
    """A table as kubectl writes them: no lines, heads in capitals."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    return table


def age(stamp: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time was, in the one unit that matters: `42s`, `5m`, `3h`, `8d`."""
    then = parse_time(stamp)
    if then is None:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def parse_time(stamp: str | None) -> datetime | None:
    """An RFC 3339 time as the API server writes them; None for nothing."""
    return datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def stamp() -> str:
    """The time as RFC 3339."""
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")
