"""Stores with several members, as one look sees them: asked, decided on, and told what to do."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chatcluster_operator.act.actor import Leadership
from chatcluster_operator.act.stores import COMMANDS
from chatcluster_operator.act.stores.commander import Commander
from chatcluster_operator.api import STORES, ChatCluster, StoreOperation
from chatcluster_operator.decide import Key, Snapshot
from chatcluster_operator.decide.members import DECIDERS, Course, Decision, Reach, Standing
from chatcluster_operator.desired import Credentials
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import WorkloadKind
from chatcluster_operator.observe.stores import PROBES, StoreWatch, contacts


@dataclass(frozen=True)
class Membership:
    """What one look makes of all of them, by store."""

    courses: Mapping[str, Course] = field(default_factory=dict[str, Course])
    reaches: Mapping[str, Reach] = field(default_factory=dict[str, Reach])

    @property
    def replicas(self) -> dict[str, int]:
        """Replicas of StatefulSets that are not what the spec asks for, as `Inputs.members` has them."""
        return {name: item.decision.members for name, item in self.courses.items() if item.decision.members is not None}


class Members:
    """Those of one ChatCluster."""

    def __init__(self, leadership: Leadership, limit: asyncio.Semaphore, changed: Callable[[], None]) -> None:
        self._watch = StoreWatch(PROBES, limit, changed)
        self._commander = Commander(COMMANDS, leadership)
        self._busy: frozenset[str] = frozenset()

    def look(self, cluster: ChatCluster, credentials: Credentials, snapshot: Snapshot, *, now: int) -> Membership:
        """What is known, and what is to be done. `now` is in Unix seconds."""
        reaches = reaches_of(cluster, credentials, snapshot)
        views = self._watch.look(reaches, self._busy)
        courses: dict[str, Course] = {}
        for name in reaches:
            view, wanted = views.get(name), sizing(cluster)[name].replicas.value
            operation = _operation(cluster, name)
            decision = Decision()
            if view is not None and (decider := DECIDERS.get(name)) is not None:
                decision = decider(Standing(cluster, view, wanted, _made(cluster, name, snapshot), now))
            courses[name] = Course(wanted, view, decision, operation)
        self._busy = frozenset(name for name, course in courses.items() if course.busy)
        return Membership(courses, reaches)

    async def carry_out(self, membership: Membership) -> dict[str, str]:
        """Give the orders. Returns what failed and why, by store. Raises StandbyError."""
        orders = {name: item.decision.orders for name, item in membership.courses.items() if item.decision.orders}
        failed = await self._commander.give(orders, membership.reaches)
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


def _operation(cluster: ChatCluster, store: str) -> StoreOperation | None:
    known = cluster.store_status(store).get("operation")
    return StoreOperation.model_validate(known) if known else None
