from pathlib import Path
from typing import Any

import pytest

from chatcluster_local.builtin.volumes import Api, Controller, is_ours_to_delete, node_of, volume_for

UID = "0191e0a0-0000-7000-8000-000000000001"


def claim(**changes: Any) -> dict[str, Any]:
    metadata = {
        "name": "data",
        "namespace": "chat",
        "uid": UID,
        "annotations": {"volume.kubernetes.io/selected-node": "node-2"},
    }
    spec = {
        "storageClassName": "local",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {"metadata": metadata | changes.get("metadata", {}), "spec": spec | changes.get("spec", {})}


def volume(phase: str = "Released", policy: str = "Delete", by: str = "chatcluster.dev/local") -> dict[str, Any]:
    made = volume_for(claim(), "node-2", f"/volumes/pvc-{UID}", policy)
    made["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": by}
    return made | {"status": {"phase": phase}}


class Recorded(Api):
    """Notes the calls in place of sending them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []

    def call(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = ()) -> dict[str, Any]:
        self.calls.append((method, path, body))
        return {"reclaimPolicy": "Retain"}


def test_a_claim_waits_for_the_node_of_its_pod() -> None:
    assert node_of(claim()) == "node-2"
    assert node_of(claim(metadata={"annotations": {}})) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": {"storageClassName": "other"}},
        {"spec": {"volumeName": "pvc-x"}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_a_claim_of_others_bound_or_going_is_left_alone(changes: dict[str, Any]) -> None:
    assert node_of(claim(**changes)) is None


def test_a_claim_gets_a_folder_on_its_node_and_a_volume_bound_to_both(tmp_path: Path) -> None:
    api = Recorded()
    Controller(api, tmp_path, Path("/volumes")).claim(claim())
    folder = tmp_path / f"node-2/lib/chatcluster/volumes/pvc-{UID}"
    assert folder.stat().st_mode & 0o777 == 0o777
    method, path, made = api.calls[-1]
    assert (method, path) == ("POST", "/api/v1/persistentvolumes")
    assert made["spec"]["local"]["path"] == f"/volumes/pvc-{UID}"
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert made["spec"]["claimRef"]["uid"] == UID
    term = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    assert term["values"] == ["node-2"]


def test_a_released_volume_goes_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / f"node-2/lib/chatcluster/volumes/pvc-{UID}"
    folder.mkdir(parents=True)
    (folder / "file").write_text("data")
    api = Recorded()
    Controller(api, tmp_path, Path("/volumes")).volume(volume())
    assert not folder.exists()
    assert api.calls == [("DELETE", f"/api/v1/persistentvolumes/pvc-{UID}", None)]


@pytest.mark.parametrize("kept", [volume(policy="Retain"), volume(phase="Bound"), volume(by="other.example/csi")])
def test_a_volume_that_is_bound_retained_or_not_ours_stays(kept: dict[str, Any]) -> None:
    assert not is_ours_to_delete(kept)


@pytest.mark.parametrize(("node", "uid"), [("../etc", UID), ("node-1", "../../../etc")])
def test_no_name_leads_out_of_the_nodes_folder(node: str, uid: str, tmp_path: Path) -> None:
    hostile = claim(metadata={"uid": uid, "annotations": {"volume.kubernetes.io/selected-node": node}})
    with pytest.raises(ValueError, match="no folder"):
        Controller(Recorded(), tmp_path, Path("/volumes")).claim(hostile)
