"""The restore of one ChatCluster, as one look goes on with it. One that is over costs a look nothing."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chatcluster_operator.api import STORES, ChatCluster, RecoveryPhase, RecoveryStatus
from chatcluster_operator.api.constants import BACKUP
from chatcluster_operator.decide import FAILING, Key, Snapshot
from chatcluster_operator.decide.recovery import Found, Restoration, World, course
from chatcluster_operator.desired import Credentials, components
from chatcluster_operator.desired.backup import KEYS
from chatcluster_operator.desired.recovery import ABOUT, fill_name, find_name, keys_name
from chatcluster_operator.desired.types import Inputs, RecoveryRun, WorkloadKind
from chatcluster_operator.observe import Observer, Owner
from chatcluster_operator.reconcile.backups import job_facts
from chatcluster_operator.reconcile.credentials import Held

_FILLED: Final = ("postgres", "mongodb", "objects")
"""Stores that a backup fills."""


@dataclass(frozen=True)
class Restore:
    """What one look makes of it."""

    course: Restoration
    keys: Mapping[str, str]
    """The backup's keys, where they are to take the place of the generated ones."""
    image: str

    def credentials(self, generated: Credentials) -> Credentials:
        """The generated values, with the backup's keys among them where it is time."""
        return replace(generated, **self.keys) if self.course.adopt else generated

    def inputs(self, inputs: Inputs) -> Inputs:
        """What the manifests are made from until it is over."""
        status = self.course.status
        if status is None or not self.course.under_way:
            return inputs
        # One member restores PostgreSQL; the others copy it, once it leads.
        alone = {"postgres": 1} if status.phase is RecoveryPhase.POSTGRES else {}
        run = RecoveryRun(status, self.image, self.course.filling)
        return replace(inputs, recovery=run, members={**inputs.members, **alone})


def noted(cluster: ChatCluster) -> RecoveryStatus | None:
    """What the status says of it."""
    known = cluster.status.get("recovery")
    return RecoveryStatus.model_validate(known) if known else None


async def look(
    cluster: ChatCluster, observer: Observer, owner: Owner, held: Held, snapshot: Snapshot, *, now: int
) -> Restore:
    """How it goes on. `now` is in Unix seconds. Raises what `kube.Client` raises."""
    given, before = cluster.spec.bootstrap, noted(cluster)
    spec = given.recovery if given else None
    if spec is None or (before is not None and before.phase is RecoveryPhase.RESTORED):
        return Restore(course(None, before, World(), now=now), {}, "")
    images = observer.catalogue.get(cluster.spec.version, {})
    image = cluster.spec.images.overrides.get(BACKUP) or images.get(BACKUP, "")
    phase = before.phase if before else None
    name = find_name(cluster) if phase is RecoveryPhase.FINDING else fill_name(cluster)
    job = job_facts(snapshot, Key("Job", name))
    handed = {}
    if phase is RecoveryPhase.FINDING and job is not None and job.done:
        handed = _decoded(await observer.secret(owner, keys_name(cluster)))
    keys = {name: handed[name] for name in KEYS if handed.get(name)}
    brought_up = before is None and _brought_up(cluster, snapshot)
    concerned = ("postgres",) if phase is RecoveryPhase.POSTGRES else _FILLED
    unwell = _unwell(cluster, snapshot, concerned)
    world = World(
        brought_up=brought_up,
        claims=await _claims(cluster, observer, owner) if before is None and not brought_up else (),
        backup=observer.backups.named(cluster.namespace, spec.backup.name) if spec.backup else None,
        found=_found(handed, keys, held),
        job=job,
        job_name=name,
        unwell=unwell,
        trouble=_trouble(snapshot, unwell),
        version=cluster.spec.version,
        image=bool(image),
        paused=cluster.spec.paused,
        hibernated=cluster.spec.hibernated,
    )
    return Restore(course(spec, before, world, now=now), keys, image)


def _brought_up(cluster: ChatCluster, snapshot: Snapshot) -> bool:
    """Whether there is anything to lose. Stores are made only after the status says that a restore has begun."""
    made = any(
        key.kind == WorkloadKind.STATEFUL_SET.value and child.controller == cluster.uid
        for key, child in snapshot.children.items()
    )
    return made or cluster.status.get("version") is not None


async def _claims(cluster: ChatCluster, observer: Observer, owner: Owner) -> tuple[str, ...]:
    managed = {name for name in STORES if cluster.spec.store(name).external is None}
    return tuple(sorted(claim.name for claim in await observer.claims(owner) if claim.store in managed))


def _decoded(secret: Mapping[str, Any] | None) -> dict[str, str]:
    data: Mapping[str, str] = (secret or {}).get("data") or {}
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


def _found(handed: Mapping[str, str], keys: Mapping[str, str], held: Held) -> Found | None:
    if ABOUT not in handed:
        return None
    about: dict[str, Any] = json.loads(handed[ABOUT])
    # They count from when the Secret has them: what is only about to be written is lost with this process.
    written = held.version > 0 and all(getattr(held.credentials, name) == value for name, value in keys.items())
    known = {name: about[name] for name in ("id", "cluster", "release", "moment", "postgres")}
    return Found(**known, keys_in_place=written)


def _unwell(cluster: ChatCluster, snapshot: Snapshot, concerned: tuple[str, ...]) -> tuple[str, ...]:
    found = {
        item.name: snapshot.children.get(Key(item.kind.value, item.workload))
        for item in components(cluster)
        if item.name in concerned
    }
    workloads = {name: child.workload if child else None for name, child in found.items()}
    return tuple(
        name
        for name, workload in workloads.items()
        if workload is None or not (workload.rolled_out and workload.available)
    )


def _trouble(snapshot: Snapshot, names: tuple[str, ...]) -> str:
    found = (pod.message for pod in snapshot.pods.values() if pod.component in names and pod.reason in FAILING)
    return next(found, "")
