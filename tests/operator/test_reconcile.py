"""One ChatCluster from making to deletion: everything applied once, kept so, and removed."""

from typing import Any

import pytest

from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_testing.control_plane import ApiRefusalError, until

MENDED_SECONDS = 60.0


def test_everything_is_made_and_a_second_look_writes_nothing(demo: Any, operator: Any) -> None:
    body = demo.get()
    made = demo.children()
    listed = {(item["kind"], item["name"]) for item in body["status"]["inventory"]}
    assert listed == set(made)
    assert ("Secret", "demo-credentials") in made
    assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
    assert "finalizers" not in body["metadata"], "a ChatCluster must go while no operator runs"
    assert "annotations" not in body["metadata"]

    before = demo.versions()
    applies = operator.metric("chatcluster_operator_applies_total")
    looks = operator.metric("chatcluster_operator_reconciles_total")
    demo.change({"metadata": {"labels": {"example.com/look": "again"}}})
    until(lambda: operator.metric("chatcluster_operator_reconciles_total") > looks, "another look")
    assert operator.metric("chatcluster_operator_applies_total") == applies
    assert demo.versions() == before


def test_every_object_is_owned_so_that_it_goes_with_the_chatcluster(demo: Any) -> None:
    uid = demo.get()["metadata"]["uid"]
    for key, item in demo.children().items():
        owners = [owner["uid"] for owner in item["metadata"].get("ownerReferences", [])]
        assert owners == ([] if key == ("Secret", "demo-credentials") else [uid]), key


def test_what_is_deleted_by_hand_comes_back(demo: Any, operator: Any) -> None:
    corrections = operator.metric("chatcluster_operator_drift_corrections_total", kind="ConfigMap")
    before = demo.child("ConfigMap", "demo-jwks")
    demo.api.delete(KINDS["ConfigMap"].path(demo.namespace, "demo-jwks"))

    def back() -> bool:
        now = demo.child("ConfigMap", "demo-jwks")
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    until(back, "the ConfigMap made anew", MENDED_SECONDS)
    assert demo.child("ConfigMap", "demo-jwks")["data"] == before["data"]
    until(lambda: demo.events("DriftCorrected"), "an event that says so", MENDED_SECONDS)
    assert operator.metric("chatcluster_operator_drift_corrections_total", kind="ConfigMap") == corrections + 1


def test_what_is_edited_by_hand_is_put_back(demo: Any) -> None:
    path = KINDS["ConfigMap"].path(demo.namespace, "demo-jwks")
    before = demo.child("ConfigMap", "demo-jwks")["data"]
    demo.api.merge(path, {"data": {"jwks.json": "{}"}})
    until(lambda: demo.child("ConfigMap", "demo-jwks")["data"] == before, "the old content", MENDED_SECONDS)
    demo.api.merge(path, {"data": {"jwks.json": None}})
    until(lambda: demo.child("ConfigMap", "demo-jwks").get("data") == before, "the removed content", MENDED_SECONDS)


def test_an_object_that_lost_its_labels_gets_them_back(demo: Any) -> None:
    path = KINDS["ConfigMap"].path(demo.namespace, "demo-jwks")
    before = demo.child("ConfigMap", "demo-jwks")["metadata"]["labels"]
    demo.api.merge(path, {"metadata": {"labels": None}})
    until(
        lambda: demo.child("ConfigMap", "demo-jwks")["metadata"].get("labels") == before, "the labels", MENDED_SECONDS
    )


def test_what_others_add_is_left_alone(demo: Any, operator: Any) -> None:
    path = KINDS["ConfigMap"].path(demo.namespace, "demo-jwks")
    demo.api.merge(path, {"metadata": {"labels": {"example.com/team": "blue"}}, "data": {"theirs": "1"}})
    demo.api.merge(path, {"data": {"jwks.json": "changed"}})
    until(lambda: demo.child("ConfigMap", "demo-jwks")["data"]["jwks.json"] != "changed", "the mend", MENDED_SECONDS)
    body = demo.child("ConfigMap", "demo-jwks")
    assert body["metadata"]["labels"]["example.com/team"] == "blue"
    assert body["data"]["theirs"] == "1"


def test_the_credentials_survive_deletion_and_emptying_by_hand(demo: Any) -> None:
    path = KINDS["Secret"].path(demo.namespace, "demo-credentials")
    before = demo.child("Secret", "demo-credentials")["data"]
    demo.api.delete(path)
    until(lambda: (demo.child("Secret", "demo-credentials") or {}).get("data") == before, "the values", MENDED_SECONDS)

    name = next(iter(before))
    demo.api.merge(path, {"data": {name: None}})
    until(lambda: name in demo.child("Secret", "demo-credentials")["data"], "the missing value", MENDED_SECONDS)
    now = demo.child("Secret", "demo-credentials")["data"]
    assert {key: now[key] for key in before if key != name} == {key: before[key] for key in before if key != name}


def test_what_is_no_longer_asked_for_is_removed_and_nothing_else(demo: Any) -> None:
    owner = demo.get()["metadata"]
    reference = {"apiVersion": CHATCLUSTER.api_version, "kind": "ChatCluster", "name": "demo", "uid": owner["uid"]}
    labels = {"app.kubernetes.io/managed-by": "chatcluster-operator", "app.kubernetes.io/instance": "demo"}
    path = KINDS["ConfigMap"].path(demo.namespace)

    def config_map(name: str, **metadata: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels, **metadata}}

    # Theirs, though it looks like ours: its labels are copied, or it is even owned, but another made it.
    demo.api.create(path, config_map("labels-copied"))
    demo.api.create(path, config_map("owned", ownerReferences=[{**reference, "controller": True}]))
    # Ours from an earlier release.
    left = config_map("left-over", ownerReferences=[{**reference, "controller": True}])
    demo.api.apply(f"{path}/left-over", left, manager="chatcluster-operator")

    until(lambda: demo.child("ConfigMap", "left-over") is None, "the left-over to be removed", MENDED_SECONDS)
    assert demo.child("ConfigMap", "labels-copied")
    assert demo.child("ConfigMap", "owned")


def test_a_name_that_is_taken_is_told_and_not_touched(room: Any) -> None:
    path = KINDS["ConfigMap"].path(room.namespace)
    room.api.create(path, {"metadata": {"name": "demo-jwks"}, "data": {"mine": "1"}})
    room.create()
    applied = until(
        lambda: (c := room.condition("Applied")).get("status") == "False" and c, "the condition Applied", 20
    )
    assert applied["reason"] == "NameTaken"
    assert "ConfigMap demo-jwks" in applied["message"]
    assert "delete or rename" in applied["message"]
    assert room.child("ConfigMap", "demo-jwks")["data"] == {"mine": "1"}
    assert room.child("Secret", "demo-credentials"), "the rest is made all the same"
    room.api.delete(f"{path}/demo-jwks")
    until(room.settled, "recovery", 60)


def test_deletion_removes_all_but_the_credentials(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    made = set(room.children())
    assert len(made) > 1
    room.delete()
    until(lambda: set(room.children()) == {("Secret", "demo-credentials")}, "the rest to be collected", 30, every=0.3)

    before = room.child("Secret", "demo-credentials")["data"]
    room.create()
    until(room.settled, "the ChatCluster made anew", 60)
    assert room.child("Secret", "demo-credentials")["data"] == before
    assert set(room.children()) == made


def test_deletion_policy_delete_removes_the_credentials_too(room: Any) -> None:
    room.create({"deletionPolicy": "Delete"})
    until(room.settled, "everything applied", 60)
    room.delete()
    until(lambda: not room.children(), "everything to be collected", 30, every=0.3)


def test_a_changed_policy_reaches_the_credentials(demo: Any) -> None:
    demo.change({"spec": {"deletionPolicy": "Delete"}})

    def owned() -> bool:
        return "ownerReferences" in demo.child("Secret", "demo-credentials")["metadata"]

    until(owned, "the owner reference", MENDED_SECONDS)
    demo.change({"spec": {"deletionPolicy": "Retain"}})
    until(lambda: not owned(), "the owner reference gone", MENDED_SECONDS)


def test_a_bad_spec_is_refused_by_the_api_server(room: Any) -> None:
    with pytest.raises(ApiRefusalError, match=r"spec\.deletionPolicy"):
        room.create({"deletionPolicy": "Perhaps"})
    with pytest.raises(ApiRefusalError, match="lower the one or raise the other"):
        room.create({"services": {"user": {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}}})
