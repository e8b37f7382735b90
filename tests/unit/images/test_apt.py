"""The base image comes from the mirror that the machine's own apt is set to."""

from pathlib import Path

import pytest

from chatcluster_local.images.apt import (
    DEFAULT_MIRROR,
    Mirrors,
    Source,
    find_mirrors,
    machine_mirrors,
    parse_deb822,
    parse_list,
)

DEB822 = """\
# Debian
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/a.gpg] https://mirror.example/debian bookworm main contrib # note
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb https://packages.example/apt tools-bookworm main
"""


def test_deb822() -> None:
    assert list(parse_deb822(DEB822)) == [
        Source("http://mirror.example/debian", "bookworm", ("main", "contrib")),
        Source("http://mirror.example/debian", "bookworm-updates", ("main", "contrib")),
        Source("http://mirror.example/debian-security", "bookworm-security", ("main",)),
    ]


def test_one_line() -> None:
    assert list(parse_list(ONE_LINE)) == [
        Source("https://mirror.example/debian", "bookworm", ("main", "contrib")),
        Source("http://mirror.example/debian-security", "bookworm-security", ("main",)),
        Source("https://packages.example/apt", "tools-bookworm", ("main",)),
    ]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], Mirrors(DEFAULT_MIRROR, "")),
        ([Source("http://m/debian", "bookworm", ("main",))], Mirrors("http://m/debian", "")),
        (
            [Source("http://m/debian-security", "trixie-security", ("main",))],
            Mirrors(DEFAULT_MIRROR, "http://m/debian-security"),
        ),
        ([Source("http://m/ubuntu", "noble", ("main",))], Mirrors()),
        ([Source("http://m/other", "bookworm", ("contrib",))], Mirrors()),
        (
            [Source("cdrom:[Debian]", "bookworm", ("main",)), Source("http://m/debian", "stable", ("main",))],
            Mirrors("http://m/debian"),
        ),
        ([Source("http://m/backports", "bookworm-backports", ("main",))], Mirrors()),
    ],
    ids=["none", "debian", "security alone", "another system", "no main", "a disc", "backports"],
)
def test_find_mirrors(sources: list[Source], expected: Mirrors) -> None:
    assert find_mirrors(sources) == expected


def test_both_kinds_of_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822, encoding="utf-8")
    (tmp_path / "sources.list.d" / "notes.txt").write_text("deb http://no.example/debian sid main", encoding="utf-8")
    assert machine_mirrors(tmp_path) == Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")
    (tmp_path / "sources.list").write_text(ONE_LINE, encoding="utf-8")
    assert machine_mirrors(tmp_path).main == "https://mirror.example/debian"
