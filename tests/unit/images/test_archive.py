"""Archives hold images under their full names; a small change makes a small archive."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from chatcluster_local.images.archive import MAX_ARCHIVES, plan, read_references, write_archive

REFERENCE = "chatcluster/user:0123456789ab"


def image(folder: Path, *layers: bytes) -> bytes:
    """The manifest of an image whose blobs are written to `folder`."""

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        folder.mkdir(exist_ok=True)
        (folder / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    media_type = "application/vnd.oci.image.manifest.v1+json"
    config = blob(b"config of " + b"+".join(layers))
    return json.dumps({"mediaType": media_type, "config": config, "layers": [blob(layer) for layer in layers]}).encode()


def test_an_archive_has_its_index_first_and_full_names(tmp_path: Path) -> None:
    archive = tmp_path / "archives" / "one.tar"
    write_archive(tmp_path / "blobs", {REFERENCE: image(tmp_path / "blobs", b"base", b"user")}, archive)
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        entry = index["manifests"][0]
        blob = f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}"
        assert len(tar.extractfile(blob).read()) == entry["size"]  # type: ignore[union-attr]
    assert names[:2] == ["index.json", "oci-layout"]
    assert len(names) == 2 + 1 + 1 + 2
    assert entry["annotations"] == {
        "io.containerd.image.name": f"docker.io/{REFERENCE}",
        "org.opencontainers.image.ref.name": "0123456789ab",
    }
    assert read_references(archive) == {REFERENCE}
    assert [path.name for path in archive.parent.iterdir()] == ["one.tar"]


def test_a_shared_layer_is_there_once_and_what_no_image_needs_is_not(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    image(blobs, b"left over")
    manifests = {"chatcluster/a:1": image(blobs, b"base", b"a"), "chatcluster/b:1": image(blobs, b"base", b"b")}
    write_archive(blobs, manifests, tmp_path / "two.tar")
    with tarfile.open(tmp_path / "two.tar") as tar:
        contents = [tar.extractfile(name).read() for name in tar.getnames()]  # type: ignore[union-attr]
    assert contents.count(b"base") == 1
    assert b"left over" not in contents
    assert read_references(tmp_path / "two.tar") == set(manifests)


def test_only_what_no_archive_holds_is_written() -> None:
    first = Path("first.tar")
    assert plan(["a:1", "b:2"], {first: {"a:1", "b:1"}}) == ({"a:1": first}, ["b:2"])
    assert plan(["a:1", "b:1"], {first: {"a:1", "b:1"}}) == ({"a:1": first, "b:1": first}, [])


def test_many_archives_become_one_again() -> None:
    held = {Path(f"{number}.tar"): {f"{number}:1"} for number in range(MAX_ARCHIVES)}
    wanted = [f"{number}:1" for number in range(MAX_ARCHIVES)]
    assert plan(wanted, held)[1] == []
    assert plan([*wanted, "new:1"], held) == ({}, [*wanted, "new:1"])
