from dataclasses import replace
from typing import Any

import pytest

from chatcluster_local.builtin.surroundings import CONTROLLERS, DISK_NEEDED, GIB, Surroundings, complaints, look

FIT = Surroundings(
    system="Linux",
    architecture="x86_64",
    user=0,
    capabilities=(1 << 41) - 1,
    controllers=frozenset(CONTROLLERS),
    nftables=True,
    memory=16 * GIB,
    disk_free={"/state": 20 * GIB, "/cache": 20 * GIB},
    state_filesystem="ext4",
    missing_packages=(),
    apt=True,
    index_free=True,
)


def test_a_fit_machine_gives_no_reason_to_complain() -> None:
    assert complaints(FIT, new=True) == []


@pytest.mark.parametrize(
    ("change", "problem", "remedy"),
    [
        ({"system": "Darwin"}, "needs Linux", "--provider kind"),
        ({"architecture": "riscv64"}, "riscv64", "--provider existing"),
        ({"user": 1000}, "needs root", "sudo"),
        ({"capabilities": ((1 << 41) - 1) & ~(1 << 21)}, "CAP_SYS_ADMIN", "privileged"),
        ({"nftables": False}, "nftables", "load the module nf_tables"),
        ({"controllers": frozenset({"cpu", "cpuset", "pids"})}, "memory", "cgroup_disable"),
        ({"memory": 4 * GIB}, "4.0 GiB of memory", "larger machine"),
        ({"disk_free": {"/state": DISK_NEEDED - 1, "/cache": 20 * GIB}}, "GiB free at /state", "XDG_STATE_HOME"),
        ({"state_filesystem": "overlay"}, "overlay", "XDG_STATE_HOME"),
        ({"missing_packages": ("runc",), "apt": False}, "no apt-get", "install runc"),
        ({"index_free": False}, "198.18.0.0/15", "down"),
    ],
)
def test_each_thing_in_the_way_is_one_line_with_its_remedy(change: dict[str, Any], problem: str, remedy: str) -> None:
    [line] = complaints(replace(FIT, **change), new=True)
    assert problem in line
    assert remedy in line
    assert "\n" not in line


def test_missing_packages_are_no_complaint_where_apt_can_install_them() -> None:
    assert complaints(replace(FIT, missing_packages=("runc",)), new=True) == []


def test_all_things_in_the_way_are_named_at_once() -> None:
    assert len(complaints(replace(FIT, nftables=False, memory=GIB, index_free=False), new=True)) == 3


def test_a_cluster_that_is_there_needs_no_free_disk_or_range() -> None:
    full = replace(FIT, disk_free={"/state": 0}, index_free=False)
    assert complaints(full, new=False) == []


def test_looking_changes_nothing_and_needs_no_rights() -> None:
    seen = look(index_free=True)
    assert seen.memory > 0
    assert all(free > 0 for free in seen.disk_free.values())
    assert seen.state_filesystem
