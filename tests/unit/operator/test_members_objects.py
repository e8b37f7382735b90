"""The object store's members, from what its masters answer. The shapes are those that SeaweedFS 4.48 gave."""

from typing import Any

import pytest

from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.decide.members import Contact, Reach, StoreView
from chatcluster_operator.decide.members.objects import Answers, view
from chatcluster_operator.desired import generate
from chatcluster_testing.specs import body, even_randomness

CLUSTER = ChatCluster.from_body(body({"version": "1.0", "objects": {"members": 3}}))
CREDENTIALS = generate(None, even_randomness())


def host(ordinal: int) -> str:
    return f"demo-objects-{ordinal}.demo-objects-nodes.chat.svc"


def status(leader: int | None) -> dict[str, Any]:
    named = {} if leader is None else {"Leader": f"{host(leader)}:9333.19333"}
    return {**named, "Peers": [f"{host(n)}:9333.19333" for n in range(3)], "MaxVolumeId": 6}


def volumes(held: dict[int, list[int] | None]) -> dict[str, Any]:
    racks = {
        f"node-{ordinal}": {f"{host(ordinal)}:8080": None if found is None else [{"Id": n, "Size": 8} for n in found]}
        for ordinal, found in held.items()
    }
    return {"Version": "8000GB 4.48", "Volumes": {"DataCenters": {"DefaultDataCenter": racks}, "Free": 10, "Max": 40}}


def look(leaders: dict[int, int | None], held: dict[int, list[int] | None] | None, pods: int = 3) -> StoreView:
    contacts = tuple(Contact(f"demo-objects-{n}", f"10.0.0.{n}" if n < pods else "", f"node-{n}") for n in range(3))
    statuses = {f"demo-objects-{ordinal}": status(leader) for ordinal, leader in leaders.items()}
    found = None if held is None else volumes(held)
    return view(Reach(CLUSTER, "objects", CREDENTIALS, contacts), Answers(statuses, found))


def test_all_is_well() -> None:
    seen = look({0: 1, 1: 1, 2: 1}, {0: [1, 2], 1: [2, 3], 2: [1, 3]})
    assert seen.well
    assert seen.leader == "demo-objects-1"
    assert [member.role for member in seen.members] == [MemberRole.FOLLOWER, MemberRole.LEADER, MemberRole.FOLLOWER]


def test_the_only_copy_must_not_go() -> None:
    seen = look({0: 0, 1: 0}, {0: [1, 2], 1: [2]})
    assert [member.in_step for member in seen.members[:2]] == [False, True]
    assert "one copy" in seen.problem


def test_a_member_that_the_masters_do_not_see_joins() -> None:
    seen = look({0: 0, 1: 0, 2: 0}, {0: [1], 1: [1]})
    assert seen.members[2].state is MemberState.JOINING


def test_a_new_member_has_nothing_yet_and_is_well() -> None:
    assert look({0: 0, 1: 0, 2: 0}, {0: [1], 1: [1], 2: None}).well


@pytest.mark.parametrize("leaders", [{}, {0: None, 1: None}])
def test_without_a_leader_it_is_said_what_to_do(leaders: dict[int, int | None]) -> None:
    seen = look(leaders, None)
    assert "no master leads" in seen.problem
    assert {member.state for member in seen.members} == {MemberState.UNREACHABLE}


def test_a_member_without_a_pod_is_absent() -> None:
    assert look({0: 0, 1: 0}, {0: [1], 1: [1]}, pods=2).members[2].state is MemberState.ABSENT
