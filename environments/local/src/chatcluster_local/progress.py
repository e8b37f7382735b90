"""What a long command is doing, how far it is and how long each step took.

On a terminal the running steps are live bars; anywhere else (CI, a pipe) each step prints plain, timestamped lines.
Either way every step ends with one line that says how long it took. Steps may run side by side and from any thread.

    progress = Progress()
    with progress.step("Building programs") as step:
        step.update(3, 14, "etcd")
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

PLAIN_INTERVAL = 5.0
"""Seconds between two plain lines of one step whose text alone changes; steps that count print each count."""


def duration(seconds: float) -> str:
    """Say a time span as people do: `0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class Step:
    """One running step. `update` may be called from any thread."""

    def __init__(self, progress: "Progress", title: str) -> None:
        self.title = title
        self.started = time.monotonic()
        self.note = ""
        self._progress = progress
        self._task = progress._begin(self)
        self._last: tuple[float, float | None, str] = (0, None, "")
        self._said_at = self.started

    def update(self, done: float, total: float | None = None, what: str = "") -> None:
        """Report `done` of `total` (None: not known), busy with `what`."""
        self._progress._update(self, self._task, done, total, what)

    def say(self, what: str) -> None:
        """Report what the step is busy with, when there is nothing to count."""
        self.update(0, None, what)

    def result(self, note: str) -> None:
        """Put a remark on the step's closing line, such as "nothing to do"."""
        self.note = note

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.started

    def _worth_a_line(self, done: float, total: float | None, what: str) -> bool:
        now, new = time.monotonic(), (done, total, what)
        if new == self._last:
            return False
        counted = total is not None and done != self._last[0]
        if not counted and now - self._said_at < PLAIN_INTERVAL:
            return False
        self._last, self._said_at = new, now
        return True


class Progress:
    """The steps of one command. Use as a context manager, or let each outermost step open and close the display."""

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self._stream: TextIO = stream or sys.stderr
        self.console = Console(file=self._stream, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal if live is None else live
        self._lock = threading.RLock()
        self._bars: Bars | None = None
        self._depth = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run the block as a step; its closing line says how long it took, or that it failed."""
        with self:
            step = Step(self, title)
            try:
                yield step
            except BaseException:
                self._end(step, "failed after")
                raise
            self._end(step, "took")

    def print(self, text: str) -> None:
        """Print one line between the steps."""
        with self._lock:
            if self.live:
                (self._bars.console if self._bars else self.console).print(text, markup=False)
            else:
                self._line(text)

    def __enter__(self) -> Self:
        with self._lock:
            self._depth += 1
            if self.live and self._bars is None:
                self._bars = Bars(
                    SpinnerColumn(),
                    TextColumn("{task.description}"),
                    BarColumn(bar_width=24),
                    MofNCompleteColumn(),
                    TimeElapsedColumn(),
                    TextColumn("[dim]{task.fields[what]}"),
                    console=self.console,
                    transient=True,
                )
                self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None

    def _begin(self, step: Step) -> TaskID:
        with self._lock:
            if self._bars is not None:
                return self._bars.add_task(step.title, total=None, what="")
            self._line(step.title)
            return TaskID(0)

    def _update(self, step: Step, task: TaskID, done: float, total: float | None, what: str) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.update(task, completed=done, total=total, what=what)
            elif step._worth_a_line(done, total, what):
                count = f" {done:g}/{total:g}" if total is not None else ""
                self._line(f"{step.title}:{count} {what}".rstrip())

    def _end(self, step: Step, verb: str) -> None:
        note = f" ({step.note})" if step.note else ""
        text = f"{step.title}: {verb} {duration(step.elapsed)}{note}"
        with self._lock:
            if self._bars is not None:
                self._bars.remove_task(step._task)
                mark = "[green]✓[/]" if verb == "took" else "[red]✗[/]"
                self._bars.console.print(f"{mark} ", end="")
                self._bars.console.print(text, markup=False)
            else:
                self._line(text)

    def _line(self, text: str) -> None:
        stamp = datetime.now().astimezone().strftime("%H:%M:%S")
        self._stream.write(f"{stamp} {text}\n")
        self._stream.flush()
