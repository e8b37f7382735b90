"""Plans carried out: server-side apply, deletion, and the status.

A step that fails is reported and the others go on, so that one bad object never holds up the rest.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final, Protocol

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.act.congestion import Window
from chatcluster_operator.api import API_VERSION, FIELD_MANAGER, KIND, ChatCluster
from chatcluster_operator.decide import Applied, Apply, Child, Delete, Failure, Key, Plan, Reason, Replace, Step, owned
from chatcluster_operator.decide.members import GiveUp
from chatcluster_operator.decide.snapshot import digest
from chatcluster_operator.decide.volumes import Claim
from chatcluster_operator.kube import CHATCLUSTER, KINDS, ApiError, Client, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.kube.kinds import CLAIM

PARALLEL: Final = 8
"""Calls at one time for one ChatCluster."""

_MESSAGE_LENGTH: Final = 1000
_TRIAL_NAME_LENGTH: Final = 50
_ORDER: Final = list(KINDS)


def _rank(step: Step) -> tuple[bool, int]:
    return isinstance(step, Delete), _ORDER.index(step.key.kind)


class StandbyError(Exception):
    """Another replica leads, so nothing was done."""


class Leadership(Protocol):
    """What is asked of the election."""

    @property
    def leading(self) -> bool:
        """Whether this replica may act now."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of a plan."""

    applied: dict[Key, Applied] = field(default_factory=dict[Key, Applied])
    gone: list[Key] = field(default_factory=list[Key])
    corrected: list[Key] = field(default_factory=list[Key])
    immutable: dict[Key, str] = field(default_factory=dict[Key, str])
    """Objects that cannot be changed to what a manifest says, and can be made anew so; with the manifest's digest."""
    replaced: list[Key] = field(default_factory=list[Key])
    failures: list[Failure] = field(default_factory=list[Failure])
    standby: bool = False


class Actor:
    """Carries out plans while it leads. `written` is told of every object as the server returned it."""

    def __init__(
        self,
        client: Client,
        leadership: Leadership,
        *,
        read: Callable[[Object, str], Child],
        written: Callable[[Object], None],
    ) -> None:
        self._client = client
        self._leadership = leadership
        self._read = read
        self._written = written
        self._window = Window()
        self._log = structlog.get_logger(__name__)

    @property
    def leadership(self) -> Leadership:
        """The election, for who acts beside this."""
        return self._leadership

    @property
    def client(self) -> Client:
        """The connection, for who acts beside this."""
        return self._client

    def ensure_leading(self) -> None:
        """Raise StandbyError unless this replica leads."""
        if not self._leadership.leading:
            raise StandbyError

    async def execute(
        self, cluster: ChatCluster, plan: Plan, *, guarded: Mapping[Key, int] = MappingProxyType({})
    ) -> Outcome:
        """Carry out a plan: kinds in the order of `KINDS`, objects of one kind side by side, deletions last.

        `guarded` objects hold what others are made from and cannot be made twice. They come first, and nothing else is
        done when one fails. Each is written only while it has this resource version, 0 for one that is yet to be made:
        so neither an old leader nor a late look can write over what it has not seen. Raises StandbyError.
        """
        outcome = Outcome()
        limit = asyncio.Semaphore(PARALLEL)

        async def take(step: Step) -> None:
            async with limit:
                await self._take(cluster, step, outcome, guarded)

        def rank(step: Step) -> tuple[bool, bool, int]:
            return step.key not in guarded, *_rank(step)

        for (unguarded, *_), steps in groupby(sorted(plan.steps, key=rank), key=rank):
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    group.create_task(take(step))
            if outcome.standby:
                raise StandbyError
            if outcome.failures and not unguarded:
                break
        return outcome

    async def _take(self, cluster: ChatCluster, step: Step, outcome: Outcome, guarded: Mapping[Key, int]) -> None:
        try:
            async with self._window.turn():
                match step:
                    case Apply():
                        await self._apply(cluster, step, outcome, version=guarded.get(step.key))
                    case Replace():
                        await self._replace(cluster, step, outcome)
                    case Delete():
                        await self._delete(cluster, step, outcome)
        except StandbyError:
            outcome.standby = True
        except ApiError as error:
            outcome.failures.append(Failure(step.key, "ApplyFailed", error.message[:_MESSAGE_LENGTH]))
        except CONNECTION_ERRORS as error:
            message = f"the API server did not answer ({type(error).__name__}); tried again"
            outcome.failures.append(Failure(step.key, "ServerUnreachable", message))

    async def _apply(self, cluster: ChatCluster, step: Apply, outcome: Outcome, *, version: int | None) -> None:
        kind, manifest = KINDS[step.key.kind], step.manifest
        if not step.known:
            found = await self._client.find(kind, cluster.namespace, step.key.name, metadata_only=True)
            if found is not None and not owned(self._read(found, step.key.kind), uid=cluster.uid, name=cluster.name):
                message = "exists and is not this ChatCluster's; delete or rename it, or rename the ChatCluster"
                outcome.failures.append(Failure(step.key, "NameTaken", message))
                return
        self.ensure_leading()
        if version == 0:
            await self._client.create(kind, manifest, manager=FIELD_MANAGER)
        elif version is not None:
            manifest = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}
        try:
            body = await self._client.apply(kind, manifest, manager=FIELD_MANAGER)
        except ApiError as error:
            if not step.known or not await self._needs_making_anew(step, error):
                raise
            outcome.immutable[step.key] = step.digest
            message = "what changes cannot be changed in place; it is deleted and made anew"
            outcome.failures.append(Failure(step.key, "Replacing", message))
            return
        self._written(body)
        outcome.applied[step.key] = Applied(step.digest, self._read(body, step.key.kind).fields)
        metrics.APPLIES.labels(step.reason.value).inc()
        if step.reason is Reason.DRIFT:
            metrics.DRIFT.labels(step.key.kind).inc()
            outcome.corrected.append(step.key)
        if step.reason is not Reason.VERIFY:
            self._log.info("applied", object=str(step.key), reason=step.reason.value)

    async def _needs_making_anew(self, step: Apply, refusal: ApiError) -> bool:
        """Whether the API server refuses the change alone, and not what the manifest says.

        It is asked, by making the same object under another name and not keeping it. So nothing is ever deleted that
        could not be made again, and no message of the server has to be understood.
        """
        if refusal.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            return False
        metadata: dict[str, Any] = step.manifest["metadata"]
        name = f"{metadata['name'][:_TRIAL_NAME_LENGTH]}-{digest([metadata['name'], step.digest])[:8]}"
        trial = {**step.manifest, "metadata": {**metadata, "name": name}}
        try:
            await self._client.create(KINDS[step.key.kind], trial, manager=FIELD_MANAGER, dry_run=True)
        except ApiError:
            return False
        return True

    async def _replace(self, cluster: ChatCluster, step: Replace, outcome: Outcome) -> None:
        kind = KINDS[step.key.kind]
        found = await self._client.find(kind, cluster.namespace, step.key.name, metadata_only=True)
        if found is None or found["metadata"]["uid"] != step.uid:
            return
        if not owned(self._read(found, step.key.kind), uid=cluster.uid, name=cluster.name):
            return
        self.ensure_leading()
        deleted = await self._client.delete(
            kind,
            cluster.namespace,
            step.key.name,
            uid=step.uid,
            # It is still what was looked at: nobody has taken it over since.
            version=found["metadata"]["resourceVersion"],
            propagation="Orphan" if step.orphan else "Foreground",
        )
        if not deleted:
            return
        outcome.replaced.append(step.key)
        metrics.REPLACED.labels(step.key.kind).inc()
        self._log.info("deleted, to be made anew: a field that cannot change has changed", object=str(step.key))

    async def _delete(self, cluster: ChatCluster, step: Delete, outcome: Outcome) -> None:
        kind, uid = KINDS[step.key.kind], step.uid
        if uid is None:
            found = await self._client.find(kind, cluster.namespace, step.key.name, metadata_only=True)
            if found is None:
                outcome.gone.append(step.key)
                return
            child = self._read(found, step.key.kind)
            if child.controller != cluster.uid:
                outcome.gone.append(step.key)
                return
            uid = child.uid
        self.ensure_leading()
        await self._client.delete(kind, cluster.namespace, step.key.name, uid=uid)
        outcome.gone.append(step.key)
        metrics.PRUNED.labels(step.key.kind).inc()
        self._log.info("deleted, no longer asked for", object=str(step.key))

    async def give_up(self, cluster: ChatCluster, step: GiveUp) -> str:
        """Delete the claim of a member's volume and the member's pod. Returns why that failed, for people.

        The claim goes once the pod has, and the StatefulSet makes both anew. Raises StandbyError.
        """
        try:
            self.ensure_leading()
            await self._client.delete(CLAIM, cluster.namespace, step.claim, uid=step.claim_uid)
            if step.pod_uid:
                self.ensure_leading()
                grace = 0 if step.force else None
                await self._client.delete(KINDS["Pod"], cluster.namespace, step.member, uid=step.pod_uid, grace=grace)
        except ApiError as error:
            return f"{step.member} cannot be made anew: {error.message[:_MESSAGE_LENGTH]}"
        except CONNECTION_ERRORS as error:
            return f"{step.member} is not made anew yet: the API server did not answer ({type(error).__name__})"
        metrics.GIVEN_UP.labels(step.store).inc()
        self._log.info("volume given up", store=step.store, member=step.member, claim=step.claim, force=step.force)
        return ""

    async def expand(self, namespace: str, claim: Claim, size: str) -> str:
        """Ask for a larger volume, of the claim as it was seen. Returns what the API server has against it; empty: it
        takes it, or the claim has changed since. Raises StandbyError, and what `Client` raises when there is no answer.
        """
        self.ensure_leading()
        patch: Object = {
            "metadata": {"uid": claim.uid, "resourceVersion": claim.version},
            "spec": {"resources": {"requests": {"storage": size}}},
        }
        try:
            await self._client.merge(CLAIM, namespace, claim.name, patch, manager=FIELD_MANAGER)
        except ApiError as error:
            changed = error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
            return "" if changed else error.message[:_MESSAGE_LENGTH]
        metrics.EXPANDED.labels(claim.store).inc()
        self._log.info("volume is to grow", claim=claim.name, size=size, before=claim.asked)
        return ""

    async def write_status(self, *, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> Object | None:
        """Write the status, and return the object. None when the ChatCluster is gone.

        Raises StandbyError, and what `Client` raises.
        """
        self.ensure_leading()
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            # With its uid a ChatCluster of the same name made meanwhile is not mistaken for this one.
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "status": dict(status),
        }
        try:
            return await self._client.apply(CHATCLUSTER, body, manager=FIELD_MANAGER, subresource="status")
        except ApiError as error:
            if error.status == 409:
                # Another of that name, or only others writing at the same moment: then it is tried again.
                found = await self._client.find(CHATCLUSTER, namespace, name, metadata_only=True)
                if found is not None and found["metadata"]["uid"] == uid:
                    raise
            if error.status in {404, 409}:
                return None
            raise
