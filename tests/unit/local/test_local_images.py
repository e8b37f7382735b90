import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from chatcluster_local.builtin.images import archive_names, copy_archive, full_name, write_image
from chatcluster_local.errors import LocalError


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("chatcluster/user:abc", "docker.io/chatcluster/user:abc"),
        ("localhost/chatcluster-pause:1", "localhost/chatcluster-pause:1"),
        ("registry.example:5000/a/b:1", "registry.example:5000/a/b:1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
    ],
)
def test_names_are_completed_as_kubernetes_does(reference: str, name: str) -> None:
    assert full_name(reference) == name


def test_a_written_image_holds_its_files_and_name_and_is_the_same_every_time(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"run me")
    program.chmod(0o755)
    first, second = tmp_path / "1.tar", tmp_path / "2.tar"
    for archive in (first, second):
        write_image(archive, "chatcluster-test/x:1", {"bin/program": program}, {"Entrypoint": ["/bin/program"]})
    assert first.read_bytes() == second.read_bytes()
    assert archive_names(first) == ["docker.io/chatcluster-test/x:1"]
    with tarfile.open(first) as tar:
        index = json.load(io.BytesIO(read(tar, "index.json")))
        manifest = json.loads(blob(tar, index["manifests"][0]))
        assert json.loads(blob(tar, manifest["config"]))["config"]["Entrypoint"] == ["/bin/program"]
        with tarfile.open(fileobj=io.BytesIO(blob(tar, manifest["layers"][0]))) as layer:
            [member] = layer.getmembers()
            assert (member.name, member.mode & 0o777, member.uid) == ("bin/program", 0o755, 0)


def read(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    assert member is not None
    return member.read()


def blob(tar: tarfile.TarFile, descriptor: dict[str, Any]) -> bytes:
    return read(tar, f"blobs/{descriptor['digest'].replace(':', '/')}")


def archive(path: Path, members: dict[str, Any]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, value in members.items():
            data = json.dumps(value).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_a_docker_archive_names_its_tags(tmp_path: Path) -> None:
    manifest = [{"RepoTags": ["a/b:1", "a/c:1"]}, {"RepoTags": None}]
    assert archive_names(archive(tmp_path / "d.tar", {"manifest.json": manifest})) == ["a/b:1", "a/c:1"]


def test_a_bare_tag_in_an_oci_index_names_no_image(tmp_path: Path) -> None:
    entry = {"annotations": {"org.opencontainers.image.ref.name": "1"}}
    assert archive_names(archive(tmp_path / "o.tar", {"index.json": {"manifests": [entry]}})) == []


def test_what_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "not.tar"
    file.write_text("no")
    with pytest.raises(LocalError, match=r"not\.tar is not an image archive"):
        archive_names(file)


def test_a_copy_leaves_out_the_blobs_that_the_reader_holds_and_keeps_all_else(tmp_path: Path) -> None:
    members = {"index.json": {}, "oci-layout": {}, "blobs/sha256/aa": "old", "blobs/sha256/bb": "new", "aa.tar": "x"}
    whole, part = archive(tmp_path / "whole.tar", members), tmp_path / "part.tar"
    copy_archive(whole, part.open("wb"), {"sha256:aa", "sha256:cc"})
    with tarfile.open(part) as tar:
        assert tar.getnames() == ["index.json", "oci-layout", "blobs/sha256/bb", "aa.tar"]
        assert read(tar, "blobs/sha256/bb") == b'"new"'
