"""PostgreSQL's members as their Patroni tells of them, who may take over, and who hands over before it goes."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.decide.members import Contact, Member, Reach, Standing, StoreView, Switchover
from chatcluster_operator.decide.members.postgres import Voter, decide, described, successor
from chatcluster_testing.specs import body, inputs_maker

CLUSTER = ChatCluster.from_body(body("{version: '1.0', postgres: {members: 3}}"))
NAMES = tuple(f"demo-postgres-{ordinal}" for ordinal in range(5))


def reach(*addresses: str) -> Reach:
    contacts = tuple(Contact(name, address) for name, address in zip(NAMES, addresses, strict=False))
    return Reach(CLUSTER, "postgres", inputs_maker()(CLUSTER).credentials, contacts)


def said(*members: tuple[str, str]) -> dict[str, Any]:
    """Patroni's answer, of the roles and states of the members by ordinal."""
    told = [{"name": name, "role": role, "state": state} for name, (role, state) in zip(NAMES, members, strict=False)]
    return {"members": told, "scope": "demo-postgres"}


LEADER, COPY, LATE = ("leader", "running"), ("quorum_standby", "streaming"), ("replica", "streaming")
ALL_WELL = said(LEADER, COPY, COPY)


def test_all_well() -> None:
    view = described(reach("10.0.0.1", "10.0.0.2", "10.0.0.3"), [ALL_WELL] * 3)
    assert view.well
    assert view.leader == NAMES[0]
    assert [member.role for member in view.members] == [MemberRole.LEADER, MemberRole.FOLLOWER, MemberRole.FOLLOWER]


@pytest.mark.parametrize(
    ("answers", "leader", "states", "problem"),
    [
        ([ALL_WELL, ALL_WELL, None], 0, "RRU", ""),
        ([said(LEADER, COPY, ("replica", "creating replica")), ALL_WELL, ALL_WELL], 0, "RRJ", ""),
        ([said(LEADER, COPY), ALL_WELL, said(LEADER, COPY)], 0, "RRJ", ""),
        # The member that was cut off from Kubernetes has not heard of the new one.
        ([said(LEADER, COPY, COPY), said(LATE, LEADER, COPY), said(LATE, LEADER, COPY)], 1, "RRR", ""),
        ([None, ALL_WELL, ALL_WELL], None, "URR", "does not answer"),
        ([None, said(LATE, COPY, COPY), said(LATE, COPY, COPY)], None, "URR", "no member leads"),
        ([None, None, None], None, "UUU", "no member leads"),
        (["nonsense", {"members": 1}, {}], None, "UUU", "no member leads"),
    ],
)
def test_views(answers: list[object], leader: int | None, states: str, problem: str) -> None:
    view = described(reach("10.0.0.1", "10.0.0.2", "10.0.0.3"), answers)
    assert view.leader == ("" if leader is None else NAMES[leader])
    assert [member.state.value[0] for member in view.members] == [*states]
    assert problem in view.problem
    assert bool(view.problem) == bool(problem)


def test_details_are_coarse() -> None:
    answer = said(LEADER, COPY, ("replica", "starting"))
    answer["members"][1] |= {"lag": 17 * 1024**2, "pending_restart": True}
    answer["members"][2]["lag"] = "unknown"
    view = described(reach("10.0.0.1", "10.0.0.2", "10.0.0.3", ""), [answer, answer, answer, None])
    assert [member.detail for member in view.members] == [
        "",
        "behind by more than 16 MiB; has settings that take a restart",
        "starting",
        "",
    ]
    assert view.members[3].state is MemberState.ABSENT


@given(members=st.sampled_from([3, 5]), data=st.data())
def test_who_takes_over_has_all_that_was_acknowledged(members: int, data: st.DataObject) -> None:
    """Whatever commits there were, whichever copies have which of them, and whoever is heard afterwards."""
    in_step = data.draw(st.integers(1, members - 1))
    needed = min(members // 2, in_step)
    have = [data.draw(st.integers(0, 9)) for _ in range(in_step)]
    # A commit is acknowledged once so many have it; logs only grow, so that is the position that so many have reached.
    acknowledged = sorted(have, reverse=True)[needed - 1]
    heard = data.draw(st.sets(st.integers(0, in_step - 1)))
    voters = [Voter(NAMES[ordinal], have[ordinal]) for ordinal in heard]
    chosen = successor(voters, in_step, members, data.draw(st.sampled_from(["", *NAMES])))
    if chosen is not None:
        assert have[NAMES.index(chosen)] >= acknowledged


def test_one_of_three_that_is_left_may_take_over_when_it_alone_was_in_step() -> None:
    assert successor([Voter(NAMES[1], 5)], 1, 3, "") == NAMES[1]
    assert successor([Voter(NAMES[1], 5)], 2, 3, "") is None
    assert successor([Voter(NAMES[1], 5), Voter(NAMES[2], 5)], 2, 3, NAMES[2]) == NAMES[2]
    assert successor([Voter(NAMES[1], 5), Voter(NAMES[2], 4)], 2, 3, NAMES[2]) is None


def standing(leader: int | None, wanted: int, made: int, *, in_step: frozenset[int]) -> Standing:
    members = tuple(
        Member(NAMES[ordinal], state=MemberState.RUNNING, in_step=ordinal in in_step) for ordinal in range(made)
    )
    view = StoreView("postgres", members, "" if leader is None else NAMES[leader])
    return Standing(CLUSTER, view, wanted, made, now=0)


def test_members_are_given_up_once_one_that_stays_leads() -> None:
    for made, wanted in itertools.combinations([5, 3, 1], 2):
        every = frozenset(range(made))
        for leader in (*range(made), None):
            decision = decide(standing(leader, wanted, made, in_step=every))
            if leader is not None and leader < wanted:
                assert decision.members is None
                assert not decision.orders
            else:
                assert decision.members == made
                assert decision.waits
            if leader is not None and leader >= wanted:
                [order] = decision.orders
                assert isinstance(order, Switchover)
                assert order.to == NAMES[0]
    waiting = decide(standing(2, 1, 3, in_step=frozenset({1, 2})))
    assert (waiting.orders, waiting.members) == ((), 3), "the one that is to stay has not all yet"


def test_nothing_is_decided_otherwise() -> None:
    for leader in range(3):
        assert not decide(standing(leader, 5, 3, in_step=frozenset({leader}))).orders
