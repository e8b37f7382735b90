"""The local base image: Debian's minimal system from this machine's own mirror, where no registry can be reached.

It takes the place of `debian:trixie-slim` in local builds. Unlike that one it has Python, which most images add anyway,
and the certificate authorities that this machine trusts beyond Debian's own, as behind any company proxy.
"""

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from ..errors import LocalError
from ..shell import run
from .apt import Mirrors

SUITE = "trixie"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ENVIRONMENT = {"SSL_CERT_FILE": BUNDLE, "PIP_CERT": BUNDLE, "NODE_EXTRA_CA_CERTS": BUNDLE}
"""How programs that bring their own list of authorities are told to use the system's."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT = 1200.0

DPKG_EXCLUDES = """\
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
"""
APT_SETTINGS = """\
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "false";
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";

"""
EMPTIED = (
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)


def certificates(text: str) -> set[str]:
    """The PEM certificates in `text`, each without line breaks."""
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", text, re.DOTALL)
    return {"".join(block.split()) for block in blocks}


def extra_certificates(bundle: Path, known: Iterable[Path]) -> list[str]:
    """The certificates in `bundle` that are in none of the files `known` (Debian's own), sorted."""
    own: set[str] = set()
    for path in known:
        own |= certificates(path.read_text(encoding="utf-8", errors="replace"))
    text = bundle.read_text(encoding="utf-8", errors="replace") if bundle.is_file() else ""
    return sorted(certificates(text) - own)


def machine_certificates() -> list[str]:
    """The certificates that this machine trusts beyond Debian's own."""
    bundle = Path(os.environ.get("SSL_CERT_FILE") or BUNDLE)
    return extra_certificates(bundle, sorted(Path("/usr/share/ca-certificates").rglob("*.crt")))


def key(mirrors: Mirrors, extra: Iterable[str], today: date) -> str:
    """What the base image is called by: all that goes into it, and the month, so that it takes up Debian's updates."""
    parts = [
        SUITE,
        *PACKAGES,
        DPKG_EXCLUDES,
        APT_SETTINGS,
        *EMPTIED,
        repr(sorted(ENVIRONMENT.items())),
        repr(mirrors),
        platform.machine(),
        f"{today:%Y-%m}",
        *extra,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def make_root(root: Path, mirrors: Mirrors, extra: Iterable[str]) -> None:
    """Make the file system at `root`, which must not exist; root's rights are needed. Leaves nothing on failure."""
    keyring = [f"--keyring={KEYRING}"] if KEYRING.is_file() else []
    # The script is named: an older debootstrap does not know every release by name, and all use this one.
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        *keyring,
        SUITE,
        root,
        mirrors.main,
        "/usr/share/debootstrap/scripts/sid",
    ]
    environment = {name: value for name, value in os.environ.items() if name not in {"TMPDIR", *ENVIRONMENT}}
    environment["PATH"] = os.pathsep.join([environment.get("PATH", ""), "/usr/sbin", "/sbin"])
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        run(command, timeout=TIMEOUT, env=environment)
        configure(root, mirrors, extra)
        minimise(root)
    except BaseException:
        remove(root)
        raise


def configure(root: Path, mirrors: Mirrors, extra: Iterable[str]) -> None:
    """Write apt's and dpkg's settings and add the `extra` certificates."""
    lines = [f"deb {mirrors.main} {SUITE} main", f"deb {mirrors.main} {SUITE}-updates main"]
    if mirrors.security:
        lines.append(f"deb {mirrors.security} {SUITE}-security main")
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(DPKG_EXCLUDES, encoding="utf-8")
    (root / "etc/apt/apt.conf.d/slim").write_text(APT_SETTINGS, encoding="utf-8")
    for number, certificate in enumerate(extra):
        lines = [certificate[start : start + 64] for start in range(0, len(certificate), 64)]
        text = "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])
        (root / f"usr/local/share/ca-certificates/local-{number}.crt").write_text(text, encoding="ascii")
    run(["chroot", root, "/usr/sbin/update-ca-certificates"], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def minimise(root: Path) -> None:
    """Remove what no container reads. Compiled Python stays: on a read-only file system it could not be made again."""
    for folder in EMPTIED:
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)
    for path in (root / "usr/share/doc").rglob("*"):
        if path.is_symlink() or (path.is_file() and path.name != "copyright"):
            path.unlink()
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/cache/ldconfig/aux-cache"):
        (root / name).unlink(missing_ok=True)


def remove(root: Path) -> None:
    """Remove a file system that debootstrap may have left mounts in."""
    unmount_under(root)
    shutil.rmtree(root, ignore_errors=True)


def unmount_under(folder: Path) -> None:
    """Unmount all that is mounted at or under `folder`. Raises LocalError when something stays."""
    for mount in reversed(mounts_under(folder)):
        run(["umount", mount], check=False)
    if left := mounts_under(folder):
        raise LocalError(f"{left[-1]} is in use and stays mounted", f"End what uses it, then: umount {left[-1]}")


def mounts_under(folder: Path) -> list[str]:
    """The mount points at or under `folder`, in the order in which they were made."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    return [mount for mount in mounts if Path(mount).is_relative_to(folder)]
