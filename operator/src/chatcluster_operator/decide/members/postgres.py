"""PostgreSQL's members, by what each one's Patroni says (`/cluster`): which could lead without a loss, which may go.

Patroni elects, demotes and makes copies by itself. What is left to decide here is that a member that leads and is to go
hands over first, and whether what is left of the members knows everything that was acknowledged.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chatcluster_operator.api import MemberRole, MemberState
from chatcluster_operator.decide.members.facts import Contact, Member, Reach, StoreView
from chatcluster_operator.decide.members.orders import Decision, Standing, Switchover

BEHIND_BYTES: Final = 16 * 1024 * 1024
"""By how much a copy may be behind before that is told: one file of PostgreSQL's log."""
_LEADS: Final = frozenset({"leader", "standby_leader"})
_SERVES: Final = frozenset({"running", "streaming"})
_IN_STEP: Final = "quorum_standby"

_Text = Annotated[str, Field(max_length=253)]


class ToldMember(BaseModel):
    """A member, as Patroni's `/cluster` has it."""

    model_config = ConfigDict(extra="ignore")

    name: _Text
    role: _Text
    state: _Text
    lag: int | str | None = None
    """Bytes by which its copy is behind."""
    pending_restart: bool = False

    @property
    def leads(self) -> bool:
        """Whether it holds the lock."""
        return self.role in _LEADS

    @property
    def in_step(self) -> bool:
        """Whether it has all that was acknowledged, or is one of those of which enough together have."""
        return (self.leads and self.state in _SERVES) or (self.role == _IN_STEP and self.state == "streaming")


class Told(BaseModel):
    """What Patroni's `/cluster` says."""

    model_config = ConfigDict(extra="ignore")

    members: Annotated[list[ToldMember], Field(max_length=16)]

    @property
    def leader(self) -> str:
        """The member that holds the lock, as whoever says this knows."""
        return next((member.name for member in self.members if member.leads), "")


def told(answer: object) -> Told | None:
    """A Patroni's answer; None where it is none."""
    try:
        return Told.model_validate(answer)
    except ValidationError:
        return None


def described(reach: Reach, answers: Sequence[object]) -> StoreView:
    """The store, of what each contact answered: None, where nothing came."""
    said = {
        contact.name: heard for contact, answer in zip(reach.contacts, answers, strict=True) if (heard := told(answer))
    }
    leader = elected(list(said.values()))
    # Of the others it knows best whose copies are in step.
    best = said.get(leader) or next((heard for heard in said.values() if heard.leader == leader), None)
    known = {member.name: member for member in best.members} if best else {}
    members = tuple(_member(contact, contact.name in said, known.get(contact.name)) for contact in reach.contacts)
    return StoreView(reach.store, members, leader if leader in said else "", _problem(leader, leader in said))


def elected(answers: Sequence[Told]) -> str:
    """Who leads, by most of those who answered: one that is cut off from Kubernetes may not have heard yet."""
    votes = Counter(heard.leader for heard in answers if heard.leader)
    return max(sorted(votes), key=votes.__getitem__, default="")


def _member(contact: Contact, answers: bool, heard: ToldMember | None) -> Member:
    if not answers:
        state = MemberState.UNREACHABLE if contact.address else MemberState.ABSENT
        return Member(contact.name, contact.node, state=state)
    if heard is None:
        return Member(contact.name, contact.node, state=MemberState.JOINING, detail="starts")
    serves = heard.state in _SERVES
    return Member(
        contact.name,
        contact.node,
        role=MemberRole.LEADER if heard.leads else MemberRole.FOLLOWER,
        state=MemberState.RUNNING if serves else MemberState.JOINING,
        in_step=heard.in_step,
        detail=_detail(heard, serves),
    )


def _detail(heard: ToldMember, serves: bool) -> str:
    details = (
        ("" if serves else heard.state),
        "behind by more than 16 MiB" if isinstance(heard.lag, int) and heard.lag > BEHIND_BYTES else "",
        "has settings that take a restart" if heard.pending_restart else "",
    )
    return "; ".join(filter(None, details))


def _problem(leader: str, answers: bool) -> str:
    if not leader:
        return (
            "no member leads, so nothing can be read or written: those that are left do not know whether they have "
            "all that was acknowledged, and wait for the others; bring their pods back"
        )
    return (
        "" if answers else f"{leader} leads and does not answer; another takes over within {_TAKEN_OVER} s of its end"
    )


_TAKEN_OVER: Final = 26
"""See docs/failover.md."""


@dataclass(frozen=True, slots=True)
class Voter:
    """A member that might take over."""

    name: str
    position: int
    """How far its log is, in bytes."""


def successor(voters: Sequence[Voter], known: int, members: int, asked: str) -> str | None:
    """Who may take over from a leader that does not answer, nothing that was acknowledged lost; None: nobody for now.

    A commit was acknowledged by `members // 2` of the `known` members in step. So of these, so many have to be heard
    (`voters`) that at least one of each such choice is among them, and the one whose log is longest has it all.
    """
    if len(voters) < known - members // 2 + 1:
        return None
    longest = max((voter.position for voter in voters), default=0)
    fit = sorted(voter.name for voter in voters if voter.position == longest)
    return asked if asked in fit else None if asked or not fit else fit[0]


def decide(standing: Standing) -> Decision:
    """The leader hands over before it goes; everything else Patroni does by itself."""
    view, made, wanted = standing.view, standing.made, standing.wanted
    staying = view.members[:wanted]
    if made <= wanted or any(member.name == view.leader for member in staying):
        return Decision()
    fit = [member.name for member in staying if member.well]
    if not view.leader or not fit:
        return Decision(members=made, waits="members are given up once one that stays is in step and can lead")
    why = f"{view.leader} is to go, as there are to be {wanted} members"
    return Decision((Switchover(view.store, why, to=fit[0]),), made, f"{view.leader} hands over before it goes")
