"""A replica set: what its members' answers mean, and what is to be done, step by step and in every world."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.api import ChatCluster, MemberRole, MemberState, RotationKind
from chatcluster_operator.decide.members import Contact, Reach, Standing, StoreView, Switchover
from chatcluster_operator.decide.members.mongodb import (
    Answers,
    Initiate,
    MakeUsers,
    Reconfigure,
    ReplicaSetView,
    Standstill,
    decide,
    marks,
    users,
    view,
)
from chatcluster_operator.desired import generate
from chatcluster_testing.mongodb_answers import config, host, status
from chatcluster_testing.specs import body, even_randomness

CREDENTIALS = generate(None, even_randomness())
NEVER, OUT, SILENT = Standstill.NEVER_IN_A_SET, Standstill.TAKEN_OUT, Standstill.SILENT


def cluster(members: int = 3) -> ChatCluster:
    return ChatCluster.from_body(body({"version": "1.0", "mongodb": {"engine": "ReplicaSet", "members": members}}))


def name(ordinal: int) -> str:
    return f"demo-mongodb-{ordinal}"


def look(
    states: Mapping[int, str | Standstill], *, behind: Mapping[int, float] | None = None, made: int = 3
) -> ReplicaSetView:
    """The view of members that say they are in these states; the others have no pod."""
    in_set = {ordinal: state for ordinal, state in states.items() if not isinstance(state, Standstill)}
    heard = {
        name(ordinal): state if isinstance(state, Standstill) else status(ordinal, in_set, behind)
        for ordinal, state in states.items()
    }
    contacts = tuple(Contact(name(n), f"10.0.0.{n}" if n in states else "", f"node-{n}") for n in range(made))
    primary = "PRIMARY" in in_set.values()
    answers = Answers(heard, config(sorted(in_set)) if primary else None, marks(CREDENTIALS) if primary else None)
    return view(Reach(cluster(), "mongodb", CREDENTIALS, contacts), answers)


def standing(seen: StoreView, wanted: int = 3, made: int = 3) -> Standing:
    return Standing(cluster(wanted), seen, wanted, made, 1_800_000_000)


RUNNING = {0: "PRIMARY", 1: "SECONDARY", 2: "SECONDARY"}


def test_a_set_that_is_well_needs_nothing() -> None:
    seen = look(RUNNING)
    assert seen.leader == name(0)
    assert seen.well
    assert [member.role for member in seen.members] == [MemberRole.LEADER, MemberRole.FOLLOWER, MemberRole.FOLLOWER]
    decision = decide(standing(seen))
    assert (decision.orders, decision.members, decision.waits) == ((), None, "")


@pytest.mark.parametrize(
    ("said", "state", "in_step"),
    [
        ("SECONDARY", MemberState.RUNNING, True),
        ("STARTUP2", MemberState.JOINING, False),
        ("RECOVERING", MemberState.JOINING, False),
        (NEVER, MemberState.JOINING, False),
        (OUT, MemberState.JOINING, False),
        (SILENT, MemberState.UNREACHABLE, False),
    ],
)
def test_members_states(said: str | Standstill, state: MemberState, in_step: bool) -> None:
    member = look({**RUNNING, 2: said}).members[2]
    assert (member.state, member.in_step) == (state, in_step)


def test_a_secondary_far_behind_is_not_in_step() -> None:
    seen = look(RUNNING, behind={2: 11.0})
    assert (seen.members[1].in_step, seen.members[2].in_step) == (True, False)
    assert "behind" in seen.members[2].detail


def test_a_member_without_a_pod_is_absent() -> None:
    assert look({0: "PRIMARY", 1: "SECONDARY"}).members[2].state is MemberState.ABSENT


def test_without_a_primary_nothing_is_changed_and_it_is_said() -> None:
    seen = look({0: "SECONDARY", 1: "SECONDARY", 2: SILENT})
    assert "no member is primary" in seen.problem
    assert decide(standing(seen)).orders == ()


def test_a_set_begins_with_its_first_member() -> None:
    [order] = decide(standing(look({0: NEVER, 1: NEVER, 2: NEVER}))).orders
    assert isinstance(order, Initiate)
    assert order.member == name(0)
    assert [member["host"] for member in order.config["members"]] == [host(0)]


@pytest.mark.parametrize("other", ["SECONDARY", "STARTUP2", "RECOVERING", OUT, SILENT])
def test_no_second_set_is_begun_beside_one_that_there_may_be(other: str | Standstill) -> None:
    """A member that lost its disk has never been in a set, as far as it knows."""
    assert decide(standing(look({0: NEVER, 1: other, 2: NEVER}))).orders == ()


def test_members_are_added_one_at_a_time() -> None:
    seen = look({0: "PRIMARY", 1: NEVER, 2: NEVER})
    [order] = decide(standing(seen)).orders
    assert isinstance(order, Reconfigure)
    assert [member["host"] for member in order.config["members"]] == [host(0), host(1)]
    assert order.config["version"] == 2
    assert "term" not in order.config
    # The next one only once that one has the data.
    assert decide(standing(look({0: "PRIMARY", 1: "STARTUP2", 2: NEVER}))).orders == ()
    [order] = decide(standing(look({0: "PRIMARY", 1: "SECONDARY", 2: NEVER}))).orders
    assert isinstance(order, Reconfigure)
    assert [member["_id"] for member in order.config["members"]] == [0, 1, 2]


def test_a_set_grows_from_three_to_five() -> None:
    seen = look({**RUNNING, 3: NEVER, 4: NEVER}, made=5)
    decision = decide(standing(seen, wanted=5, made=5))
    assert [host(n) for n in range(4)] == [item["host"] for item in decision.orders[0].config["members"]]  # type: ignore[attr-defined]
    assert decision.members is None


def test_members_are_taken_out_before_their_pods_go() -> None:
    five = {**RUNNING, 3: "SECONDARY", 4: "SECONDARY"}
    decision = decide(standing(look(five, made=5), wanted=3, made=5))
    [order] = decision.orders
    assert isinstance(order, Reconfigure)
    assert [member["_id"] for member in order.config["members"]] == [0, 1, 2, 3]
    assert decision.members == 5
    one_less = decide(standing(look({**RUNNING, 3: "SECONDARY", 4: OUT}, made=5), wanted=3, made=5))
    assert one_less.members == 4
    done = decide(standing(look({**RUNNING, 3: OUT}, made=4), wanted=3, made=4))
    assert (done.orders, done.members) == ((), None)


def test_a_primary_that_is_to_go_hands_over_first() -> None:
    five = {0: "SECONDARY", 1: "SECONDARY", 2: "SECONDARY", 3: "SECONDARY", 4: "PRIMARY"}
    decision = decide(standing(look(five, made=5), wanted=3, made=5))
    assert [type(order) for order in decision.orders] == [Switchover]
    assert decision.members == 5


def test_no_pod_goes_while_nobody_can_say_whether_the_set_counts_on_it() -> None:
    for seen in (
        StoreView("mongodb", problem="no member answers"),
        look(dict.fromkeys(range(5), SILENT), made=5),
    ):
        assert decide(standing(seen, wanted=3, made=5)).members == 5


def test_users_are_made_and_follow_a_rotation() -> None:
    reach = Reach(cluster(), "mongodb", CREDENTIALS, (Contact(name(0), "10.0.0.1", "node-0"),))
    heard = {name(0): status(0, {0: "PRIMARY"})}
    assert view(reach, Answers(heard, config([0]), {})).users_due
    assert not view(reach, Answers(heard, config([0]), marks(CREDENTIALS))).users_due
    rotating = CREDENTIALS.begin(RotationKind.PASSWORDS, even_randomness())
    assert set(users(rotating)) == {"chat", "chat_b", "chat_backup", "chat_backup_b"}
    assert view(replace(reach, credentials=rotating), Answers(heard, config([0]), marks(CREDENTIALS))).users_due
    due = view(reach, Answers(heard, config([0]), {}))
    assert any(isinstance(order, MakeUsers) for order in decide(standing(due, wanted=3, made=3)).orders)


def test_marks_tell_passwords_apart_and_show_none() -> None:
    other = CREDENTIALS.begin(RotationKind.PASSWORDS, even_randomness()).completed
    assert not set(marks(CREDENTIALS).values()) & set(marks(other).values())
    assert all(password not in marks(CREDENTIALS).values() for password in users(CREDENTIALS).values())


WORLDS = st.dictionaries(
    st.integers(0, 6),
    st.sampled_from(["PRIMARY", "SECONDARY", "STARTUP2", "RECOVERING", NEVER, OUT, SILENT]),
    min_size=1,
).filter(lambda states: list(states.values()).count("PRIMARY") <= 1)


@given(WORLDS, st.sampled_from([3, 5, 7]))
def test_in_every_world(states: dict[int, str | Standstill], wanted: int) -> None:
    made = max(*states, wanted - 1) + 1
    seen = look(states, made=made)
    decision = decide(standing(seen, wanted=wanted, made=made))
    begins = [order for order in decision.orders if isinstance(order, Initiate)]
    assert not begins or all(state is NEVER for state in states.values())
    changes = [order for order in decision.orders if isinstance(order, Reconfigure)]
    assert len(changes) <= 1
    if changes:
        assert seen.config is not None
        before = {member["host"] for member in seen.config["members"]}
        after = {member["host"] for member in changes[0].config["members"]}
        assert len(before ^ after) == 1, "majorities of both must meet"
        assert "PRIMARY" in states.values()
        assert host(int(seen.leader.rpartition("-")[2])) in after, "the primary stays in"
    if seen.config is not None:
        kept = decision.members if decision.members is not None else wanted
        counted = [int(member["_id"]) for member in seen.config["members"]]
        assert all(ordinal < kept or ordinal < wanted for ordinal in counted), "no pod goes that has a vote"


def test_a_member_says_how_full_its_volume_is() -> None:
    contacts = (Contact(name(0), "10.0.0.1", "node-0"), Contact(name(1), "10.0.0.2", "node-1"))
    stats = {name(0): {"db": "admin", "fsUsedSize": 8.66e9, "fsTotalSize": 1e10, "ok": 1}}
    answers = Answers({name(0): status(0, RUNNING), name(1): status(1, RUNNING)}, stats=stats)
    seen = view(Reach(cluster(), "mongodb", CREDENTIALS, contacts), answers)
    assert [member.full for member in seen.members] == [85, None]
