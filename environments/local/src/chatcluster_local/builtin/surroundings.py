"""Whether this machine can hold the built-in cluster: looked at before anything is changed.

`look` reads the machine, `complaints` judges what it saw: one line for each thing in the way, with its remedy.
"""

import os
import platform
import shutil
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from ..packages import find, missing
from ..paths import cache_root, state_root
from .cgroups import hierarchies, is_v1

PACKAGES = {
    "catatonit": "catatonit",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
"""The programs that must be on the machine, and the Debian packages that bring them."""

GIB = 1024**3
DISK_NEEDED = 15 * GIB
MEMORY_NEEDED = 6 * GIB
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_PTRACE": 19}
OVERLAY_MAGIC = "overlay"


@dataclass(frozen=True)
class Surroundings:
    """What was seen of the machine. Sizes in bytes."""

    system: str
    architecture: str
    user: int
    capabilities: int
    """The effective capabilities, as a bit mask."""
    controllers: frozenset[str]
    nftables: bool
    memory: int
    disk_free: dict[str, int]
    """For each folder that will grow, the free space of its file system."""
    state_filesystem: str
    missing_packages: tuple[str, ...]
    apt: bool
    index_free: bool
    """Whether there is a range of addresses that nothing here uses."""


def complaints(seen: Surroundings, *, new: bool) -> list[str]:
    """What is in the way of a cluster, most basic first; `new` when there is none of this name yet."""
    if seen.system != "Linux" or seen.architecture not in ("x86_64", "aarch64"):
        return [
            f"the built-in cluster needs Linux on x86_64 or aarch64, this is {seen.system} on {seen.architecture}: "
            "use Docker with --provider kind, or a cluster of yours with --provider existing"
        ]
    if seen.user != 0:
        return ["the built-in cluster needs root for its network namespaces: run it again with sudo"]
    found: list[str] = []
    lacking = [name for name, bit in CAPABILITIES.items() if not seen.capabilities >> bit & 1]
    if lacking:
        found.append(f"root lacks {', '.join(lacking)} here: run on a machine or in a privileged container")
    if not seen.nftables:
        found.append("the kernel has no nftables: load the module nf_tables or use a kernel with CONFIG_NF_TABLES")
    controllers = [name for name in CONTROLLERS if name not in seen.controllers]
    if controllers:
        found.append(
            f"the control group controllers {', '.join(controllers)} are missing: "
            "mount /sys/fs/cgroup with them, or boot without cgroup_disable="
        )
    if seen.missing_packages and not seen.apt:
        found.append(f"missing and no apt-get here: install {', '.join(seen.missing_packages)} by hand")
    if seen.memory < MEMORY_NEEDED:
        found.append(f"{seen.memory / GIB:.1f} GiB of memory, {MEMORY_NEEDED // GIB} needed: use a larger machine")
    if new:
        found += [
            f"{free / GIB:.1f} GiB free at {folder}, {DISK_NEEDED // GIB} needed: free some, "
            "or set XDG_STATE_HOME and XDG_CACHE_HOME to a roomier disk"
            for folder, free in seen.disk_free.items()
            if free < DISK_NEEDED
        ]
        if not seen.index_free:
            found.append(
                "no free range of addresses within 198.18.0.0/15: end another cluster with down, "
                "or the VPN that routes these addresses"
            )
    if seen.state_filesystem == OVERLAY_MAGIC:
        found.append(
            "the state folder is on an overlay file system: set XDG_STATE_HOME to a folder on a disk or volume"
        )
    return found


def look(*, index_free: bool) -> Surroundings:
    """Look at this machine without changing it."""
    return Surroundings(
        system=platform.system(),
        architecture=platform.machine(),
        user=os.geteuid(),
        capabilities=_capabilities(),
        controllers=_controllers(),
        nftables=_nftables(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free={str(folder): shutil.disk_usage(_existing(folder)).free for folder in (state_root(), cache_root())},
        state_filesystem=_filesystem(_existing(state_root())),
        missing_packages=tuple(missing(PACKAGES)),
        apt=find("apt-get") is not None,
        index_free=index_free,
    )


def used_networks() -> list[IPv4Network]:
    """The networks that this machine has routes to, its own among them."""
    networks: list[IPv4Network] = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        # Both are hexadecimal in the machine's byte order.
        address, mask = (socket.inet_ntoa(struct.pack("=I", int(fields[column], 16))) for column in (1, 7))
        networks.append(IPv4Network(f"{address}/{mask}", strict=False))
    return networks


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _controllers() -> frozenset[str]:
    if not is_v1():
        return frozenset(name for root in hierarchies() for name in (root / "cgroup.controllers").read_text().split())
    mounted = {name for root in hierarchies() for name in root.name.split(",")}
    return frozenset(mounted)


def _filesystem(folder: Path) -> str:
    best, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, its_kind, *_ = line.split()
        if folder.is_relative_to(target) and len(target) >= len(best):
            best, kind = target, its_kind
    return kind


def _nftables() -> bool:
    """Ask the kernel for the generation of its rules: the smallest nftables question, which changes nothing."""
    netfilter, generation, request = 12, 10 << 8 | 16, 1
    message = struct.pack("=IHHIIBBH", 20, generation, request, 1, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netfilter) as channel:
            channel.settimeout(5)
            channel.send(message)
            answer = channel.recv(4096)
    except OSError:
        return False
    error = 2
    return len(answer) >= 6 and struct.unpack_from("=H", answer, 4)[0] != error
