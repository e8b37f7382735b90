"""Packages of the npm registry that tests use, installed once into the user's cache."""

import os
import shutil
import subprocess
from pathlib import Path

from chatcluster_testing.process import find_program

_SECONDS = 300


def package(name: str, version: str) -> Path:
    """The folder of a package of exactly that version. No script of it or of what it needs is run."""
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chatcluster" / "npm"
    home = caches / f"{name.replace('/', '_')}-{version}"
    folder = home / "node_modules" / name
    if not folder.exists():
        part = home.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True)
        try:
            options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", str(part)]
            subprocess.run(
                [find_program("npm"), "install", *options, f"{name}@{version}"],
                check=True,
                capture_output=True,
                timeout=_SECONDS,
            )
            if not home.exists():
                part.rename(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder
