"""The object store: what its masters' answers mean. It needs nothing decided: masters elect a leader, the one that
leads has lost copies made anew every few minutes, and a member with an empty volume is filled like a new one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatcluster_operator.api import MemberRole, MemberState
from chatcluster_operator.decide.members.facts import Contact, Member, Reach, StoreView

Document = Mapping[str, Any]

COPIES: Final = 2
"""Of each volume, on two nodes."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the masters said."""

    statuses: Mapping[str, Document]
    """By member: its master's answer at /cluster/status. Only the first three members have a master."""
    volumes: Document | None
    """What the master that leads answered at /vol/status; None: none leads."""


def view(reach: Reach, answers: Answers) -> StoreView:
    """What the answers mean. A member is in step while no file would be lost with it."""
    leader = _leader(answers)
    held = _held(answers.volumes)
    copies = Counter(volume for volumes in held.values() for volume in volumes)
    alone = {volume for volume, count in copies.items() if count < COPIES}
    known = answers.volumes is not None
    members = tuple(
        _member(contact, leader, held.get(contact.name) if known else None, alone) for contact in reach.contacts
    )
    return StoreView(reach.store, members, leader=leader, problem=_problem(leader, len(alone)))


def _leader(answers: Answers) -> str:
    """Name of the member whose master leads, as most of those that answer have it."""
    named = Counter(_pod(str(status.get("Leader", ""))) for status in answers.statuses.values())
    named.pop("", None)
    return named.most_common(1)[0][0] if named else ""


def _held(volumes: Document | None) -> dict[str, frozenset[int]]:
    """Numbers of the volumes that each member has, by member: of those that are connected to the master."""
    told: Document = (volumes or {}).get("Volumes") or {}
    centers: Mapping[str, Mapping[str, Mapping[str, list[Document] | None]]] = told.get("DataCenters") or {}
    return {
        _pod(address): frozenset(int(volume["Id"]) for volume in found or ())
        for racks in centers.values()
        for nodes in racks.values()
        for address, found in nodes.items()
    }


def _pod(address: str) -> str:
    return address.partition(":")[0].partition(".")[0]


def _member(contact: Contact, leader: str, held: frozenset[int] | None, alone: set[int]) -> Member:
    role = MemberRole.LEADER if contact.name == leader else MemberRole.FOLLOWER
    if not contact.address:
        return Member(contact.name, contact.node, state=MemberState.ABSENT)
    if held is None:
        # Either no master leads, or this member is not connected to it: then it may still be starting.
        state = MemberState.JOINING if leader else MemberState.UNREACHABLE
        return Member(contact.name, contact.node, state=state, detail="not connected to the master that leads")
    only = "has the only copy of files" if held & alone else ""
    return Member(contact.name, contact.node, role, MemberState.RUNNING, not only, only)


def _problem(leader: str, alone: int) -> str:
    if not leader:
        return (
            "no master leads, so nothing is written; two of the first three members elect one once they see each other"
        )
    if alone:
        return (
            "files have one copy instead of two; others are made within minutes on members with room, on another node"
        )
    return ""
