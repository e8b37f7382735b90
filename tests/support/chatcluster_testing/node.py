"""Programs of ours for Node, with the packages that their lock files name."""

import subprocess
from pathlib import Path

from chatcluster_testing.process import find_program


def install(folder: Path) -> Path:
    """Put the packages of `folder/package-lock.json` beside it, unless they are there and as new; the folder."""
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        argv = [find_program("npm"), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(argv, cwd=folder, check=True, timeout=300)
    return folder
