"""Verification: the newest backup restored for a test, by a schedule, and what its ChatBackup says of that.

As with backups: it is noted in the ChatBackup's status before its Job is made, and the Job follows from that status.
It touches no store, so it waits for no operation and none for it. Only a backup that is made may remove the one that
is read: so none is verified while one is made, and where one begins meanwhile, what is found broken counts afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chatcluster_operator.api import Condition, ConditionStatus
from chatcluster_operator.api.backup import BackupPhase, BackupVerification, ChatBackup, ChatBackupStatus
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.decide import schedule
from chatcluster_operator.decide.backups import JobFacts, step_of
from chatcluster_operator.decide.times import rfc3339, seconds

CONDITION: Final = "Verified"
BROKEN: Final = "Broken"
NOT_VERIFIED: Final = "NotVerified"
POSTGRES: Final = "postgres"
"""The last step."""


@dataclass(frozen=True, slots=True)
class Course:
    """What follows from what is."""

    statuses: Mapping[str, ChatBackupStatus] = field(default_factory=dict[str, ChatBackupStatus])
    """What ChatBackups are to say that say something else, by name."""
    again: bool = False
    """The Job ended without saying what became of it: it is made anew."""
    due: int | None = None
    """When to look again at the latest, Unix seconds."""


def under_way(own: Sequence[ChatBackup]) -> ChatBackup | None:
    """The one that is being verified."""
    return next((item for item in own if item.status.verification and not item.status.verification.ended), None)


def course(
    spec: Backup | None, own: Sequence[ChatBackup], job: JobFacts | None, *, image: bool, stopped: bool, now: int
) -> Course:
    """What is to be done. `own` are the ChatBackups of this very ChatCluster, `job` the Job of the one under way.

    `image` is whether steps have images; `stopped`, whether nothing may begin. `now` is in Unix seconds.
    """
    wanted = spec.verification if spec else None
    running = any(item.status.phase is BackupPhase.RUNNING for item in own)
    found = under_way(own)
    if found is not None:
        status, again = (
            _follow(found.status, job, running, now)
            if wanted
            else (_ended(found.status, NOT_VERIFIED, "spec.backup.verification was removed meanwhile", now), False)
        )
        return Course({found.name: status} if status != found.status else {}, again)
    if spec is None or wanted is None:
        return Course()
    due = schedule.following(wanted.schedule, spec.time_zone, now)
    whole = [item for item in own if item.status.phase is BackupPhase.COMPLETED and not item.deleting]
    begun = [seconds(item.status.verification.started) for item in own if item.status.verification]
    newest = max(whole, key=lambda item: item.status.moment or "", default=None)
    at = schedule.due(wanted.schedule, spec.time_zone, last=max(begun, default=None), now=now)
    if newest is None or at is None or running or stopped or not image:
        return Course(due=due)
    begins = newest.status.model_copy(update={"verification": BackupVerification(started=rfc3339(now))})
    return Course({newest.name: _told(begins, "Running", "it is being restored for a test", now)}, due=due)


def _follow(status: ChatBackupStatus, job: JobFacts | None, running: bool, now: int) -> tuple[ChatBackupStatus, bool]:
    """The status as the Job has it, and whether the Job is to be made anew."""
    if job is None or status.verification is None:
        return status, False
    steps = [step_of(item) for item in job.steps] or status.verification.steps
    status = status.model_copy(update={"verification": status.verification.model_copy(update={"steps": steps})})
    broken = next((str(item.said["broken"]) for item in job.steps if "broken" in item.said), "")
    if job.failed:
        if broken and running:
            # The backup that is made may just be removing this one.
            return status, False
        if broken:
            status = status.model_copy(update={"verified": None})
        why = broken or next((item.message for item in steps if item.message), job.failed)
        return _ended(status, BROKEN if broken else NOT_VERIFIED, why, now), False
    last = next((item for item in job.steps if item.name == POSTGRES), None)
    if not job.done or last is None or "items" not in last.said:
        silent = last is None or last.state == "Done"
        told = _told(status, "Running", job.trouble or "it is being restored for a test", now)
        return told, job.done and silent
    items = {item.name: item.items for item in steps}
    message = (
        f"{items.get('verify')} messages and files were read and {items[POSTGRES]} tables restored, all as written"
    )
    return _ended(status.model_copy(update={"verified": rfc3339(now)}), "Verified", message, now, holds=True), False


def _ended(status: ChatBackupStatus, reason: str, message: str, now: int, *, holds: bool = False) -> ChatBackupStatus:
    assert status.verification is not None  # noqa: S101 - of one under way
    over = status.verification.model_copy(update={"ended": rfc3339(now)})
    return _told(status.model_copy(update={"verification": over}), reason, message, now, holds=holds)


def _told(status: ChatBackupStatus, reason: str, message: str, now: int, *, holds: bool = False) -> ChatBackupStatus:
    wanted = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    old = next((item for item in status.conditions if item.type == CONDITION), None)
    since = old.last_transition_time if old and old.status is wanted else rfc3339(now)
    condition = Condition(
        type=CONDITION, status=wanted, last_transition_time=since, reason=reason, message=message[:2048]
    )
    others = [item for item in status.conditions if item.type != CONDITION]
    return status.model_copy(update={"conditions": [*others, condition]})
