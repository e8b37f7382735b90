"""Volumes of a true size: what is made, grown and removed on which node, with real mounts where they are allowed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcluster_local.builtin.sized import PROVISIONER, Sized, growth, is_here, is_left, size_in_bytes
from chatcluster_local.builtin.volumes import Api, Manifest, volume_for
from chatcluster_testing.full_volume import mounts_below

UID = "0191e0a0-0000-7000-8000-000000000001"
NAME = f"pvc-{UID}"
MIB = 1024 * 1024


def claim(size: str = "64Mi", *, bound: bool = False, node: str = "node-2", told: str = "") -> Manifest:
    metadata = {"name": "data", "namespace": "chat", "uid": UID}
    spec: Manifest = {
        "storageClassName": "sized",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }
    if bound:
        spec["volumeName"] = NAME
    return {
        "metadata": metadata | {"annotations": {"volume.kubernetes.io/selected-node": node}},
        "spec": spec,
        "status": {"capacity": {"storage": told}} if told else {},
    }


def volume(size: str = "64Mi", *, node: str = "node-2", phase: str = "Bound", by: str = PROVISIONER) -> Manifest:
    return volume_for(claim(size), node, f"/volumes/{NAME}", "Delete", provisioner=by) | {"status": {"phase": phase}}


class Server(Api):
    """Keeps the one volume, and notes what is changed."""

    def __init__(self) -> None:
        self.volume: Manifest = {}
        self.calls: list[tuple[str, str, Any]] = []

    def call(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = ()) -> Manifest:
        if method == "GET":
            return self.volume
        self.calls.append((method, path, body))
        if method == "POST":
            self.volume = body
        return {}


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    with mounts_below(tmp_path) as found:
        yield found


def size_of(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


def test_a_volume_is_made_grows_and_goes(mounts: Path) -> None:
    server = Server()
    here = Sized(server, "node-2", mounts)
    here.claim(claim())
    assert size_of(mounts / NAME) == 64 * MIB
    assert [(method, path) for method, path, _ in server.calls] == [("POST", "/api/v1/persistentvolumes")]
    assert server.volume["spec"]["storageClassName"] == "sized"
    (mounts / NAME / "kept").write_text("data")

    server.calls.clear()
    here.claim(claim(bound=True, told="64Mi"))
    assert server.calls == [], "as large as it is wanted"
    here.claim(claim("128Mi", bound=True, told="64Mi"))
    assert size_of(mounts / NAME) == 128 * MIB
    assert [path for _, path, _ in server.calls] == [
        f"/api/v1/persistentvolumes/{NAME}",
        "/api/v1/namespaces/chat/persistentvolumeclaims/data/status",
    ]
    assert all("128Mi" in str(body) for _, _, body in server.calls)
    assert (mounts / NAME / "kept").read_text() == "data"

    here.volume(volume("128Mi"))
    assert (mounts / NAME / "kept").exists(), "one that is mounted already stays as it is"
    here.volume(volume("128Mi", phase="Released"))
    assert not (mounts / NAME).exists()
    assert server.calls[-1][:2] == ("DELETE", f"/api/v1/persistentvolumes/{NAME}")


def test_after_a_start_of_the_node_it_is_mounted_again_and_empty(mounts: Path) -> None:
    Sized(Server(), "node-2", mounts).volume(volume())
    assert size_of(mounts / NAME) == 64 * MIB
    assert not list((mounts / NAME).iterdir())


@pytest.mark.parametrize(
    "other",
    [
        claim(node="node-1"),
        {**claim(), "spec": claim()["spec"] | {"storageClassName": "local"}},
        {**claim(), "metadata": claim()["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_a_claim_of_another_node_or_class_is_left_alone(other: Manifest, tmp_path: Path) -> None:
    server = Server()
    Sized(server, "node-2", tmp_path).claim(other)
    assert (server.calls, list(tmp_path.iterdir())) == ([], [])


def test_a_volume_of_another_node_or_of_others_is_left_alone(tmp_path: Path) -> None:
    server = Server()
    for other in (volume(node="node-1", phase="Released"), volume(by="chatcluster.dev/local", phase="Released")):
        Sized(server, "node-2", tmp_path).volume(other)
        server.volume = other
        Sized(server, "node-2", tmp_path).claim(claim("128Mi", bound=True))
    assert (server.calls, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("asked", "told", "there", "wanted"),
    [
        ("1Gi", "1Gi", "1Gi", None),
        ("2Gi", "1Gi", "1Gi", "2Gi"),
        ("2048Mi", "", "2Gi", None),
        ("2Gi", "1Gi", "2Gi", "2Gi"),  # it was ended before it could say so
    ],
)
def test_what_a_claim_lacks(asked: str, told: str, there: str, wanted: str | None) -> None:
    assert growth(claim(asked, bound=True, told=told), volume(there)) == wanted


def test_whose_a_volume_is() -> None:
    assert is_here(volume(), "node-2")
    assert not is_here(volume(), "node-1")
    assert is_left(volume(phase="Released"))
    assert not is_left(volume())


@pytest.mark.parametrize(("text", "size"), [("1Gi", 2**30), ("512Mi", 2**29), ("10G", 10**10), ("4096", 4096)])
def test_sizes(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["1.5Gi", "-1", "1GB", "", "1Gi,mode=777"])
def test_what_is_no_size_reaches_no_mount(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        size_in_bytes(text)
