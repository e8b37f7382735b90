"""The backups of one ChatCluster, as one look goes on with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from chatcluster_operator.act.backups import BackupActor
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.backup import BackupPhase, ChatBackup
from chatcluster_operator.api.constants import BACKUP
from chatcluster_operator.decide import Key, Snapshot, verification
from chatcluster_operator.decide.backups import Course, JobFacts, StepFacts, course, ours
from chatcluster_operator.decide.operations import Situation
from chatcluster_operator.decide.protection import Protection, protection
from chatcluster_operator.desired import verification as verifying
from chatcluster_operator.desired.backup import job_name, location, source
from chatcluster_operator.desired.types import BackupRun, VerificationRun
from chatcluster_operator.observe import Observer, Owner


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look makes of the backups."""

    course: Course
    run: BackupRun | None
    """Whose Job there is to be."""
    again: frozenset[Key]
    """Jobs to be made anew."""
    protection: Protection | None
    verification: VerificationRun | None
    """What is restored for a test: whose Job there is to be."""


def look(
    cluster: ChatCluster,
    found: Sequence[ChatBackup],
    snapshot: Snapshot,
    standing: Situation,
    images: Mapping[str, str],
    *,
    now: int,
) -> Looked:
    """What follows. `now` is in Unix seconds."""
    image = cluster.spec.images.overrides.get(BACKUP) or images.get(BACKUP, "")
    spec = cluster.spec.backup
    where = f"s3://{spec.destination.bucket}/{location(cluster, spec)}" if spec else cluster.uid
    running = next((item for item in found if item.status.phase is BackupPhase.RUNNING and ours(item, where)), None)
    key = Key("Job", job_name(cluster, running.status.id)) if running and running.status.id else None
    decided = course(
        spec,
        found,
        job_facts(snapshot, key) if key else None,
        standing,
        release=cluster.status.get("version"),
        location=where,
        image=bool(image),
        now=now,
        source=source(cluster, spec) if spec else None,
    )
    own = [item for item in found if item.status.phase is BackupPhase.PENDING or ours(item, where)]
    tested = verification.under_way(own)
    name = verifying.job_name(cluster, tested.status.id or "", _began(tested)) if tested else ""
    verified = verification.course(
        spec,
        own,
        job_facts(snapshot, Key("Job", name)) if name else None,
        image=bool(image),
        stopped=standing.hibernated or standing.paused,
        now=now,
    )
    kept = protection(
        spec,
        own,
        archiving=next((pod.archiving for pod in snapshot.pods.values() if pod.archiving), ""),
        hibernated=cluster.spec.hibernated,
        now=now,
    )
    # The Job stays until what became of it is written down.
    run = BackupRun(running.name, running.status.id or "", running.status.release or "", image) if running else None
    again = [*([key] if key and decided.again else []), *([Key("Job", name)] if verified.again else [])]
    test = VerificationRun(tested.name, tested.status.id or "", _began(tested), image) if tested else None
    times = [at for at in (decided.due, verified.due) if at is not None]
    # They never speak of the same one: it is verified once it is whole, and then it does not change any more.
    decided = replace(decided, statuses={**decided.statuses, **verified.statuses}, due=min(times, default=None))
    return Looked(decided, run, frozenset(again), kept, test)


def _began(tested: ChatBackup) -> str:
    return tested.status.verification.started if tested.status.verification else ""


def job_facts(snapshot: Snapshot, key: Key) -> JobFacts | None:
    """A Job whose containers are steps, and how far the last of its pods is."""
    child = snapshot.children.get(key)
    if child is None or child.job is None:
        return None
    pods = [pod for name, pod in snapshot.pods.items() if pod.steps and name.name.startswith(key.name)]
    # The pod that changed last is the one that goes on.
    latest = max(pods, key=lambda pod: pod.version, default=None)
    steps = tuple(StepFacts(name, state, _said(text)) for name, state, text in latest.steps) if latest else ()
    trouble = latest.message if latest and latest.reason else ""
    return JobFacts(done=child.job.done, failed=child.job.failed, steps=steps, trouble=trouble)


def _said(text: str) -> dict[str, Any]:
    try:
        said: Any = json.loads(text) if text else {}
    except ValueError:
        return {"failed": text[:500]}
    return cast(dict[str, Any], said) if isinstance(said, dict) else {}


async def carry_out(
    actor: BackupActor, observer: Observer, owner: Owner, cluster: ChatCluster, decided: Course
) -> None:
    """Write what was decided. Raises StandbyError, and what `kube.Client` raises."""
    known = {item.name: item for item in observer.backups.of(owner)}
    for name, status in decided.statuses.items():
        if name in known and (body := await actor.tell(known[name], status)):
            observer.written(body)
    if decided.create is not None and (body := await actor.create(cluster, decided.create)):
        observer.written(body)
    for name in decided.remove:
        if name in known:
            await actor.remove(known[name])
