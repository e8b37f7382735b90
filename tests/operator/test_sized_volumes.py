"""The local cluster's volumes of a true size: what is said of them is what a real API server takes."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcluster_local.builtin.controlplane import storage_classes
from chatcluster_local.builtin.sized import STORAGE_CLASS, Sized
from chatcluster_local.builtin.volumes import Api
from chatcluster_testing.control_plane import ApiRefusalError, ControlPlane
from chatcluster_testing.full_volume import mounts_below

MIB = 1024 * 1024
NODE = "node-2"


class Server(Api):
    """The calls of the program, to the test's own server."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def call(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = ()) -> dict[str, Any]:
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            return self._plane.api.call(method, path, body, content)
        except ApiRefusalError as error:
            if error.status not in fine:
                raise
            return {}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with mounts_below(tmp_path) as found:
        yield found


def test_a_claim_grows_as_it_does_with_a_driver(plane: ControlPlane, folder: Path) -> None:
    api, namespace = plane.api, f"sized-{uuid.uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    with contextlib.suppress(ApiRefusalError):
        [sized] = [item for item in storage_classes() if item["metadata"]["name"] == STORAGE_CLASS]
        api.create("/apis/storage.k8s.io/v1/storageclasses", sized)
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    api.create(
        claims,
        {
            "metadata": {"name": "data", "annotations": {"volume.kubernetes.io/selected-node": NODE}},
            "spec": {
                "storageClassName": STORAGE_CLASS,
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "64Mi"}},
            },
        },
    )
    here, path = Sized(Server(plane), NODE, folder), f"{claims}/data"
    here.claim(api.call("GET", path))
    name = f"pvc-{api.call('GET', path)['metadata']['uid']}"

    # What the controller of volumes does once there is one.
    api.merge(path, {"spec": {"volumeName": name}})
    bound = {"phase": "Bound", "capacity": {"storage": "64Mi"}, "accessModes": ["ReadWriteOnce"]}
    api.merge(f"{path}/status", {"status": bound})

    asked = api.merge(path, {"spec": {"resources": {"requests": {"storage": "128Mi"}}}})
    assert asked["status"]["capacity"]["storage"] == "64Mi", "nobody has grown it yet"
    here.claim(asked)
    claim, volume = api.call("GET", path), api.call("GET", f"/api/v1/persistentvolumes/{name}")
    assert (claim["status"]["capacity"], volume["spec"]["capacity"]) == ({"storage": "128Mi"}, {"storage": "128Mi"})
    found = os.statvfs(folder / name)
    assert found.f_blocks * found.f_frsize == 128 * MIB
    here.claim(claim)
    assert api.call("GET", path) == claim, "as large as it is wanted"
