"""What one look makes of one store with several members: what is done in it next, and what its status says.

At most one thing is done in a store at a time. What it is is written into the status one look before it is done, with
all that is needed to know that it has been: the member that led, the uid of the claim that is given up. So it goes on
where it was after a restart of the operator, and is not done twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from chatcluster_operator.api import (
    MemberState,
    MemberStatus,
    StoreOperation,
    StoreStatus,
    StoreWork,
    StoreWorkPhase,
)
from chatcluster_operator.decide.members.facts import Member, StoreView
from chatcluster_operator.decide.members.nodes import Surroundings, hindrance, on_lost_node, replaceable
from chatcluster_operator.decide.members.orders import Decision, Failover, Order, Switchover
from chatcluster_operator.decide.members.requests import Request, refusal
from chatcluster_operator.decide.operations import Wait

HANDOVER_SECONDS: Final = 120
"""How long a switchover or failover may take until another member leads."""
RETRY_SECONDS: Final = 15
"""Seconds until what waits is looked at again, although nothing has changed but the time."""
_SILENT: Final = frozenset({MemberState.UNREACHABLE, MemberState.ABSENT})
_REMAKES: Final = frozenset({StoreWork.REBUILD, StoreWork.REPLACE})
"""What gives a volume up, and ends once the member has another and is in step."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A step: delete the claim of a member's volume, and its pod, so that both are made anew.

    Both by uid: what has been made anew meanwhile is not touched.
    """

    store: str
    member: str
    claim: str
    claim_uid: str
    pod_uid: str
    """Empty: there is no pod."""
    force: bool
    """Whether the pod is not waited for: its node is lost, or it does not answer, so nobody may ever say that it has
    ended."""


@dataclass(frozen=True, slots=True)
class Course:
    """One store, as a look leaves it."""

    wanted: int
    """Members that the spec asks for."""
    view: StoreView | None = None
    """As last seen; None: not asked yet, since this process leads."""
    decision: Decision = field(default_factory=Decision)
    operation: StoreOperation | None = None
    """What is done in it, or was last."""
    give_up: GiveUp | None = None
    """The volume to be given up now."""
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    """Members whose node is lost, and since when, Unix seconds."""
    heeded: Mapping[str, str] = field(default_factory=dict[str, str])
    """Requests that were begun or refused, as in the status."""
    due: int | None = None
    """When to look again at the latest, Unix seconds; None: when something changes."""

    @property
    def busy(self) -> bool:
        """Whether something goes on, so that its members are to be asked often."""
        return bool(self.decision.orders or self.give_up or running(self.operation))


def running(operation: StoreOperation | None) -> bool:
    """Whether it has neither ended nor failed."""
    return operation is not None and operation.phase is StoreWorkPhase.RUNNING


@dataclass(frozen=True, slots=True)
class Question:
    """All that the course of a store depends on, beside the store's own decision."""

    store: str
    wanted: int
    view: StoreView | None
    before: StoreStatus | None
    """What its status says; None: nothing yet."""
    around: Surroundings
    request: Request | None
    """The next thing that a person asks for."""
    wait: Wait | None
    """Why that may not begin now."""
    replace_after: int
    """`spec.failover.replaceAfterSeconds`."""
    now: int
    """Unix seconds."""


def set_course(question: Question, decision: Decision) -> Course:
    """The course of a store, of which its own decider says `decision`."""
    view, before = question.view, question.before
    known = before.operation if before else None
    heeded = before.heeded if before else {}
    lost = _lost(question)
    base = Course(question.wanted, view, decision, known, lost=lost, heeded=heeded)
    if view is None:
        return base
    request, wait = question.request, question.wait
    if known is not None and running(known) and not (request and _gives_way(question, known, request)):
        return _go_on(question, base, known, view)
    if request is not None and wait is None:
        return _begin(question, base, request, view)
    if request is not None and wait is not None:
        base = _waiting(base, f"{request.what.value.lower()} {wait.message}", due=wait.until)
    if lost:
        return _replace(question, base, view)
    silent = next((member for member in view.members if member.state in _SILENT), None)
    if question.around.nodes is None and silent is not None:
        remedy = f"kubectl chat rebuild {question.store} {silent.name}"
        base = _waiting(base, f"the operator may not see nodes here: should that of {silent.name} be lost, {remedy}")
    return _waiting(base, due=question.now + RETRY_SECONDS) if decision.waits else base


def _gives_way(question: Question, known: StoreOperation, request: Request) -> bool:
    """Whether what goes on may be left for a handover: a copy may take hours, and the lead must not wait for it.

    A member that is made anew then goes on being so by itself, or is begun with again.
    """
    claim = question.around.claims.get(known.member)
    midway = claim is not None and claim.uid == known.claim and claim.ending
    return known.what in _REMAKES and request.what not in _REMAKES and question.wait is None and not midway


def _lost(question: Question) -> dict[str, int]:
    """Members whose node is lost, and when that was first seen."""
    before = {item.name: item.lost_since for item in question.before.members} if question.before else {}
    if question.view is None:
        return {name: since for name, since in before.items() if since is not None}
    return {
        member.name: since if (since := before.get(member.name)) is not None else question.now
        for member in question.view.members
        if on_lost_node(member, question.around)
    }


def _begin(question: Question, base: Course, request: Request, view: StoreView) -> Course:
    heeded = {**base.heeded, request.key: request.value}
    claim = question.around.claims.get(request.member)
    problem = refusal(request, view)
    if not problem and request.what in _REMAKES:
        problem = hindrance(request.member, view, question.around, wanted=question.wanted, now=question.now)
        if not problem and claim is None:
            return _waiting(
                base, f"{request.member} has no volume that could be given up", due=question.now + RETRY_SECONDS
            )
    operation = StoreOperation(
        what=request.what,
        phase=StoreWorkPhase.FAILED if problem else StoreWorkPhase.RUNNING,
        member=request.member,
        leader=view.leader,
        claim=claim.uid if claim and request.what in _REMAKES else "",
        started=question.now,
        since=question.now,
        message=problem[:1024],
    )
    return replace(base, operation=operation, heeded=heeded)


def _replace(question: Question, base: Course, view: StoreView) -> Course:
    """Begin with the member that has been lost for longest, once its time has come."""
    name = min(base.lost, key=lambda item: (base.lost[item], item))
    member = view.member(name)
    due = base.lost[name] + question.replace_after
    if member is None:
        return base
    if question.now < due:
        node = on_lost_node(member, question.around)
        waits = f"{name} is made anew elsewhere unless {node} is back within {due - base.lost[name]} s of its loss"
        return _waiting(base, waits, due=due)
    if why := replaceable(member, view, question.around, wanted=question.wanted, now=question.now):
        return _waiting(base, why, due=question.now + RETRY_SECONDS)
    operation = StoreOperation(
        what=StoreWork.REPLACE,
        phase=StoreWorkPhase.RUNNING,
        member=name,
        leader=view.leader,
        claim=question.around.claims[name].uid,
        started=question.now,
        since=question.now,
    )
    return replace(base, operation=operation)


def _go_on(question: Question, base: Course, known: StoreOperation, view: StoreView) -> Course:
    if known.what in _REMAKES:
        return _remake(question, base, known, view)
    leader = view.member(view.leader)
    if leader is not None and view.leader != known.leader and known.member in {"", view.leader}:
        return replace(base, operation=_ended(known, question.now))
    if question.now - known.started > HANDOVER_SECONDS:
        said = known.message or "see what the store says"
        message = f"no other member leads after {HANDOVER_SECONDS} s: {said}; ask again"
        return replace(base, operation=_ended(known, question.now, message))
    # Whoever leads now is not who did: then it is not again that one's turn to hand over.
    kind = Switchover if known.what is StoreWork.SWITCHOVER else Failover
    order: Order = kind(question.store, "asked for by annotation", known.member)
    given = () if view.leader not in {"", known.leader} else (order,)
    return replace(base, decision=replace(base.decision, orders=(*given, *base.decision.orders)))


def _remake(question: Question, base: Course, known: StoreOperation, view: StoreView) -> Course:
    member, claim = view.member(known.member), question.around.claims.get(known.member)
    if member is None:
        return replace(base, operation=_ended(known, question.now, "there is no such member any more"))
    if claim is not None and claim.uid == known.claim:
        why = hindrance(known.member, view, question.around, wanted=question.wanted, now=question.now)
        back = known.what is StoreWork.REPLACE and known.member not in base.lost
        if back and not claim.ending:
            # The node is back before anything was given up.
            return replace(base, operation=_ended(known, question.now))
        if why:
            return _waiting(base, f"{known.member}: {why}")
        step = GiveUp(
            question.store,
            known.member,
            claim.name,
            claim.uid,
            question.around.pods.get(known.member, ""),
            force=known.member in base.lost or member.state is MemberState.UNREACHABLE,
        )
        return replace(base, give_up=step)
    if member.well and claim is not None:
        return replace(base, operation=_ended(known, question.now))
    return _waiting(base, f"{known.member} is made anew")


def _ended(known: StoreOperation, now: int, problem: str = "") -> StoreOperation:
    phase = StoreWorkPhase.FAILED if problem else StoreWorkPhase.DONE
    return known.model_copy(update={"phase": phase, "since": now, "message": problem})


def _waiting(base: Course, *more: str, due: int | None = None) -> Course:
    waits = "; ".join(filter(None, (*more, base.decision.waits)))
    times = [at for at in (base.due, due) if at is not None]
    return replace(base, decision=replace(base.decision, waits=waits), due=min(times, default=None))


def store_status(course: Course, previous: StoreStatus | None, failed: str = "") -> StoreStatus:
    """What the status says of a store. Before its members have been asked it is what it said before.

    `failed` is what it was told to do in this look and did not, and why.
    """
    view, operation = course.view, course.operation
    known = previous or StoreStatus(size=course.wanted)
    if operation is not None and running(operation):
        operation = operation.model_copy(update={"message": failed[:1024]})
    news = {"size": course.wanted, "operation": operation, "heeded": dict(course.heeded)}
    if view is not None:
        members = [_member_status(member, course.lost.get(member.name)) for member in view.members]
        news |= {"leader": view.leader, "members": members, "problem": view.problem[:1024]}
    return known.model_copy(update=news)


def _member_status(member: Member, lost_since: int | None) -> MemberStatus:
    return MemberStatus(
        name=member.name,
        node=member.node,
        role=member.role,
        state=member.state,
        in_step=member.in_step,
        detail=member.detail[:512],
        lost_since=lost_since,
    )
