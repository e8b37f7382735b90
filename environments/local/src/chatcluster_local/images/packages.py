"""Installing the Debian packages that building images needs, where they are missing."""

import os
import shutil
from collections.abc import Mapping

from ..errors import ExitCode, LocalError
from ..progress import Progress
from ..shell import run

BUILDAH_PACKAGES: Mapping[str, str] = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "update-ca-certificates": "ca-certificates",
}
"""Program → package."""


def missing(programs: Mapping[str, str]) -> list[str]:
    """The packages of those `programs` that are not on PATH or in the system's own folders."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return sorted({package for program, package in programs.items() if not shutil.which(program, path=path)})


def install(progress: Progress, programs: Mapping[str, str]) -> None:
    """Install the packages of those `programs` that are missing. Raises LocalError where apt can not."""
    packages = missing(programs)
    if not packages:
        return
    wanted = f"apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise LocalError(
            f"{', '.join(packages)} missing, and only root on Debian can install", f"Run {wanted}", ExitCode.UNFIT
        )
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    with progress.step(f"Installing {', '.join(packages)}"):
        # apt waits for another apt's lock instead of failing at once.
        apt = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-qq"]
        run([*apt, "update"], timeout=300, env=environment)
        run([*apt, "install", "-y", "--no-install-recommends", *packages], timeout=900, env=environment)
