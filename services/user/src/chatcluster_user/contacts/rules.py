"""How two people stand to each other, and what each of them can make of it. Pure.

A relation is seen from one side: `mine` is how I stand to the other person, `theirs` how they stand to me. An accepted
contact is accepted on both sides; everything else is one side's own. Whoever is blocked is not told: what they do is
kept on their side and goes nowhere.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Stance(StrEnum):
    """One side of a relation."""

    NONE = "none"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    BLOCKED = "blocked"


class Action(StrEnum):
    """What I can do."""

    REQUEST = "request"
    ACCEPT = "accept"
    BLOCK = "block"
    REMOVE = "remove"
    """Withdraw or decline a request, end a contact, lift a block."""


class Relation(NamedTuple):
    """Both sides."""

    mine: Stance
    theirs: Stance


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the action is not possible; for the person."""

    code: str
    detail: str


_BLOCKED = Refused("blocked", "You have blocked this person. Lift the block first.")
_NO_REQUEST = Refused("no_request", "This person has not asked to be your contact.")
_NOTHING = Refused("not_found", "There is nothing between you and this person.")

_N, _R, _A, _B = Stance.NONE, Stance.REQUESTED, Stance.ACCEPTED, Stance.BLOCKED
_TOGETHER = Relation(_A, _A)


def after(now: Relation, action: Action) -> Relation | Refused:
    """The relation once I have done it. An action that changes nothing is fine, so that it can be repeated."""
    match action:
        case Action.REQUEST:
            return _request(now)
        case Action.ACCEPT:
            if now.mine is _B:
                return _BLOCKED
            return _TOGETHER if now.theirs in {_R, _A} else _NO_REQUEST
        case Action.BLOCK:
            return Relation(_B, _N if now.theirs is _A else now.theirs)
        case Action.REMOVE:
            return _remove(now)


def _request(now: Relation) -> Relation | Refused:
    if now.mine is _B:
        return _BLOCKED
    if now.theirs is _R:
        return _TOGETHER
    return now if now.mine is _A else Relation(_R, now.theirs)


def _remove(now: Relation) -> Relation | Refused:
    if now.mine is _A:
        return Relation(_N, _N)
    if now.mine is not _N:
        return Relation(_N, now.theirs)
    return Relation(_N, _N) if now.theirs is _R else _NOTHING


def shown(relation: Relation) -> tuple[Stance, bool] | None:
    """What I see of it: the state, and whether it is a request that came from them. None: nothing."""
    if relation.mine is not _N:
        return relation.mine, False
    return (_R, True) if relation.theirs is _R else None
