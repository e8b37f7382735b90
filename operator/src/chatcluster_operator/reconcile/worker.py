"""One ChatCluster's worker: it looks, decides, acts, and waits to be woken.

Whatever happens only sets "look again"; events that come while it works are one more look, not many. Nothing in its
memory is needed for the outcome: it is there to make a look at a settled ChatCluster cost no call.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.act import Actor, Events, Outcome, StandbyError
from chatcluster_operator.act.backups import BackupActor
from chatcluster_operator.api import ChatCluster, InvalidSpecError, InventoryItem, OperationPhase, RotationPhase
from chatcluster_operator.decide import (
    Applied,
    Facts,
    Failure,
    Key,
    Notice,
    Plan,
    Snapshot,
    Work,
    differs,
    notices,
    owned,
    plan,
    refused,
    report,
)
from chatcluster_operator.decide.plan import Wanted, key_of, outlines
from chatcluster_operator.decide.protection import Protection
from chatcluster_operator.decide.times import rfc3339
from chatcluster_operator.desired import Inputs, Manifest, components, credentials_name, manifests, public_url
from chatcluster_operator.kube import KINDS, ApiError, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.observe import Backoff, Observer, Owner, Room, Scraper, Sockets
from chatcluster_operator.reconcile import backups
from chatcluster_operator.reconcile.inputs import Gathered, Gatherer
from chatcluster_operator.reconcile.ledger import mark, recall, unmarked
from chatcluster_operator.reconcile.members import Members
from chatcluster_operator.reconcile.volumes import Volumes

SETTLE: Final = 0.1
"""Seconds between waking and looking: a change rarely comes alone."""
SPACING_AFTER_FAILURE: Final = 1.0
"""Least seconds between a failed look and the next, however often the worker is woken."""
WHOLE_LOOK: Final = (480.0, 720.0)
"""Seconds after which a settled ChatCluster is looked at as a whole although nothing has changed. Only the time has."""
BLOCKED_RETRY: Final = (5.0, 8.0)
"""Seconds between looks while a person must mend something that is not watched, or a step's time runs."""
PASS_TIMEOUT: Final = 120.0
"""Seconds one look may take. Every call is timed by itself; this bounds their sum."""


class Result(StrEnum):
    """How a look at a ChatCluster ended."""

    OK = "ok"
    BLOCKED = "blocked"
    UNDER_WAY = "under_way"
    FAILED = "failed"
    STANDBY = "standby"
    GONE = "gone"


class Worker:
    """Looks after one ChatCluster until cancelled, or until the ChatCluster is gone."""

    def __init__(
        self,
        owner: Owner,
        body: Object,
        *,
        observer: Observer,
        actor: Actor,
        events: Events,
        limit: asyncio.Semaphore,
        resync: float,
        scraper: Scraper,
        probing: asyncio.Semaphore,
    ) -> None:
        self._owner = owner
        self._body = body
        self._observer = observer
        self._actor = actor
        self._events = events
        self._limit = limit
        self._resync = resync
        self._log = structlog.get_logger(__name__)
        self._members = Members(observer, owner, actor, probing, self.wake)
        self._volumes = Volumes(observer, owner)
        self._backups = BackupActor(actor.client, actor.leadership)
        self._gatherer = Gatherer(observer, owner, self._members, self._volumes)
        self._sockets = Sockets(scraper, self.wake)
        self._room = Room(scraper, self.wake)
        self._applied: dict[Key, Applied] = {}
        self._recalled = False
        self._immutable: dict[Key, str] = {}
        self._outlined: tuple[tuple[int, Inputs], list[Wanted]] | None = None
        self._settled_until = 0.0
        self._backoff = Backoff(first=1.0, cap=60.0)
        self._due: int | None = None
        self._woken = asyncio.Event()
        self._woken_at = 0.0
        self.wake()

    @property
    def uid(self) -> str:
        """The ChatCluster's uid: another one of the same name needs a worker of its own."""
        return self._body["metadata"]["uid"]

    @property
    def behind(self) -> bool:
        """Whether the latest spec has not been acted on."""
        return self._body.get("status", {}).get("observedGeneration") != self._body["metadata"].get("generation")

    def see(self, body: Object) -> None:
        """The ChatCluster as an event brought it; one older than what is known is let go."""
        self._take(body)
        self.wake()

    def _take(self, body: Object) -> None:
        if _version(body) >= _version(self._body):
            # Who wrote which field is of no use here, and often longer than all the rest.
            body["metadata"].pop("managedFields", None)
            self._body = body

    def wake(self) -> None:
        """Look again soon."""
        if not self._woken.is_set():
            self._woken_at = time.monotonic()
            self._woken.set()

    def forget(self) -> None:
        """Trust nothing that this process applied: another replica has led, or leads."""
        self._applied.clear()
        self._recalled = False
        self._settled_until = 0.0
        self._measure(None)

    async def run(self) -> None:
        """Look, and wait, until the ChatCluster is gone."""
        structlog.contextvars.bind_contextvars(namespace=self._owner.namespace, chatcluster=self._owner.name)
        try:
            await self._watch_over()
        finally:
            self._sockets.close()
            self._room.close()
            self._members.close()
            self._measure(None)

    async def _watch_over(self) -> None:
        await self._observer.wait_synced()
        delay, spacing = self._resync, SETTLE
        while True:
            try:
                await asyncio.wait_for(self._woken.wait(), delay)
                await asyncio.sleep(spacing)
            except TimeoutError:
                self._woken_at = time.monotonic()
            if not self._woken.is_set() and await self._unchanged():
                metrics.RECONCILES.labels("unchanged").inc()
                delay, spacing = self._pause(Result.OK)
                continue
            async with self._limit:
                metrics.QUEUE_SECONDS.observe(time.monotonic() - self._woken_at)
                self._woken.clear()
                result = await self._look()
            if result is Result.GONE:
                return
            until = time.monotonic() + random.uniform(*WHOLE_LOOK)  # noqa: S311 - spreads load, guards nothing
            self._settled_until = until if result is Result.OK else 0.0
            delay, spacing = self._pause(result)

    async def _unchanged(self) -> bool:
        """Whether a look would find what the last one found, which was all well.

        Whatever is watched wakes the worker. So only what is not is asked here: what the user brings, the count of
        sockets, the room in volumes, and the time.
        """
        late = self._due is not None and time.time() >= self._due
        if late or time.monotonic() >= self._settled_until:
            return False
        pods = self._observer.cache.pods(self._owner)
        self._sockets.look(pods)
        self._room.look(pods)
        try:
            return await self._gatherer.unchanged()
        except (ApiError, *CONNECTION_ERRORS):
            return False

    def _pause(self, result: Result) -> tuple[float, float]:
        if result is Result.FAILED:
            return self._backoff.next(), SPACING_AFTER_FAILURE
        self._backoff.reset()
        if result in {Result.BLOCKED, Result.UNDER_WAY}:
            return random.uniform(*BLOCKED_RETRY), SETTLE  # noqa: S311 - spreads load, guards nothing
        pause = self._resync * random.uniform(0.8, 1.2)  # noqa: S311 - as above
        return (pause if self._due is None else max(min(pause, self._due - time.time()), SETTLE)), SETTLE

    async def _look(self) -> Result:
        began = time.monotonic()
        try:
            async with asyncio.timeout(PASS_TIMEOUT):
                result = await self.reconcile()
        except StandbyError:
            result = Result.STANDBY
        except (ApiError, *CONNECTION_ERRORS) as error:
            self._log.warning("reconcile failed", error=repr(error))
            result = Result.FAILED
        except Exception:
            # A defect met by one ChatCluster must not end the worker, nor the others'.
            self._log.exception("reconcile failed on a defect")
            result = Result.FAILED
        metrics.RECONCILES.labels(result.value).inc()
        metrics.RECONCILE_SECONDS.observe(time.monotonic() - began)
        return result

    async def reconcile(self) -> Result:
        """One look: observe, decide, act, report. Raises StandbyError, and what `kube.Client` raises."""
        self._actor.ensure_leading()
        try:
            cluster = ChatCluster.from_body(self._body)
        except InvalidSpecError as error:
            return await self._refuse(error)
        if cluster.deleting:
            # What it made goes with it, by its owner references. To put anything back would fight the collector.
            return Result.OK
        gathered = await self._gatherer.gather(cluster)
        self._due = gathered.due
        wanted, manifest = self._wanted(cluster, gathered.inputs)
        if wanted and not self._recalled:
            await self._recall(wanted)
        inventory = {Key(item["kind"], item["name"]) for item in cluster.status.get("inventory", [])}
        intent = Plan()
        if gathered.inputs is not None:
            intent = plan(
                uid=cluster.uid,
                name=cluster.name,
                wanted=wanted,
                manifest=manifest,
                snapshot=self._observer.snapshot(self._owner, applied=self._applied, missing=gathered.missing),
                inventory={key for key in inventory if key.kind in KINDS},
                keep={Key("Secret", credentials_name(cluster))},
                immutable=self._immutable,
                retry=gathered.retry,
                hibernating=cluster.spec.hibernated,
            )
        outcome = Outcome()
        if intent.steps and not cluster.spec.paused:
            result = await self._still_wanted(cluster)
            if result is not None:
                return result
            status = unmarked(cluster.status, {step.key for step in intent.steps})
            if status is not None:
                if not await self._write(status):
                    return Result.GONE
                cluster = cluster.model_copy(update={"status": status})
            outcome = await self._actor.execute(cluster, intent, guarded=gathered.guarded)
            self._remember(outcome)
        failed = {} if cluster.spec.paused else await self._members.carry_out(cluster, gathered.membership)
        await backups.carry_out(self._backups, self._observer, self._owner, cluster, gathered.backups)
        refused = {} if cluster.spec.paused else await self._volumes.carry_out(self._actor, gathered.growths)
        self._measure(gathered.protection)
        failures = (*gathered.failures, *outcome.failures)
        after = self._observer.snapshot(self._owner, applied=self._applied, missing=gathered.missing)
        facts = Facts(
            cluster=cluster,
            components=components(cluster),
            snapshot=after,
            plan=intent,
            failures=failures,
            inventory=_inventory(cluster, [item.key for item in wanted], after, inventory, outcome),
            release=gathered.release,
            operation=gathered.operation,
            restarts=gathered.restarts,
            rotation=gathered.rotation,
            waits=gathered.waits,
            rotated=gathered.rotated,
            apis=self._observer.apis,
            certificate=gathered.certificate,
            sockets=self._sockets.look(after.pods),
            room=self._room.look(after.pods),
            stores=gathered.membership.courses,
            orders_failed=failed,
            growths=gathered.growths,
            growths_refused=refused,
            protection=gathered.protection,
            recovery=gathered.recovery,
            url=public_url(cluster),
            now=_now(),
        )
        status = report(facts)
        extra = [
            *([_put_back(outcome.corrected)] if outcome.corrected else []),
            *([_made_anew(outcome.replaced)] if outcome.replaced else []),
        ]
        if not await self._report(cluster.status, status, extra):
            return Result.GONE
        return _result(gathered, intent, failures)

    def _measure(self, protection: Protection | None) -> None:
        """Tell the age of the newest backup, while this replica leads and there is one."""
        if protection is not None and protection.newest is not None:
            metrics.NEWEST_BACKUP.labels(*self._owner).set(protection.newest)
        else:
            metrics.NEWEST_BACKUP.remove(*self._owner)

    def _remember(self, outcome: Outcome) -> None:
        self._applied |= outcome.applied
        for key in (*outcome.gone, *outcome.replaced):
            self._applied.pop(key, None)
        self._immutable = outcome.immutable
        if outcome.immutable:
            self.wake()

    async def _recall(self, wanted: Sequence[Wanted]) -> None:
        """Once after coming to lead, take over what was applied before; from the server itself, as a watch may lag."""
        body = await self._observer.chatcluster(self._owner) or {}
        if body.get("metadata", {}).get("uid") == self.uid:
            self._applied |= recall(body.get("status", {}), wanted, self._observer.cache.children(self._owner))
        self._recalled = True

    def _wanted(
        self, cluster: ChatCluster, inputs: Inputs | None
    ) -> tuple[Sequence[Wanted], Callable[[Key], Manifest]]:
        """Outlines of the manifests, and what gives a whole one.

        All manifests of a ChatCluster are larger than everything else that is kept of it. So only outlines are kept,
        and the whole is made anew by the few looks that apply something.
        """
        made: dict[Key, Manifest] = {}
        if inputs is None:
            return [], made.__getitem__

        def manifest(key: Key) -> Manifest:
            if not made:
                made.update({key_of(item): item for item in manifests(cluster, inputs)})
            return made[key]

        made_from = (cluster.generation, inputs)
        if self._outlined is None or self._outlined[0] != made_from:
            made.update({key_of(item): item for item in manifests(cluster, inputs)})
            self._outlined = (made_from, outlines(made.values()))
        return self._outlined[1], manifest

    async def _still_wanted(self, cluster: ChatCluster) -> Result | None:
        """Before anything is written, make sure of the ChatCluster itself: an event may be late, or lost.

        Its children are deleted after it, so a child that is gone may mean that it is gone too.
        """
        body = await self._observer.chatcluster(self._owner)
        if body is None or body["metadata"]["uid"] != cluster.uid:
            return Result.GONE
        fresh = body["metadata"]
        changed = fresh.get("generation") != cluster.generation or "deletionTimestamp" in fresh
        # Another replica may have led meanwhile, and taken a step that there is no way back from.
        if changed or body.get("status", {}) != self._body.get("status", {}):
            self.see(body)
            return Result.OK
        return None

    async def _refuse(self, error: InvalidSpecError) -> Result:
        metadata: dict[str, Any] = self._body["metadata"]
        status: dict[str, Any] = self._body.get("status", {})
        wanted = refused(status, generation=metadata.get("generation", 0), problems=error.problems, now=_now())
        return Result.BLOCKED if await self._report(status, wanted, []) else Result.GONE

    async def _report(self, live: dict[str, Any], status: dict[str, Any], extra: list[Notice]) -> bool:
        """Write the status if it changed, and tell the events. False when the ChatCluster is gone."""
        namespace, name = self._owner
        told = [*extra, *notices(live, status)]
        if differs(live, status) and not await self._write(status):
            return False
        await self._events.tell(told, namespace=namespace, name=name, uid=self.uid)
        return True

    async def _write(self, status: dict[str, Any]) -> bool:
        """Write the status. False when the ChatCluster is gone."""
        namespace, name = self._owner
        body = await self._actor.write_status(namespace=namespace, name=name, uid=self.uid, status=status)
        if body is not None:
            self._take(body)
        return body is not None


def _result(gathered: Gathered, intent: Plan, failures: tuple[Failure, ...]) -> Result:
    reasons = {failure.reason for failure in failures}
    if reasons - {"NameTaken", "Replacing"}:
        return Result.FAILED
    if gathered.missing or intent.taken or "NameTaken" in reasons:
        return Result.BLOCKED
    if gathered.recovery.under_way:
        return Result.UNDER_WAY
    if reasons or intent.leaving or any(course.busy for course in gathered.membership.courses.values()):
        return Result.UNDER_WAY
    moving = gathered.operation is not None and gathered.operation.phase is not OperationPhase.ROLLED_BACK
    turning = gathered.rotation is not None and gathered.rotation.phase is not RotationPhase.FAILED
    moved = (moving and Work.UPGRADE not in gathered.waits) or (turning and Work.ROTATION not in gathered.waits)
    return Result.UNDER_WAY if moved else Result.OK


def _inventory(
    cluster: ChatCluster, keys: list[Key], after: Snapshot, before: set[Key], outcome: Outcome
) -> list[InventoryItem]:
    """What exists of what was asked for, and what is yet to be removed."""
    exists = {
        key
        for key in keys
        if (child := after.children.get(key)) is not None and owned(child, uid=cluster.uid, name=cluster.name)
    }
    remaining = before - set(keys) - set(outcome.gone) if keys else before
    return [
        InventoryItem(
            api_version=KINDS[key.kind].api_version,
            kind=key.kind,
            name=key.name,
            mark=mark(after.applied.get(key), after.children[key]) if key in exists else None,
        )
        for key in sorted(exists | remaining)
        if key.kind in KINDS
    ]


def _put_back(corrected: list[Key]) -> Notice:
    objects = ", ".join(str(key) for key in sorted(corrected))
    return Notice(warning=False, reason="DriftCorrected", message=f"Put back after a change from outside: {objects}.")


def _made_anew(replaced: list[Key]) -> Notice:
    objects = ", ".join(str(key) for key in sorted(replaced))
    return Notice(
        warning=False, reason="Replaced", message=f"Deleted to be made anew, since what changes cannot: {objects}."
    )


def _version(body: Object) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def _now() -> str:
    return rfc3339(int(time.time()))
