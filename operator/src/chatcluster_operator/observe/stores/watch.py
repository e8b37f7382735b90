"""When stores are asked, and what is known of them in between.

A look never waits for a probe: it takes what was last seen. The stores of one ChatCluster have one task, which sleeps
until the next of them is due and wakes the worker only when a view says something else than the one before. A
ChatCluster without a store of several members has no task and costs nothing.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.api import MemberState
from chatcluster_operator.decide.members import Contact, Member, Reach, StoreView
from chatcluster_operator.decide.snapshot import Key, Pod
from chatcluster_operator.observe.stores.probe import PROBE_ERRORS, PROBE_SECONDS, Probe

PARALLEL: Final = 32
"""Probes at one time, for all ChatClusters together."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two probes of a store, each drawn between the two numbers."""

    well: tuple[float, float] = (30.0, 45.0)
    """While all is well."""
    busy: tuple[float, float] = (1.0, 1.5)
    """While something is wrong, or goes on."""
    patience: float = 600.0
    """A store that is wrong for longer is asked ever more rarely, up to as rarely as one that is well: at that age
    nobody waits for seconds."""


@dataclass(slots=True)
class _Store:
    reach: Reach
    probe: Probe
    view: StoreView | None = None
    busy: bool = True
    due: float = 0.0
    since: float = field(default_factory=time.monotonic)
    """When it was last asked for another reason than before."""
    led: str = ""
    """The last member that led."""
    doubted: float | None = None
    """Since when it is not certain that this one leads still."""


class StoreWatch:
    """The stores of one ChatCluster. `changed` is called when a view is another than the one before."""

    def __init__(
        self, probes: Mapping[str, Probe], limit: asyncio.Semaphore, changed: Callable[[], None], *, pace: Pace = Pace()
    ) -> None:
        self._probes = probes
        self._limit = limit
        self._changed = changed
        self._pace = pace
        self._stores: dict[str, _Store] = {}
        self._poked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(__name__)

    def look(self, reaches: Mapping[str, Reach], busy: frozenset[str] = frozenset()) -> dict[str, StoreView]:
        """What was last seen of the stores in `reaches`; one that was not asked yet is absent.

        `busy` are those in which something goes on. A store whose pods, credentials or business are others than at the
        last look is asked at once.
        """
        now = time.monotonic()
        for name in self._stores.keys() - reaches.keys():
            del self._stores[name]
        for name, reach in reaches.items():
            if (probe := self._probes.get(name)) is None:
                continue
            known = self._stores.get(name)
            if known is None:
                self._stores[name] = _Store(reach, probe, busy=name in busy)
                self._poked.set()
            elif (known.reach.contacts, known.reach.credentials, known.busy) != (
                reach.contacts,
                reach.credentials,
                name in busy,
            ):
                known.reach, known.busy, known.due, known.since = reach, name in busy, now, now
                known.doubted = known.doubted or now
                self._poked.set()
            else:
                known.reach = reach
        if self._stores and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())
        return {name: item.view for name, item in self._stores.items() if item.view is not None}

    def poke(self) -> None:
        """Ask all stores again at once, as an order was given."""
        for item in self._stores.values():
            item.due = item.since = time.monotonic()
        self._poked.set()

    def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._stores:
            self._poked.clear()
            due = [name for name, item in self._stores.items() if item.due <= time.monotonic()]
            if due:
                async with asyncio.TaskGroup() as group:
                    for name in due:
                        group.create_task(self._ask(name, self._stores[name]))
                continue
            pause = min(item.due for item in self._stores.values()) - time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), max(pause, 0.05))

    async def _ask(self, name: str, store: _Store) -> None:
        reach, began = store.reach, time.monotonic()
        # Set first: whoever has other contacts meanwhile makes it due again.
        store.due = began + PROBE_SECONDS
        async with self._limit:
            view = await self._probe(name, store.probe, reach)
        if self._stores.get(name) is not store or store.reach.contacts != reach.contacts:
            store.due = time.monotonic()
            return
        age = time.monotonic() - store.since
        low, high = self._pace.busy if store.busy or not view.well else self._pace.well
        if not view.well and age > self._pace.patience:
            low, high = (min(bound * age / self._pace.patience, self._pace.well[0]) for bound in (low, high))
        store.due = time.monotonic() + random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing
        _count(store, view)
        before, store.view = store.view, view
        if view != before:
            store.since = time.monotonic()
            self._changed()

    async def _probe(self, name: str, probe: Probe, reach: Reach) -> StoreView:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                view = await probe(reach)
        except PROBE_ERRORS as error:
            view = silent(reach, f"no member answers ({type(error).__name__})")
        except Exception:
            # A defect met in one store must not end what asks the others.
            self._log.exception("a probe failed on a defect", store=name)
            view = silent(reach, "its members cannot be asked, by a defect of the operator: see the operator's log")
        return replace(view, at=time.time())


def _count(store: _Store, view: StoreView) -> None:
    """Keep account of who leads, and for how long that was in doubt when it has become another."""
    now = time.monotonic()
    leader = view.member(view.leader)
    if leader is None or leader.state is not MemberState.RUNNING:
        store.doubted = store.doubted or now
        return
    if store.led and store.led != view.leader:
        metrics.FAILOVERS.labels(view.store).inc()
        metrics.FAILOVER_SECONDS.labels(view.store).observe(now - (store.doubted or now))
    store.led, store.doubted = view.leader, None


def silent(reach: Reach, problem: str) -> StoreView:
    """A view of a store of which no member answered."""
    members = tuple(
        Member(
            contact.name,
            contact.node,
            state=MemberState.UNREACHABLE if contact.address else MemberState.ABSENT,
        )
        for contact in reach.contacts
    )
    return StoreView(reach.store, members, problem=problem)


def contacts(workload: str, wanted: int, pods: Mapping[Key, Pod]) -> tuple[Contact, ...]:
    """The members of a StatefulSet of this name that has `wanted` replicas, and further pods that it still has."""
    prefix = f"{workload}-"
    there = {
        int(ordinal): pod
        for key, pod in pods.items()
        if key.name.startswith(prefix) and (ordinal := key.name.removeprefix(prefix)).isdecimal()
    }
    return tuple(
        Contact(f"{prefix}{ordinal}", pod.address, pod.node, pod.ready, pod.ending)
        if (pod := there.get(ordinal)) is not None
        else Contact(f"{prefix}{ordinal}")
        for ordinal in sorted({*range(wanted), *there})
    )
