"""Backups of one ChatCluster: which is made next, how far it is, and what its ChatBackup says.

One at a time. A backup is `Running` in its ChatBackup's status before its Job is made, and the Job follows from that
status: so whoever leads goes on with it, and none is made twice.

Backups and what rolls pods keep out of each other's way for an hour at most. A backup waits so long for an operation
under way to end, and an operation for a backup to. Then it goes on regardless: neither harms the other, a step that
loses its store is begun again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from chatcluster_operator.api import Condition, ConditionStatus
from chatcluster_operator.api.backup import BackupPhase, BackupStep, ChatBackup, ChatBackupStatus
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.api.spec.bootstrap import RecoverySource
from chatcluster_operator.decide import schedule
from chatcluster_operator.decide.operations import Situation, Wait
from chatcluster_operator.decide.times import rfc3339, seconds

PATIENCE_SECONDS: Final = 3600
"""How long backups and other operations wait for each other."""
MOST_FAILED: Final = 5
"""ChatBackups that failed of which the record stays, where a later one succeeded."""

CONDITION: Final = "Completed"
UNDER_WAY: Final = "it is being made"
GONE: Final = "the ChatCluster was deleted while it was being made"
SEAL: Final = "seal"
"""The last step; what it says is the backup's."""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A container of a backup's Job."""

    name: str
    state: str
    """Waiting, Running, Done or Failed."""
    said: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it left as its message."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The Job of the backup that runs, and the last of its pods."""

    done: bool = False
    failed: str = ""
    steps: tuple[StepFacts, ...] = ()
    trouble: str = ""
    """What keeps its pod from running, where that is known."""


@dataclass(frozen=True, slots=True)
class Course:
    """What follows from what is."""

    statuses: Mapping[str, ChatBackupStatus] = field(default_factory=dict[str, ChatBackupStatus])
    """What ChatBackups are to say that say something else, by name."""
    create: int | None = None
    """The time of the schedule for which a ChatBackup is to be made, Unix seconds."""
    remove: tuple[str, ...] = ()
    """ChatBackups whose backups are gone, or which only say that an older one failed."""
    again: bool = False
    """The Job ended without saying what became of it: it is made anew, and finds what it made."""
    wait: Wait | None = None
    """Why the next one does not begin."""
    due: int | None = None
    """When to look again at the latest, Unix seconds."""


def course(
    spec: Backup | None,
    found: Sequence[ChatBackup],
    job: JobFacts | None,
    standing: Situation,
    *,
    release: str | None,
    location: str,
    image: bool,
    now: int,
    source: RecoverySource | None = None,
) -> Course:
    """What is to be done. `release` is what runs, None while nothing has yet; `image` whether steps have an image,
    `source` where they lie, for a ChatCluster that is restored from one.

    `now` is in Unix seconds.
    """
    here = sorted((item for item in found if not item.deleting), key=lambda item: (item.created, item.name))
    running = next((item for item in here if item.status.phase is BackupPhase.RUNNING), None)
    pending = [item for item in here if item.status.phase is BackupPhase.PENDING]
    statuses: dict[str, ChatBackupStatus] = {}
    remove: list[str] = []
    again = False
    wait = _waits(spec, standing, pending, release=release, image=image, now=now)
    if running is not None:
        if spec is None:
            status = _abandoned(running.status, "NotConfigured", "spec.backup was removed while it was being made", now)
        elif not ours(running, location):
            status = _abandoned(running.status, "NoChatCluster", GONE, now)
        else:
            status, again = _follow(running.status, job, now)
        if status != running.status:
            statuses[running.name] = status
        if status.phase is BackupPhase.COMPLETED:
            remove += _removed(here, job)
    elif pending and wait is None:
        statuses[pending[0].name] = _begun(pending[0], release or "", location, source, now)
        pending = pending[1:]
    told = wait or Wait("Waiting", "waits for the backup before it to end")
    for item in pending:
        status = _pending(item.status, told, now)
        if status != item.status:
            statuses[item.name] = status
    create, due = _scheduled(spec, here, now)
    times = [due, wait.until if wait and pending else None]
    return Course(
        statuses=statuses,
        create=create if release is not None and not standing.hibernated and not standing.paused else None,
        remove=(*remove, *_old_failures(here)),
        again=again,
        wait=wait if pending else None,
        due=min((at for at in times if at is not None), default=None),
    )


def ours(item: ChatBackup, location: str) -> bool:
    """Whether it was made of this very ChatCluster, not of an earlier one of the name: the folder is named by uid."""
    return (item.status.location or "").rpartition("/")[2] == location.rpartition("/")[2]


def without_cluster(item: ChatBackup, now: int) -> ChatBackupStatus:
    """What one says that names a ChatCluster which is not there. `now` is in Unix seconds."""
    match item.status.phase:
        case BackupPhase.PENDING:
            why = (
                f"there is no ChatCluster {item.cluster_name} in the namespace {item.namespace}; make it, or delete "
                "this ChatBackup and make one that names another in spec.clusterName"
            )
            return _pending(item.status, Wait("NoChatCluster", why), now)
        case BackupPhase.RUNNING:
            return _abandoned(item.status, "NoChatCluster", GONE, now)
        case _:
            return item.status


def holds_up(found: Sequence[ChatBackup], *, now: int) -> Wait | None:
    """Why an operation that rolls pods does not begin yet: a backup runs, and has not run for long."""
    for item in found:
        if item.status.phase is BackupPhase.RUNNING and item.status.started:
            until = seconds(item.status.started) + PATIENCE_SECONDS
            if now < until:
                return Wait("BackupRunning", f"waits for ChatBackup {item.name} to end, until {rfc3339(until)}", until)
    return None


def _waits(
    spec: Backup | None,
    standing: Situation,
    pending: Sequence[ChatBackup],
    *,
    release: str | None,
    image: bool,
    now: int,
) -> Wait | None:
    obstacles = (
        (spec is None, "NotConfigured", "the ChatCluster has no spec.backup; add one that says where backups lie"),
        (standing.hibernated, "Hibernated", "waits while spec.hibernated is true: no store runs; set it to false"),
        (standing.paused, "Paused", "waits while spec.paused is true; set it to false"),
        (release is None, "NotReady", "waits for the ChatCluster to be ready for the first time"),
        (not image, "NoImage", "the release has no image for backup; add it to the image catalogue"),
    )
    for stands, reason, message in obstacles:
        if stands:
            return Wait(reason, message)
    if standing.under_way is not None and pending:
        until = seconds(pending[0].created) + PATIENCE_SECONDS
        if now < until:
            why = f"waits for the end of the {standing.under_way} that is under way, until {rfc3339(until)}"
            return Wait("AnotherOperation", why, until)
    return None


def _begun(item: ChatBackup, release: str, location: str, source: RecoverySource | None, now: int) -> ChatBackupStatus:
    id_ = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{item.uid.replace('-', '')[:8]}"
    status = ChatBackupStatus(
        phase=BackupPhase.RUNNING,
        id=id_,
        location=location,
        source=source.model_copy(update={"backup_id": id_}) if source else None,
        started=rfc3339(now),
        release=release,
    )
    return _told(status, item.status, "Running", UNDER_WAY, now, holds=False)


def _abandoned(status: ChatBackupStatus, reason: str, why: str, now: int) -> ChatBackupStatus:
    failed = status.model_copy(update={"phase": BackupPhase.FAILED, "completed": rfc3339(now)})
    return _told(failed, status, reason, why, now, holds=False)


def _follow(status: ChatBackupStatus, job: JobFacts | None, now: int) -> tuple[ChatBackupStatus, bool]:
    """The status as the Job has it, and whether the Job is to be made anew."""
    if job is None:
        return status, False
    steps = [step_of(item) for item in job.steps] or status.steps
    if job.failed:
        why = next((item.message for item in steps if item.message), job.failed)
        failed = status.model_copy(update={"phase": BackupPhase.FAILED, "completed": rfc3339(now), "steps": steps})
        return _told(failed, status, "Failed", f"{why}; nothing of it is left that counts", now, holds=False), False
    seal = next((item for item in job.steps if item.name == SEAL), None)
    if not job.done or seal is None or "id" not in seal.said:
        going = _told(status, status, "Running", job.trouble or UNDER_WAY, now, holds=False)
        # The pod is gone with its last word, or left none. Otherwise that is still to be seen.
        silent = seal is None or seal.state == "Done"
        return going.model_copy(update={"steps": steps}), job.done and silent
    completed = status.model_copy(
        update={
            "phase": BackupPhase.COMPLETED,
            "steps": steps,
            "moment": seal.said["moment"],
            "completed": seal.said["completed"],
            "bytes": seal.said["bytes"],
        }
    )
    message = f"everything that was acknowledged before {seal.said['moment']} is in it"
    return _told(completed, status, "Completed", message, now, holds=True), False


def step_of(facts: StepFacts) -> BackupStep:
    """A step as a ChatBackup's status has it."""
    said = facts.said
    return BackupStep(
        name=facts.name,
        state=facts.state,
        items=said.get("items"),
        bytes=said.get("bytes"),
        message=next((str(said[name])[:2048] for name in ("broken", "failed") if name in said), None),
    )


def _pending(status: ChatBackupStatus, wait: Wait, now: int) -> ChatBackupStatus:
    return _told(status, status, wait.reason, wait.message, now, holds=False)


def _told(
    status: ChatBackupStatus, before: ChatBackupStatus, reason: str, message: str, now: int, *, holds: bool
) -> ChatBackupStatus:
    wanted = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    old = next((item for item in before.conditions if item.type == CONDITION), None)
    since = old.last_transition_time if old and old.status is wanted else rfc3339(now)
    condition = Condition(type=CONDITION, status=wanted, last_transition_time=since, reason=reason, message=message)
    others = [item for item in status.conditions if item.type != CONDITION]
    return status.model_copy(update={"conditions": [condition, *others]})


def _removed(here: Sequence[ChatBackup], job: JobFacts | None) -> list[str]:
    gone = {str(id_) for item in (job.steps if job else ()) for id_ in item.said.get("removed", [])}
    return [item.name for item in here if item.status.id in gone]


def _old_failures(here: Sequence[ChatBackup]) -> list[str]:
    failed = [item.name for item in here if item.status.phase is BackupPhase.FAILED]
    return failed[:-MOST_FAILED]


def _scheduled(spec: Backup | None, here: Sequence[ChatBackup], now: int) -> tuple[int | None, int | None]:
    """The time to make one for, and the next time to look."""
    if spec is None or spec.schedule is None:
        return None, None
    # Who deletes all ChatBackups gets another one at once; nothing else keeps the times.
    last = max((seconds(item.scheduled_for) for item in here if item.scheduled_for), default=None)
    return (
        schedule.due(spec.schedule, spec.time_zone, last=last, now=now),
        schedule.following(spec.schedule, spec.time_zone, now),
    )
