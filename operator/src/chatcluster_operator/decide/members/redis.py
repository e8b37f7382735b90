"""Redis' members, by what each says of itself and its Sentinel of the master.

Sentinels elect the master, and members find their place by themselves: nothing is left to decide here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import MemberRole, MemberState
from chatcluster_operator.decide.members.facts import Contact, Member, Reach, StoreView
from chatcluster_operator.desired.redis import COPIED_WITHIN_SECONDS

_REPLICA: Final = re.compile(r"slave\d+:ip=([^,]*),port=\d+,state=(\w+),offset=(\d+),lag=(\d+)")


@dataclass(frozen=True, slots=True)
class Copy:
    """A replica, as its master sees it."""

    offset: int
    copies: bool
    """Whether it has lately said that it copies."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a member says."""

    master: bool
    loading: bool
    of: str
    """Whose replica it is."""
    linked: bool
    """Whether it copies from that one, and has copied all that was there at the beginning."""
    offset: int
    """How far the stream of writes has come, in bytes."""
    copies: Mapping[str, Copy]
    """A master's replicas, by member."""
    named: str | None
    """The master, as its Sentinel has it; None: that did not answer."""

    @property
    def in_step(self) -> bool:
        """Whether all replicas that copy have all that this master has."""
        offsets = [copy.offset for copy in self.copies.values() if copy.copies]
        return bool(offsets) and all(offset >= self.offset for offset in offsets)


def told(info: str, named: str | None) -> Told:
    """What a member says, of its answer to INFO and the master that its Sentinel names."""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    master = fields.get("role") == "master"
    return Told(
        master=master,
        loading=fields.get("loading", "0") != "0",
        of=fields.get("master_host", ""),
        linked=fields.get("master_link_status") == "up" and fields.get("master_sync_in_progress") == "0",
        offset=int(fields.get("master_repl_offset", 0)),
        copies={
            host: Copy(int(offset), state == "online" and int(lag) <= COPIED_WITHIN_SECONDS)
            for host, state, offset, lag in _REPLICA.findall(info)
        },
        named=named,
    )


def elected(answers: Sequence[Told | None]) -> str:
    """The master: the one that most Sentinels name; empty where most of the members' do not agree on one."""
    named = [answer.named for answer in answers if answer is not None and answer.named]
    most = max(sorted(set(named)), key=named.count, default="")
    return most if named.count(most) * 2 > len(answers) else ""


def described(reach: Reach, answers: Sequence[Told | None]) -> StoreView:
    """The view of a store. `answers` are what the contacts said, one each; None: nothing."""
    by_name = {contact.name: answer for contact, answer in zip(reach.contacts, answers, strict=True)}
    named = elected(answers)
    lead = by_name.get(named)
    leader = named if lead is not None and lead.master and not lead.loading else ""
    members = tuple(_member(contact, by_name[contact.name], leader, lead) for contact in reach.contacts)
    return StoreView(reach.store, members, leader, _problem(named, lead if leader else None, len(members)))


def _member(contact: Contact, answer: Told | None, leader: str, lead: Told | None) -> Member:
    if not contact.address:
        return Member(contact.name, contact.node, state=MemberState.ABSENT)
    if answer is None:
        return Member(contact.name, contact.node, state=MemberState.UNREACHABLE)
    leads = contact.name == leader
    copy = lead.copies.get(contact.name) if lead else None
    copies = bool(leader) and answer.linked and answer.of == leader and copy is not None and copy.copies
    return Member(
        contact.name,
        contact.node,
        role=MemberRole.LEADER if leads else MemberRole.FOLLOWER,
        state=MemberState.RUNNING if leads or copies else MemberState.JOINING,
        in_step=leads or copies,
        detail=_detail(contact.name, answer, leader) if not (leads or copies) else _sentinel(answer),
    )


def _detail(name: str, answer: Told, leader: str) -> str:
    if answer.loading:
        return "it loads its data"
    if answer.master:
        return f"it was master and does not follow {leader} yet" if leader else "it was master"
    if answer.of != leader:
        return f"it is a replica of {answer.of}, not of {leader}" if leader else f"it is a replica of {answer.of}"
    return "it copies what it lacks"


def _sentinel(answer: Told) -> str:
    return "its Sentinel does not answer" if answer.named is None else ""


def _problem(named: str, lead: Told | None, members: int) -> str:
    if not named:
        return "no master: most Sentinels name none, or do not answer; bring back the pods of most members"
    if lead is None:
        return f"{named} is the master and does not answer; Sentinels choose another within seconds"
    copies = sum(copy.copies for copy in lead.copies.values())
    if copies < members // 2:
        return f"{named} takes no writes: {copies} of the {members // 2} replicas that must copy do"
    return ""
