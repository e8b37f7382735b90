"""Debian packages: only those whose program is missing are installed, and what is done is said."""

import os
import shutil
from collections.abc import Mapping

from .errors import ExitCode, LocalError
from .progress import Progress
from .shell import run

SEARCH_PATH = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"])
INSTALL_TIMEOUT = 600.0


def find(program: str) -> str | None:
    """Where a program is, the administrator's folders included, which are not on every user's PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), SEARCH_PATH]))


def missing(programs: Mapping[str, str]) -> list[str]:
    """The Debian packages to install so that all these programs (program → package) are there."""
    return sorted({package for program, package in programs.items() if find(program) is None})


def ensure_packages(programs: Mapping[str, str], progress: Progress) -> None:
    """Install the packages of the programs (program → package) that are missing."""
    packages = missing(programs)
    if not packages:
        return
    if find("apt-get") is None:
        raise LocalError(f"{', '.join(packages)} missing", "Install them with your package manager", ExitCode.UNFIT)
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    # Another apt may be at work at the same time.
    install = [
        "apt-get",
        "--option",
        "DPkg::Lock::Timeout=300",
        "install",
        "--yes",
        "--no-install-recommends",
        *packages,
    ]
    with progress.step(f"Installing the Debian packages {', '.join(packages)}") as step:
        if run(install, timeout=INSTALL_TIMEOUT, env=environment, check=False).returncode:
            # The package lists may be old or not there at all.
            step.say("updating package lists")
            run(["apt-get", "update"], timeout=INSTALL_TIMEOUT, env=environment)
            run(install, timeout=INSTALL_TIMEOUT, env=environment)
