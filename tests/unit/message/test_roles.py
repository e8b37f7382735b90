"""Who may be in a conversation, and who decides."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.errors import Problem
from chatcluster_message import roles
from chatcluster_message.models import Conversation, ConversationType, Member, Posting, Role
from chatcluster_message.roles import Action

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERYBODY: tuple[tuple[str, Role], ...] = (
    ("o", "owner"),
    ("a", "admin"),
    ("b", "admin"),
    ("m", "member"),
    ("n", "member"),
)


def conversation(
    *people: tuple[str, Role], kind: ConversationType = "group", posting: Posting = "members"
) -> Conversation:
    """Its members joined an hour after one another."""
    return Conversation(
        id="c",
        type=kind,
        name=None,
        posting=posting,
        members=[
            Member(user_id=user_id, role=role, joined_at=NOW + timedelta(hours=n))
            for n, (user_id, role) in enumerate(people)
        ],
        created_by="o",
        created_at=NOW,
        updated_at=NOW,
        last_seq=0,
        last_message_at=None,
    )


def roles_in(after: Conversation) -> dict[str, Role]:
    """Roles by person."""
    return {member.user_id: member.role for member in after.members}


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_people_have_one_key_whoever_begins(one: str, other: str) -> None:
    assert roles.direct_key(one, other) == roles.direct_key(other, one)


@pytest.mark.parametrize(
    ("kind", "posting", "action", "allowed"),
    [
        ("direct", "members", Action.SEND, "oam"),
        ("direct", "members", Action.PIN, "oam"),
        ("direct", "members", Action.RETAIN, "o"),
        *(
            ("direct", "members", action, "")
            for action in Action
            if action not in {Action.SEND, Action.PIN, Action.RETAIN}
        ),
        ("group", "members", Action.SEND, "oam"),
        ("group", "members", Action.MENTION_ALL, "oam"),
        ("group", "members", Action.PIN, "oam"),
        ("group", "members", Action.ADD, "oa"),
        ("group", "members", Action.CONFIGURE, "oa"),
        ("group", "members", Action.DELETE_ANY, "oa"),
        ("group", "members", Action.RETAIN, "o"),
        ("group", "members", Action.SET_ROLES, "o"),
        ("group", "members", Action.DELETE, "o"),
        ("channel", "members", Action.SEND, "oam"),
        ("channel", "admins", Action.SEND, "oa"),
        ("channel", "members", Action.MENTION_ALL, "oa"),
        ("channel", "members", Action.PIN, "oa"),
        ("channel", "members", Action.ADD, "oa"),
        ("channel", "members", Action.CONFIGURE, "oa"),
        ("channel", "members", Action.DELETE_ANY, "oa"),
        ("channel", "members", Action.RETAIN, "o"),
        ("channel", "members", Action.SET_ROLES, "o"),
        ("channel", "members", Action.DELETE, "o"),
    ],
)
def test_who_may_do_what(kind: ConversationType, posting: Posting, action: Action, allowed: str) -> None:
    here = conversation(*EVERYBODY, kind=kind, posting=posting)
    assert "".join(who for who in "oamx" if roles.may(here, who, action)) == allowed
    for who in "oam":
        if who not in allowed:
            with pytest.raises(Problem, match=r"forbidden|direct_conversation"):
                roles.check(here, who, action)


@given(st.sampled_from(["direct", "group", "channel"]), st.sampled_from(["members", "admins"]), st.sampled_from(Action))
def test_a_higher_role_may_do_all_that_a_lower_may(kind: ConversationType, posting: Posting, action: Action) -> None:
    here = conversation(*EVERYBODY, kind=kind, posting=posting)
    owner, admin, member = (roles.may(here, who, action) for who in "oam")
    assert owner >= admin >= member
    assert not roles.may(here, "stranger", action)


def test_adding_a_member_again_changes_nothing() -> None:
    before = conversation(("o", "owner"), ("m", "member"))
    assert roles.added(before, "m", NOW, most=2) is before


def test_a_full_conversation_takes_nobody() -> None:
    with pytest.raises(Problem, match="conversation_full"):
        roles.added(conversation(("o", "owner")), "n", NOW, most=1)


@pytest.mark.parametrize(
    ("by", "whom", "allowed"),
    [
        ("o", "a", True),
        ("o", "m", True),
        ("a", "m", True),
        ("a", "b", False),
        ("a", "o", False),
        ("m", "n", False),
        ("m", "m", True),
        ("a", "a", True),
    ],
)
def test_the_higher_role_removes(by: str, whom: str, allowed: bool) -> None:
    before = conversation(*EVERYBODY)
    if allowed:
        assert whom not in roles_in(roles.removed(before, whom, by=by))
    else:
        with pytest.raises(Problem, match="forbidden"):
            roles.removed(before, whom, by=by)


def test_an_owner_who_leaves_passes_it_to_the_longest_standing_admin() -> None:
    before = conversation(("o", "owner"), ("m", "member"), ("a", "admin"), ("b", "admin"))
    assert roles_in(roles.removed(before, "o", by="o")) == {"m": "member", "a": "owner", "b": "admin"}


def test_the_last_one_may_leave() -> None:
    assert roles.removed(conversation(("o", "owner"), kind="channel"), "o", by="o").members == []


def test_a_direct_conversation_keeps_its_two() -> None:
    two = conversation(("a", "owner"), ("b", "owner"), kind="direct")
    with pytest.raises(Problem, match="direct_conversation"):
        roles.removed(two, "a", by="a")
    with pytest.raises(Problem, match="direct_conversation"):
        roles.with_role(two, "b", "member", by="a")


def test_who_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(Problem, match="not_found"):
        roles.removed(conversation(("o", "owner")), "x", by="o")


def test_a_conversation_is_handed_over() -> None:
    after = roles.with_role(conversation(*EVERYBODY), "m", "owner", by="o")
    assert roles_in(after) == {"o": "admin", "a": "admin", "b": "admin", "m": "owner", "n": "member"}


@pytest.mark.parametrize(("by", "code"), [("a", "forbidden"), ("m", "forbidden")])
def test_the_owner_alone_changes_roles(by: str, code: str) -> None:
    with pytest.raises(Problem, match=code):
        roles.with_role(conversation(*EVERYBODY), "n", "admin", by=by)


def test_the_owner_does_not_step_down_without_an_heir() -> None:
    with pytest.raises(Problem, match="owner_needed"):
        roles.with_role(conversation(*EVERYBODY), "o", "member", by="o")


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["remove", "role", "add"]),
        st.sampled_from("oabmn"),
        st.sampled_from("oabmnxy"),
        st.sampled_from(["owner", "admin", "member"]),
    ),
    max_size=30,
)


@given(_CHANGES)
def test_whatever_is_tried_there_is_one_owner_while_there_is_anybody(
    changes: list[tuple[str, str, str, Role]],
) -> None:
    here = conversation(*EVERYBODY)
    for what, by, whom, role in changes:
        if roles.role_of(here.members, by) is None:
            continue
        try:
            if what == "remove":
                here = roles.removed(here, whom, by=by)
            elif what == "role":
                here = roles.with_role(here, whom, role, by=by)
            else:
                here = roles.added(here, whom, NOW, most=6)
        except Problem:
            continue
        assert [m.role for m in here.members].count("owner") == (1 if here.members else 0)
        assert len({m.user_id for m in here.members}) == len(here.members) <= 6
