"""What an operator does when nothing happens: it asks for what is not watched, and for nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import ControlPlane, until
from chatcluster_testing.operator import Operator, Room, new_room

EXTERNAL = {"redis": {"external": {"secretName": "my-redis"}}}


@pytest.fixture
def impatient(operator: Operator, start_operator: Callable[..., Operator]) -> Iterator[Operator]:
    """An operator that looks every second, in the place of the shared one."""
    operator.program.stop()
    impatient = start_operator("operator-impatient", env={"CHATCLUSTER_RESYNC_SECONDS": "1"})
    try:
        until(lambda: impatient.leading, "the operator to lead", 60)
        yield impatient
    finally:
        impatient.program.stop()
        operator.program.start()
        until(lambda: operator.leading, "the shared operator to lead again", 60)


@pytest.fixture
def rested(plane: ControlPlane, impatient: Operator) -> Iterator[Room]:
    """A ChatCluster with a store of the user's own, settled."""
    del impatient
    with new_room(plane) as room:
        _bring(room, "redis://my-redis:6379/0")
        room.create(EXTERNAL)
        until(room.settled, "everything applied", 120)
        room.run_everything()
        until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
        yield room


def test_of_a_settled_chatcluster_only_what_is_not_watched_is_asked(rested: Room, impatient: Operator) -> None:
    def looks(result: str) -> float:
        return impatient.metric("chatcluster_operator_reconciles_total", result=result)

    quiet = looks("unchanged")
    until(lambda: looks("unchanged") >= quiet + 5, "looks that find nothing changed", 120)
    before, whole, quiet = rested.get(), looks("ok"), looks("unchanged")
    until(lambda: looks("unchanged") >= quiet + 5, "more of them", 120)
    assert looks("ok") <= whole + 1, "what ended with the last write may come late, once"
    assert rested.get() == before

    checksum = _checksum(rested)
    _bring(rested, "redis://another:6379/0")
    until(lambda: _checksum(rested) != checksum, "the pods to be told of the other address", 60)


def _bring(room: Room, url: str) -> None:
    path = KINDS["Secret"].path(room.namespace)
    body = {"metadata": {"name": "my-redis"}, "stringData": {"url": url}}
    if room.child("Secret", "my-redis"):
        room.api.merge(f"{path}/my-redis", {"stringData": {"url": url}})
    else:
        room.api.create(path, body)


def _checksum(room: Room) -> Any:
    deployment = room.child("Deployment", "demo-presence")
    return deployment and deployment["spec"]["template"]["metadata"]["annotations"]["chatcluster.dev/checksum"]
