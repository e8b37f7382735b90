"""Stores with several members, as one look sees them: asked, decided on, and told what to do."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chatcluster_operator.act import Actor
from chatcluster_operator.act.stores import COMMANDS
from chatcluster_operator.act.stores.commander import Commander
from chatcluster_operator.api import STORES, ChatCluster, MemberState, StoreStatus, StoreWork
from chatcluster_operator.decide import Key, Situation, Snapshot, Work, may_begin, situation
from chatcluster_operator.decide.members import (
    DECIDERS,
    Claim,
    Course,
    Decision,
    Question,
    Reach,
    Standing,
    StoreView,
    Surroundings,
    running,
    set_course,
)
from chatcluster_operator.decide.members.requests import Request, pending
from chatcluster_operator.desired import Credentials, components
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import DATA_CLAIM
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import WorkloadKind
from chatcluster_operator.observe import Observer, Owner
from chatcluster_operator.observe.stores import PROBES, StoreWatch, contacts

STEADY_SECONDS: Final = 30.0
"""How long the API server must have answered without a gap before nodes are believed to be lost: after one, kubelets
need some seconds to report, and the control plane to take it in."""
CLAIM_SECONDS: Final = 20.0
"""How long a claim that was looked up is good for while nothing is done with it."""

_WORKS: Final = {
    StoreWork.SWITCHOVER: Work.SWITCHOVER,
    StoreWork.FAILOVER: Work.FAILOVER,
    StoreWork.REBUILD: Work.REBUILD,
}


@dataclass(frozen=True)
class Membership:
    """What one look makes of all of them, by store."""

    courses: Mapping[str, Course] = field(default_factory=dict[str, Course])
    reaches: Mapping[str, Reach] = field(default_factory=dict[str, Reach])

    @property
    def replicas(self) -> dict[str, int]:
        """Replicas of StatefulSets that are not what the spec asks for, as `Inputs.members` has them."""
        return {name: item.decision.members for name, item in self.courses.items() if item.decision.members is not None}

    @property
    def due(self) -> int | None:
        """When to look again at the latest, Unix seconds; None: when something changes."""
        return min((item.due for item in self.courses.values() if item.due is not None), default=None)


class Members:
    """Those of one ChatCluster."""

    def __init__(
        self, observer: Observer, owner: Owner, actor: Actor, limit: asyncio.Semaphore, changed: Callable[[], None]
    ) -> None:
        self._observer = observer
        self._owner = owner
        self._actor = actor
        self._watch = StoreWatch(PROBES, limit, changed)
        self._commander = Commander(COMMANDS, actor.leadership)
        self._busy: frozenset[str] = frozenset()
        self._claims: dict[str, tuple[float, Claim | None]] = {}

    async def look(self, cluster: ChatCluster, credentials: Credentials, snapshot: Snapshot, *, now: int) -> Membership:
        """What is known, and what is to be done. `now` is in Unix seconds. Raises what `kube.Client` raises."""
        reaches = reaches_of(cluster, credentials, snapshot)
        views = self._watch.look(reaches, self._busy)
        courses = {
            name: await self._course(cluster, name, views.get(name), reach, snapshot, now)
            for name, reach in reaches.items()
        }
        self._busy = frozenset(name for name, course in courses.items() if course.busy)
        return Membership(courses, reaches)

    async def _course(  # noqa: PLR0917 - what a course is made from
        self, cluster: ChatCluster, name: str, view: StoreView | None, reach: Reach, snapshot: Snapshot, now: int
    ) -> Course:
        known = cluster.store_status(name)
        before = StoreStatus.model_validate(known) if known else None
        heeded = before.heeded if before else {}
        request = pending(cluster.annotations, name, heeded, created=cluster.created)
        wanted = sizing(cluster)[name].replicas.value
        around = Surroundings(nodes=self._observer.nodes)
        made = _made(cluster, name, snapshot)
        # Until its members have been asked, none of them is given up.
        decision = Decision(members=made if made > wanted else None)
        if view is not None:
            around = Surroundings(
                around.nodes,
                await self._claims_of(reach, view, around, before, request),
                {key.name: pod.uid for key, pod in snapshot.pods.items() if pod.component == name},
                steady=self._observer.steady >= STEADY_SECONDS,
            )
            if (decider := DECIDERS.get(name)) is not None:
                lost = frozenset(contact.node for contact in reach.contacts if around.lost(contact.node))
                decision = decider(Standing(cluster, view, wanted, made, now, lost))
        question = Question(
            store=name,
            wanted=wanted,
            view=view,
            before=before,
            around=around,
            request=request,
            wait=may_begin(_WORKS[request.what], _situation(cluster, snapshot, now)) if request else None,
            replace_after=cluster.spec.failover.replace_after_seconds,
            now=now,
        )
        return set_course(question, decision)

    async def _claims_of(
        self,
        reach: Reach,
        view: StoreView,
        around: Surroundings,
        before: StoreStatus | None,
        request: Request | None,
    ) -> dict[str, Claim]:
        """Claims of members that may have to be made anew: none while all is well, so that it costs no call."""
        concerned = {request.member} if request and request.what is StoreWork.REBUILD else set[str]()
        operation = before.operation if before else None
        moving = operation.member if operation and operation.claim and running(operation) else ""
        known = {member.name: member for member in view.members}
        for contact in reach.contacts:
            away = around.nodes is not None and (not contact.node or around.lost(contact.node))
            # One that was not asked yet is not known to be away.
            member = known.get(contact.name)
            if away and member is not None and member.state is not MemberState.RUNNING:
                concerned.add(contact.name)
        found: dict[str, Claim] = {}
        for name in sorted(({*concerned, moving} - {""}) & known.keys()):
            at, claim = self._claims.get(name, (float("-inf"), None))
            if name == moving or time.monotonic() - at > CLAIM_SECONDS:
                claim = await self._observer.claim(self._owner, f"{DATA_CLAIM}-{name}")
                self._claims[name] = time.monotonic(), claim
            if claim is not None:
                found[name] = claim
        return found

    async def carry_out(self, cluster: ChatCluster, membership: Membership) -> dict[str, str]:
        """Give the orders, and give volumes up. Returns what failed and why, by store. Raises StandbyError."""
        courses = membership.courses
        orders = {name: item.decision.orders for name, item in courses.items() if item.decision.orders}
        failed = await self._commander.give(orders, membership.reaches)
        for name, item in courses.items():
            if item.give_up is not None and (problem := await self._actor.give_up(cluster, item.give_up)):
                failed[name] = problem
        if orders:
            self._watch.poke()
        return failed

    def close(self) -> None:
        """Stop asking."""
        self._watch.close()


def reaches_of(cluster: ChatCluster, credentials: Credentials, snapshot: Snapshot) -> dict[str, Reach]:
    """How to reach the members of each managed store that has several, or is to have, once it is made."""
    if cluster.spec.hibernated or cluster.deleting:
        return {}
    reaches: dict[str, Reach] = {}
    for name in STORES:
        wanted, made = sizing(cluster)[name].replicas.value, _made(cluster, name, snapshot)
        if cluster.spec.store(name).external is not None or not made or max(wanted, made) == 1:
            continue
        found = contacts(object_name(cluster, name), max(wanted, made), snapshot.pods)
        reaches[name] = Reach(cluster, name, credentials, found)
    return reaches


def _made(cluster: ChatCluster, store: str, snapshot: Snapshot) -> int:
    child = snapshot.children.get(Key(WorkloadKind.STATEFUL_SET.value, object_name(cluster, store)))
    return child.workload.wanted if child and child.workload else 0


def _situation(cluster: ChatCluster, snapshot: Snapshot, now: int) -> Situation:
    found = {item.name: snapshot.children.get(Key(item.kind.value, item.workload)) for item in components(cluster)}
    workloads = {name: child.workload for name, child in found.items() if child and child.workload}
    return situation(cluster, list(found), workloads, now=now)
