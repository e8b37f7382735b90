"""Lost nodes against a real API server: a member whose volume went with its node is made anew, and nothing else is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_testing.control_plane import ControlPlane, running, until
from chatcluster_testing.lost_nodes import MEMBERS, Members
from chatcluster_testing.operator import Operator, Room, apply_install, new_room, operator_process

pytestmark = pytest.mark.timeout(600)

A, B, C = MEMBERS
AFTER = 30
"""Seconds after which a lost node's members are made anew. The API server is believed after as many."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with three nodes."""
    with running(tmp_path_factory.mktemp("nodes"), nodes=3) as plane:
        apply_install(plane.api)
        yield plane


@pytest.fixture(scope="module")
def leader(cluster: ControlPlane) -> Iterator[Operator]:
    """The operator there."""
    operator = operator_process(cluster, "operator-n", cluster.service_account_token(install.NAMESPACE, install.NAME))
    operator.program.start()
    until(lambda: operator.leading, "the operator to lead", 60)
    yield operator
    operator.program.kill()


@pytest.fixture
def world(cluster: ControlPlane, leader: Operator) -> Iterator[tuple[Room, Members]]:
    """A ChatCluster whose PostgreSQL has three members on three nodes, all well."""
    del leader
    with new_room(cluster) as room, Members(cluster.api, room.namespace).at_work() as members:
        room.create({"postgres": {"members": 3}, "failover": {"replaceAfterSeconds": AFTER}})
        until(lambda: room.condition("StoresRedundant").get("status") == "True", "all members in step", 120)
        try:
            yield room, members
        finally:
            for node in sorted(members.lost):
                members.lose(node, back=True)


def told(room: Room) -> dict[str, Any]:
    """What the status says of PostgreSQL."""
    return (room.get() or {})["status"]["stores"]["postgres"]


def lost(room: Room) -> set[str]:
    return {member["name"] for member in told(room)["members"] if "lostSince" in member}


def uids(members: Members) -> dict[str, tuple[str, str]]:
    """The uids of each member's claim and pod."""
    return {name: (members.claim(name)["metadata"]["uid"], members.pod(name)["metadata"]["uid"]) for name in MEMBERS}


def test_a_member_is_made_anew_once_its_node_has_been_lost_for_long(
    world: tuple[Room, Members], leader: Operator
) -> None:
    room, members = world
    before = uids(members)
    members.lose("fake-2")
    until(lambda: lost(room) == {C}, "the loss to be told", 60)
    assert "is made anew elsewhere unless fake-2 is back" in room.condition("StoresRedundant")["message"]
    since = told(room)["members"][2]["lostSince"]
    leader.program.stop()
    leader.program.start()
    until(lambda: leader.leading, "the operator to lead again", 60)
    until(lambda: members.claim(C).get("metadata", {}).get("uid") not in {None, before[C][0]}, "another claim", 180)
    assert "lostSince" not in told(room)["members"][2] or told(room)["members"][2]["lostSince"] == since
    until(lambda: room.condition("StoresRedundant").get("status") == "True", "all members in step again", 120)
    after = uids(members)
    assert after[C][0] != before[C][0]
    assert after[C][1] != before[C][1]
    assert {name: after[name] for name in (A, B)} == {name: before[name] for name in (A, B)}
    assert members.pod(C)["spec"]["nodeName"] in {"fake-0", "fake-1"}
    until(lambda: told(room)["operation"]["phase"] == "Done", "the end", 60)
    assert told(room)["operation"]["what"] == "Replace"


def test_nothing_is_given_up_while_most_nodes_are_lost_nor_when_they_come_back(world: tuple[Room, Members]) -> None:
    room, members = world
    before = uids(members)
    members.lose("fake-2")
    members.lose("fake-1")
    until(lambda: lost(room) == {B, C}, "both losses to be told", 60)
    until(
        lambda: re.search(r"waits until \S+ answer", room.condition("StoresRedundant")["message"]),
        "the time to have come",
        120,
    )
    assert uids(members) == before
    members.lose("fake-1", back=True)
    members.lose("fake-2", back=True)
    until(lambda: room.condition("StoresRedundant").get("status") == "True", "all members in step again", 120)
    assert lost(room) == set()
    assert uids(members) == before
    assert "operation" not in told(room)
