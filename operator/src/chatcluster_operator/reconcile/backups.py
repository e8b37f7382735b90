"""The backups of one ChatCluster, as one look goes on with them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from chatcluster_operator.act.backups import BackupActor
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.backup import ChatBackup
from chatcluster_operator.api.constants import BACKUP
from chatcluster_operator.decide import Key, Snapshot
from chatcluster_operator.decide.backups import Course, JobFacts, StepFacts, course, ours
from chatcluster_operator.decide.operations import Situation
from chatcluster_operator.desired.backup import job_name, location
from chatcluster_operator.desired.types import BackupRun
from chatcluster_operator.observe import Observer, Owner


def look(
    cluster: ChatCluster,
    found: Sequence[ChatBackup],
    snapshot: Snapshot,
    standing: Situation,
    images: Mapping[str, str],
    *,
    now: int,
) -> tuple[Course, BackupRun | None, frozenset[Key]]:
    """What follows, the run whose Job there is to be, and the Jobs to be made anew. `now` is in Unix seconds."""
    image = cluster.spec.images.overrides.get(BACKUP) or images.get(BACKUP, "")
    spec = cluster.spec.backup
    where = f"s3://{spec.destination.bucket}/{location(cluster, spec)}" if spec else ""
    running = next((item for item in found if item.status.phase == "Running" and ours(item, where)), None)
    key = Key("Job", job_name(cluster, running.status.id)) if running and running.status.id else None
    decided = course(
        spec,
        found,
        _job(snapshot, key) if key else None,
        standing,
        release=cluster.status.get("version"),
        location=where,
        image=bool(image),
        now=now,
    )
    if running is None or key is None:
        return decided, None, frozenset()
    # The Job stays until what became of it is written down.
    run = BackupRun(running.name, running.status.id or "", running.status.release or "", image)
    return decided, run, frozenset({key} if decided.again else ())


def _job(snapshot: Snapshot, key: Key) -> JobFacts | None:
    child = snapshot.children.get(key)
    if child is None or child.job is None:
        return None
    pods = [pod for name, pod in snapshot.pods.items() if pod.component == BACKUP and name.name.startswith(key.name)]
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
