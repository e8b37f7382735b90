"""Plans carried out: server-side apply, deletion, and the status.

A step that fails is reported and the others go on, so that one bad object never holds up the rest.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Protocol

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.api import API_VERSION, FIELD_MANAGER, KIND, ChatCluster
from chatcluster_operator.decide import Applied, Apply, Child, Delete, Failure, Key, Plan, Reason, owned
from chatcluster_operator.kube import CHATCLUSTER, KINDS, ApiError, Client, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS

PARALLEL: Final = 8
"""Calls at one time for one ChatCluster."""

_MESSAGE_LENGTH: Final = 1000
_ORDER: Final = list(KINDS)


def _rank(step: Apply | Delete) -> tuple[bool, int]:
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
        self._log = structlog.get_logger(__name__)

    def ensure_leading(self) -> None:
        """Raise StandbyError unless this replica leads."""
        if not self._leadership.leading:
            raise StandbyError

    async def execute(self, cluster: ChatCluster, plan: Plan, *, create_only: frozenset[Key] = frozenset()) -> Outcome:
        """Carry out a plan: kinds in the order of `KINDS`, objects of one kind side by side, deletions last.

        What is in `create_only` is made only where the name is free, never written over. Raises StandbyError.
        """
        outcome = Outcome()
        limit = asyncio.Semaphore(PARALLEL)

        async def take(step: Apply | Delete) -> None:
            async with limit:
                await self._take(cluster, step, outcome, create_only)

        for _, steps in groupby(sorted(plan.steps, key=_rank), key=_rank):
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    group.create_task(take(step))
            if outcome.standby:
                raise StandbyError
        return outcome

    async def _take(
        self, cluster: ChatCluster, step: Apply | Delete, outcome: Outcome, create_only: frozenset[Key]
    ) -> None:
        try:
            if isinstance(step, Delete):
                await self._delete(cluster, step, outcome)
            else:
                await self._apply(cluster, step, outcome, create=step.key in create_only)
        except StandbyError:
            outcome.standby = True
        except ApiError as error:
            outcome.failures.append(Failure(step.key, "ApplyFailed", error.message[:_MESSAGE_LENGTH]))
        except CONNECTION_ERRORS as error:
            message = f"the API server did not answer ({type(error).__name__}); tried again"
            outcome.failures.append(Failure(step.key, "ServerUnreachable", message))

    async def _apply(self, cluster: ChatCluster, step: Apply, outcome: Outcome, *, create: bool) -> None:
        kind, manifest = KINDS[step.key.kind], step.manifest
        if not step.known:
            found = await self._client.find(kind, cluster.namespace, step.key.name, metadata_only=True)
            if found is not None and not owned(self._read(found, step.key.kind), uid=cluster.uid, name=cluster.name):
                message = "exists and is not this ChatCluster's; delete or rename it, or rename the ChatCluster"
                outcome.failures.append(Failure(step.key, "NameTaken", message))
                return
        self.ensure_leading()
        if create:
            await self._client.create(kind, manifest, manager=FIELD_MANAGER)
        body = await self._client.apply(kind, manifest, manager=FIELD_MANAGER)
        self._written(body)
        outcome.applied[step.key] = Applied(step.digest, self._read(body, step.key.kind).fields)
        metrics.APPLIES.labels(step.reason.value).inc()
        if step.reason is Reason.DRIFT:
            metrics.DRIFT.labels(step.key.kind).inc()
            outcome.corrected.append(step.key)
        if step.reason is not Reason.VERIFY:
            self._log.info("applied", object=str(step.key), reason=step.reason.value)

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
            if error.status in {404, 409}:
                return None
            raise
