"""Who may be in a conversation, and who decides."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.errors import Problem
from chatcluster_message import roles
from chatcluster_message.models import Member, Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def members(*people: tuple[str, Role]) -> list[Member]:
    """Members who joined an hour after one another."""
    return [
        Member(user_id=user_id, role=role, joined_at=NOW + timedelta(hours=n))
        for n, (user_id, role) in enumerate(people)
    ]


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_people_have_one_key_whoever_begins(one: str, other: str) -> None:
    assert roles.direct_key(one, other) == roles.direct_key(other, one)


@pytest.mark.parametrize(("by", "allowed"), [("o", True), ("a", True), ("m", False)])
def test_owners_and_admins_add_people(by: str, allowed: bool) -> None:
    before = members(("o", "owner"), ("a", "admin"), ("m", "member"))
    if allowed:
        after = roles.added("group", before, by=by, user_id="new", now=NOW, most=10)
        assert (after[-1].user_id, after[-1].role, len(after)) == ("new", "member", 4)
    else:
        with pytest.raises(Problem, match="forbidden"):
            roles.added("group", before, by=by, user_id="new", now=NOW, most=10)


def test_adding_a_member_again_changes_nothing() -> None:
    before = members(("o", "owner"), ("m", "member"))
    assert roles.added("group", before, by="o", user_id="m", now=NOW, most=2) == before


def test_a_full_conversation_takes_nobody() -> None:
    with pytest.raises(Problem, match="conversation_full"):
        roles.added("group", members(("o", "owner")), by="o", user_id="n", now=NOW, most=1)


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
    before = members(("o", "owner"), ("a", "admin"), ("b", "admin"), ("m", "member"), ("n", "member"))
    if allowed:
        assert whom not in [m.user_id for m in roles.removed("group", before, by=by, user_id=whom)]
    else:
        with pytest.raises(Problem, match="forbidden"):
            roles.removed("group", before, by=by, user_id=whom)


def test_an_owner_who_leaves_passes_it_to_the_longest_standing_admin() -> None:
    before = members(("o", "owner"), ("m", "member"), ("a", "admin"), ("b", "admin"))
    after = roles.removed("group", before, by="o", user_id="o")
    assert {m.user_id: m.role for m in after} == {"m": "member", "a": "owner", "b": "admin"}


def test_the_last_one_may_leave() -> None:
    assert roles.removed("channel", members(("o", "owner")), by="o", user_id="o") == []


def test_a_direct_conversation_keeps_its_two() -> None:
    two = members(("a", "owner"), ("b", "owner"))
    with pytest.raises(Problem, match="direct_conversation"):
        roles.removed("direct", two, by="a", user_id="a")
    with pytest.raises(Problem, match="direct_conversation"):
        roles.added("direct", two, by="a", user_id="c", now=NOW, most=10)


def test_who_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(Problem, match="not_found"):
        roles.removed("group", members(("o", "owner")), by="o", user_id="x")
