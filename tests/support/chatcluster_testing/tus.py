"""The official tus client for Node, as a program that a test drives."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from chatcluster_testing.process import find_program

SOURCE = Path(__file__).parents[2] / "services" / "tus"


def install(cache: Path) -> Path:
    """The client's folder in `cache`, installed there once for each lock file."""
    files = [SOURCE / name for name in ("package.json", "package-lock.json", "client.js")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = cache / f"tus-{digest}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        new = Path(f"{folder}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for file in files:
            shutil.copy(file, new)
        npm = find_program("npm")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=new, check=True, timeout=240)
        new.rename(folder)
    return folder


class TusClient:
    """One run of the client. Use it with `with`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._process = subprocess.Popen(
            [find_program("node"), "client.js", json.dumps(options)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def until(self, *keys: str) -> dict[str, Any]:
        """The next thing of that kind that happens; an error is one too where it is not asked for."""
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            assert "error" in keys or "error" not in said, said
            if not said.keys().isdisjoint(keys):
                return said
        raise AssertionError(f"the client ended before {_or(keys)}")

    def go_on(self) -> None:
        """End its pause."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()


def _or(keys: Sequence[str]) -> str:
    return " or ".join(keys)
