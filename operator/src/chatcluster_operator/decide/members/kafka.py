"""Kafka's nodes, by what they say (`stores/kafka`: `/state`), and which of them may go.

The nodes look after themselves: whichever has the active controller makes topics and moves copies. What is left to
decide here is how many pods there are while brokers are emptied that are to go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from chatcluster_operator.api import MemberRole, MemberState
from chatcluster_operator.decide.members.facts import Contact, Member, Reach, StoreView
from chatcluster_operator.decide.members.orders import Decision, Standing

_Text = Annotated[str, Field(max_length=4096)]
_MOST_TOLD: Final = 3
"""Copies that are told one by one; of more, the number."""


class _Told(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class ToldBroker(_Told):
    """A broker, as a node sees it."""

    id: int
    alive: bool
    holds: int
    """Copies of partitions on it, those that are on their way to or from it too."""


class ToldView(_Told):
    """The cluster, as a node sees it."""

    leader: int
    """Node of the active controller; -1: not known."""
    voters: list[int]
    brokers: list[ToldBroker]
    behind: list[_Text]
    """Copies that are out of step, some of them."""
    behind_count: int
    reassigning: int
    problem: _Text
    """Why what should be done could not be; only the active controller's node knows."""


class ToldState(_Told):
    """What a node says."""

    ready: bool
    why: _Text
    """Why it is not ready."""
    view: ToldView


@dataclass(frozen=True, slots=True)
class Broker(Member):
    """One node."""

    empty: bool = False
    """Whether all that answer say that it holds nothing: it may go for good."""


def described(reach: Reach, answers: Sequence[object]) -> StoreView:
    """The view of a store. `answers` are what the contacts said, one each, None for one that said nothing."""
    told = {ordinal: state for ordinal, answer in enumerate(answers) if (state := _read(answer)) is not None}
    names = [contact.name for contact in reach.contacts]
    ids = {ordinal: int(name.rpartition("-")[2]) for ordinal, name in enumerate(names)}
    states = {ids[ordinal]: state for ordinal, state in told.items()}
    leader = _leader(states)
    members = tuple(_member(ids[index], contact, states, leader) for index, contact in enumerate(reach.contacts))
    name_of = {ids[ordinal]: name for ordinal, name in enumerate(names)}
    return StoreView(reach.store, members, leader=name_of.get(leader, ""), problem=_problem(states, leader))


def _read(answer: object) -> ToldState | None:
    try:
        return ToldState.model_validate(answer) if answer is not None else None
    except ValidationError:
        return None


def _leader(states: Mapping[int, ToldState]) -> int:
    """The node of the active controller: the one that most name; nobody's where no two of several agree."""
    named = [state.view.leader for state in states.values() if state.view.leader >= 0]
    most = max(set(named), key=named.count, default=-1)
    return most if named.count(most) * 2 > len(named) else -1


def _member(node: int, contact: Contact, states: Mapping[int, ToldState], leader: int) -> Broker:
    if not contact.address:
        return Broker(contact.name, contact.node, state=MemberState.ABSENT)
    state = states.get(node)
    if state is None:
        return Broker(contact.name, contact.node, state=MemberState.UNREACHABLE)
    return Broker(
        contact.name,
        contact.node,
        role=MemberRole.LEADER if node == leader else MemberRole.FOLLOWER,
        state=MemberState.RUNNING if state.ready else MemberState.JOINING,
        in_step=state.ready,
        detail=state.why[:512],
        empty=_empty(node, states),
    )


def _empty(node: int, states: Mapping[int, ToldState]) -> bool:
    held = [broker.holds for state in states.values() for broker in state.view.brokers if broker.id == node]
    return bool(held) and not any(held)


def _problem(states: Mapping[int, ToldState], leader: int) -> str:
    if not states:
        return "no node answers"
    if leader < 0:
        return "no controller is elected: topics stay as they are, and no leader moves, until most controllers are back"
    # The active controller's node knows best; the others know it from there.
    view = states[leader].view if leader in states else next(iter(states.values())).view
    if view.problem:
        return f"what is to be done cannot be: {view.problem}"[:1024]
    if view.behind_count > _MOST_TOLD:
        return "copies of partitions are out of step"
    if view.behind_count:
        return f"out of step: {', '.join(view.behind[:_MOST_TOLD])}"[:1024]
    return "partitions are moved" if view.reassigning else ""


def decide(standing: Standing) -> Decision:
    """How many pods there may be: one that is to go stays until it holds nothing, and those before it with it."""
    going = standing.view.members[standing.wanted : standing.made]
    held = [ordinal for ordinal, member in enumerate(going, standing.wanted) if not _may_go(member)]
    if not held:
        return Decision()
    names = ", ".join(standing.view.members[ordinal].name for ordinal in held)
    return Decision(
        members=held[-1] + 1,
        waits=f"what {names} holds is moved to the brokers that stay; each pod goes once it holds nothing",
    )


def _may_go(member: Member) -> bool:
    return isinstance(member, Broker) and member.empty
