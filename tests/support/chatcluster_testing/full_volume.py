"""A volume of a size of its own, which can be filled to its last byte and grown under whatever uses it."""

import contextlib
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1024 * 1024


@dataclass
class Volume:
    """A file system in memory, mounted at `path`."""

    path: Path

    @property
    def free(self) -> int:
        """Bytes that anybody may still write."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave: int = 0) -> None:
        """Write a file until no more than `leave` bytes are free."""
        zeros = bytes(MIB)
        with contextlib.suppress(OSError), (self.path / "filler").open("ab", buffering=0) as filler:
            while (left := self.free - leave) > 0:
                filler.write(zeros[:left])

    def grow(self, mib: int) -> None:
        """Make it larger, under whatever uses it."""
        _run("mount", "-o", f"remount,size={mib}m", str(self.path))


@contextlib.contextmanager
def volume(path: Path, mib: int, *, owner: str = "") -> Iterator[Volume]:
    """One of so many MiB, gone at the end with all that is in it. Skips the test where nothing may be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", str(path))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no file system can be mounted here, which takes root: {error}")
    try:
        if owner:
            shutil.chown(path, owner)
        yield Volume(path)
    finally:
        # Lazily: what a test has ended may take a moment to let go.
        _run("umount", "--lazy", str(path))


@contextlib.contextmanager
def mounts_below(folder: Path) -> Iterator[Path]:
    """A folder for those who mount volumes in it; they are gone at the end. Skips the test where nothing may be."""
    probe = folder / "probe"
    with volume(probe, 1):
        pass
    probe.rmdir()
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            if path.is_mount():
                _run("umount", "--lazy", str(path))


def told(port: int) -> dict[str, float]:
    """What a store's `volume keep` says, by name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
