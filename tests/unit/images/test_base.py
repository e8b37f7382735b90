"""What the local base image is made of, and what it is called by."""

from datetime import date
from pathlib import Path

from chatcluster_local.images import base
from chatcluster_local.images.apt import Mirrors

TODAY = date(2026, 11, 22)


def pem(*bodies: str) -> str:
    return "".join(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n" for body in bodies)


def test_only_certificates_beyond_debians_own_are_extra(tmp_path: Path) -> None:
    (tmp_path / "own.crt").write_text(pem("AAAA\nBBBB"), encoding="utf-8")
    (tmp_path / "bundle.crt").write_text("# a comment\n" + pem("AAAABBBB", "CCCC", "BBBB", "CCCC"), encoding="utf-8")
    assert base.extra_certificates(tmp_path / "bundle.crt", [tmp_path / "own.crt"]) == ["BBBB", "CCCC"]
    assert base.extra_certificates(tmp_path / "absent.crt", []) == []


def test_the_key_changes_with_the_mirror_the_authorities_and_the_month() -> None:
    same = base.key(Mirrors(), ["A"], TODAY)
    assert base.key(Mirrors(), ["A"], date(2026, 11, 1)) == same
    others = [
        base.key(Mirrors("http://mirror.example/debian"), ["A"], TODAY),
        base.key(Mirrors(), [], TODAY),
        base.key(Mirrors(), ["A"], date(2026, 12, 1)),
    ]
    assert len({same, *others}) == 4


def test_minimising_keeps_licences_and_folders_that_packages_write_to(tmp_path: Path) -> None:
    for path in (
        "usr/share/doc/bash/copyright",
        "usr/share/doc/bash/README",
        "usr/share/man/man1/bash.1",
        "etc/hostname",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    base.minimise(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["usr/share/doc/bash/copyright"]
    assert all((tmp_path / folder).is_dir() for folder in base.EMPTIED)


def test_a_folder_without_mounts_has_none(tmp_path: Path) -> None:
    assert base.mounts_under(tmp_path) == []
    assert "/proc" in base.mounts_under(Path("/proc"))
