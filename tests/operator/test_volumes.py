"""Volumes that grow, against a real API server, on which the test plays what binds and resizes them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatcluster_operator.kube import KINDS
from chatcluster_operator.kube.kinds import CLAIM, STORAGE_CLASS
from chatcluster_testing.control_plane import until
from chatcluster_testing.operator import Room

STORE, NAME = "demo-postgres", "data-demo-postgres-0"


@pytest.fixture
def storage_class(room: Room) -> Iterator[Callable[..., str]]:
    """Makes a StorageClass; its name."""
    name = f"class-{room.namespace}"

    def make(*, expandable: bool) -> str:
        body = {"metadata": {"name": name}, "provisioner": "example.com/none", "allowVolumeExpansion": expandable}
        room.api.create(STORAGE_CLASS.path(), body)
        return name

    yield make
    room.api.delete(STORAGE_CLASS.path(None, name))


@pytest.fixture
def start(room: Room) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Makes a ChatCluster and, as its controller does, the claim of its one member of PostgreSQL, bound."""

    def make(spec: dict[str, Any]) -> None:
        room.create(spec)
        until(room.settled, "everything applied", 120)
        template = _there(room)["spec"]["volumeClaimTemplates"][0]
        labels, spec = template["metadata"]["labels"], template["spec"] | {"volumeName": "volume"}
        room.api.create(CLAIM.path(room.namespace), {"metadata": {"name": NAME, "labels": labels}, "spec": spec})
        _resized(room, spec["resources"]["requests"]["storage"])

    yield make
    room.api.delete(CLAIM.path(room.namespace, NAME))


def test_volumes_grow_while_their_store_runs_and_the_template_follows(
    room: Room, storage_class: Callable[..., str], start: Callable[[dict[str, Any]], None]
) -> None:
    name = storage_class(expandable=True)
    start(_sized("1Gi", name))
    before = _there(room)["metadata"]["uid"]

    room.change({"spec": _sized("2Gi", name)})
    until(lambda: _asked(room) == "2Gi", "the claim to be asked for more", 60)
    said = until(lambda: (c := room.condition("VolumesSized"))["reason"] == "Growing" and c, "what goes on", 60)
    assert NAME in said["message"]
    assert _template(room) == "1Gi"

    _resized(room, "2Gi")
    until(lambda: room.child("StatefulSet", STORE) and _template(room) == "2Gi", "the template to follow", 120)
    assert _there(room)["metadata"]["uid"] != before, "made anew: templates cannot change"
    assert "deletionTimestamp" not in _claim(room)["metadata"]
    until(lambda: room.condition("VolumesSized")["reason"] == "AsWanted", "the end", 60)


def test_what_cannot_grow_says_why_and_grows_once_it_can(
    room: Room, storage_class: Callable[..., str], start: Callable[[dict[str, Any]], None]
) -> None:
    name = storage_class(expandable=False)
    start(_sized("1Gi", name))
    room.change({"spec": _sized("2Gi", name)})
    said = until(
        lambda: (c := room.condition("VolumesSized"))["reason"] == "ExpansionUnsupported" and c, "why it cannot", 60
    )
    assert f"StorageClass {name}" in said["message"]
    assert "make a new ChatCluster" in said["message"]
    assert _asked(room) == "1Gi"
    assert room.condition("Applied")["status"] == "True", "it stands in nobody's way"
    room.api.merge(STORAGE_CLASS.path(None, name), {"allowVolumeExpansion": True})
    until(lambda: _asked(room) == "2Gi", "the claim to be asked for more", 120)


def test_a_store_made_anew_takes_up_the_volumes_that_it_had(
    room: Room, storage_class: Callable[..., str], start: Callable[[dict[str, Any]], None]
) -> None:
    name = storage_class(expandable=True)
    start(_sized("1Gi", name))
    room.change({"spec": {"paused": True, **_sized("2Gi", name)}})
    until(lambda: room.condition("Paused").get("status") == "True", "the pause", 60)
    room.api.delete(KINDS["StatefulSet"].path(room.namespace, STORE))
    room.change({"spec": {"paused": False}})
    until(lambda: room.child("StatefulSet", STORE) and _template(room) == "1Gi", "the template of what there is", 60)
    until(lambda: _asked(room) == "2Gi", "the claim to be asked for more", 60)


def _sized(size: str, storage_class: str) -> dict[str, Any]:
    return {"postgres": {"storage": {"size": size, "storageClassName": storage_class}}}


def _claim(room: Room) -> dict[str, Any]:
    return room.api.get(CLAIM.path(room.namespace, NAME)) or {}


def _asked(room: Room) -> str:
    return _claim(room)["spec"]["resources"]["requests"]["storage"]


def _template(room: Room) -> str:
    return _there(room)["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]


def _there(room: Room) -> dict[str, Any]:
    found = room.child("StatefulSet", STORE)
    assert found is not None
    return found


def _resized(room: Room, size: str) -> None:
    """What binds and resizes volumes says that there is one of this size."""
    status = {"phase": "Bound", "capacity": {"storage": size}}
    room.api.merge(CLAIM.path(room.namespace, NAME) + "/status", {"status": status})
