"""How two people stand to each other: each action on each relation, and what must hold whatever they do."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_user.contacts import rules
from chatcluster_user.contacts.rules import Action, Refused, Relation, Stance

N, R, A, B = Stance.NONE, Stance.REQUESTED, Stance.ACCEPTED, Stance.BLOCKED
REQUEST, ACCEPT, BLOCK, REMOVE = Action.REQUEST, Action.ACCEPT, Action.BLOCK, Action.REMOVE


@pytest.mark.parametrize(
    ("mine", "theirs", "action", "outcome"),
    [
        (N, N, REQUEST, (R, N)),
        (R, N, REQUEST, (R, N)),
        (N, R, REQUEST, (A, A)),
        (A, A, REQUEST, (A, A)),
        (N, B, REQUEST, (R, B)),  # goes nowhere, and looks like any other request
        (B, N, REQUEST, "blocked"),
        (B, R, REQUEST, "blocked"),
        (N, R, ACCEPT, (A, A)),
        (A, A, ACCEPT, (A, A)),
        (N, N, ACCEPT, "no_request"),
        (R, N, ACCEPT, "no_request"),
        (N, B, ACCEPT, "no_request"),
        (B, R, ACCEPT, "blocked"),
        (N, N, BLOCK, (B, N)),
        (R, N, BLOCK, (B, N)),
        (A, A, BLOCK, (B, N)),
        (N, R, BLOCK, (B, R)),
        (B, B, BLOCK, (B, B)),
        (N, B, BLOCK, (B, B)),
        (R, N, REMOVE, (N, N)),
        (R, B, REMOVE, (N, B)),
        (A, A, REMOVE, (N, N)),
        (N, R, REMOVE, (N, N)),
        (B, N, REMOVE, (N, N)),
        (B, B, REMOVE, (N, B)),
        (N, N, REMOVE, "not_found"),
        (N, B, REMOVE, "not_found"),  # as if there were nothing
    ],
)
def test_actions(mine: Stance, theirs: Stance, action: Action, outcome: tuple[Stance, Stance] | str) -> None:
    after = rules.after(Relation(mine, theirs), action)
    assert (after.code if isinstance(after, Refused) else tuple(after)) == outcome


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(Action)), max_size=30))
def test_whatever_two_people_do(steps: list[tuple[bool, Action]]) -> None:
    relation = Relation(N, N)
    for other_side, action in steps:
        seen_from = Relation(relation.theirs, relation.mine) if other_side else relation
        after = rules.after(seen_from, action)
        if isinstance(after, Refused):
            continue
        assert after.theirs is seen_from.theirs or {after.theirs, seen_from.theirs} <= {N, R, A}, (
            "nobody sets or lifts another's block"
        )
        assert rules.after(after, action) == after or action is REMOVE, "an action can be repeated"
        relation = Relation(after.theirs, after.mine) if other_side else after
        assert (relation.mine is A) == (relation.theirs is A), "a contact is one on both sides"
        assert relation != Relation(R, R), "two requests are a contact"


@pytest.mark.parametrize(("mine", "action"), list(itertools.product(Stance, Action)))
def test_a_block_cannot_be_told_from_nothing(mine: Stance, action: Action) -> None:
    if mine is A:  # ends with the block
        return
    blocked, nothing = (rules.after(Relation(mine, theirs), action) for theirs in (B, N))
    if isinstance(blocked, Refused) or isinstance(nothing, Refused):
        assert blocked == nothing
    else:
        assert rules.shown(blocked) == rules.shown(nothing)
