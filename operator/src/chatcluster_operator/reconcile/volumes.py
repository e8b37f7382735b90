"""Volumes that grow, in one look: what is wanted against what is, and claims read only where the two differ, or where
a StatefulSet is made, which may find volumes that are there already."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chatcluster_operator.act import Actor
from chatcluster_operator.api import STORES, ChatCluster
from chatcluster_operator.decide import Key, Snapshot
from chatcluster_operator.decide.volumes import Claim, Growth, growth, larger
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import WorkloadKind
from chatcluster_operator.observe import Observer, Owner

FIRST_PAUSE: Final = 5
LAST_PAUSE: Final = 600
"""Seconds between two readings of the claims, at first and at most: it doubles for as long as nothing changes."""


class Volumes:
    """Those of one ChatCluster."""

    def __init__(self, observer: Observer, owner: Owner) -> None:
        self._observer = observer
        self._owner = owner
        self._claims: tuple[Claim, ...] | None = None
        self._expandable: Mapping[str, bool] = {}
        self._short: Mapping[str, str] = {}
        self._pause = FIRST_PAUSE
        self._read_at = 0
        self._refused: dict[str, str] = {}

    @property
    def due(self) -> int | None:
        """When to look again, Unix seconds; None: nothing is to grow."""
        return self._read_at + self._pause if self._short else None

    async def look(self, cluster: ChatCluster, snapshot: Snapshot, *, now: int) -> dict[str, Growth]:
        """What is to be done about each managed store. `now` is in Unix seconds. Raises what `kube.Client` raises."""
        managed = [name for name in STORES if cluster.spec.store(name).external is None]
        wanted = {name: volume.value for name in managed if (volume := sizing(cluster)[name].volume)}
        present = {name: _present(cluster, name, snapshot) for name in wanted}
        short = {name: size for name, size in wanted.items() if not (has := present[name]) or larger(size, has)}
        fresh = bool(short) and (short != self._short or now >= self._read_at + self._pause)
        if fresh:
            await self._read(short, now)
        elif not short:
            self._claims, self._short = None, {}
            self._refused.clear()
        found = self._courses(cluster, wanted, present)
        if not fresh and any(course.template != course.present for course in found.values()):
            # What was read a while ago is good for being told, not for being acted on: a member may have come since.
            await self._read(short, now)
            found, fresh = self._courses(cluster, wanted, present), True
        return found if fresh else {name: replace(course, expand=()) for name, course in found.items()}

    def _courses(
        self, cluster: ChatCluster, wanted: Mapping[str, str], present: Mapping[str, str | None]
    ) -> dict[str, Growth]:
        """What comes of the claims as they were read last."""
        found: dict[str, Growth] = {}
        for name, size in wanted.items():
            claims = None if self._claims is None else [claim for claim in self._claims if claim.store == name]
            asleep = cluster.spec.hibernated
            found[name] = growth(name, present[name], size, claims, self._expandable, asleep=asleep)
        return found

    async def carry_out(self, actor: Actor, growths: Mapping[str, Growth]) -> dict[str, str]:
        """Ask for what is to be asked for. Returns what the API server refused and why, by store. Raises StandbyError,
        and what `kube.Client` raises."""
        for name, course in growths.items():
            refusals = [await actor.expand(self._owner.namespace, claim, course.wanted) for claim in course.expand]
            if refusals:
                self._refused[name] = next(filter(None, refusals), "")
        return {name: why for name, why in self._refused.items() if why}

    async def _read(self, short: Mapping[str, str], now: int) -> None:
        claims = await self._observer.claims(self._owner)
        self._expandable = await self._observer.expandable(claim.storage_class for claim in claims)
        stands_still = claims == self._claims and short == self._short
        self._pause = min(self._pause * 2, LAST_PAUSE) if stands_still else FIRST_PAUSE
        self._claims, self._short, self._read_at = claims, short, now


def _present(cluster: ChatCluster, store: str, snapshot: Snapshot) -> str | None:
    """The size in a store's claim template; None: there is none yet."""
    child = snapshot.children.get(Key(WorkloadKind.STATEFUL_SET.value, object_name(cluster, store)))
    return (child.workload.storage or None) if child and child.workload else None
