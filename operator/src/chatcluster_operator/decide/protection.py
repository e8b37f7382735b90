"""How well a ChatCluster is backed up: the newest whole backup, and whether that is as new as it should be.

A schedule is served by a backup that began when its time came, or later. Two hours pass before one that was not served
counts: one for other operations to end, one to make it. While a backup is made, however long that takes, things stand
as they did when it began: a large one is not overdue for its size, and one that fails night after night stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import ConditionStatus
from chatcluster_operator.api.backup import BackupPhase, ChatBackup
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.decide import schedule, verification
from chatcluster_operator.decide.backups import CONDITION
from chatcluster_operator.decide.times import rfc3339, seconds

SLACK_SECONDS: Final = 2 * 3600
"""How long a time of the schedule may pass before it counts as not served."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What there is to restore from."""

    holds: bool
    reason: str
    message: str
    newest: int | None = None
    """The moment of the newest whole backup, Unix seconds."""


def protection(
    spec: Backup | None, own: Sequence[ChatBackup], *, archiving: str, hibernated: bool, now: int
) -> Protection | None:
    """How it stands; None where none are asked for.

    `own` are the ChatBackups of this very ChatCluster. `archiving` is the time since when PostgreSQL's log has not
    reached the destination, RFC 3339, empty where it does. `now` is in Unix seconds.
    """
    if spec is None:
        return None
    whole = [item for item in own if item.status.phase is BackupPhase.COMPLETED and item.status.moment]
    newest = max(whole, key=lambda item: item.status.moment or "", default=None)
    last = max((item for item in own if _ended(item)), key=lambda item: item.status.completed or "", default=None)
    running = next((item for item in own if item.status.phase is BackupPhase.RUNNING), None)
    tested = max((item for item in own if _tested(item)), key=_tested, default=None)
    moment = newest.status.moment if newest else None
    known = f"the newest whole one, {newest.name}, is of {moment}" if newest else "there is no whole one"
    at = seconds(moment) if moment else None
    problem = _archiving(archiving, known) or _failed(last, known) or (_broken(tested) if tested else None)
    if problem is None and newest is None:
        problem = "NoBackupYet", f"No backup is whole yet: {_first(own, running)}."
    elif problem is None and newest is not None and not hibernated:
        missed = _missed(spec, newest, running, now)
        why = f"The backup of {missed} is lacking: {_why(own, running)}; {known}."
        problem = ("BackupOverdue", why) if missed else None
    if problem is not None:
        return Protection(False, *problem, at)
    name = newest.name if newest else ""
    restored = f" {tested.name} was restored for a test at {tested.status.verified}." if tested else ""
    message = f"ChatBackup {name} has everything that was acknowledged before {moment}.{restored}"
    return Protection(True, "BackedUp", message, at)


def _archiving(since: str, known: str) -> tuple[str, str] | None:
    if not since:
        return None
    return "ArchivingStopped", (
        f"PostgreSQL's log has not reached the destination since {since}: no backup can end, and its volume fills up; "
        "see that the destination can be reached and written to. The cause is in the log of the member that leads: "
        f"kubectl chat logs postgres; {known}."
    )


def _failed(last: ChatBackup | None, known: str) -> tuple[str, str] | None:
    if last is None or last.status.phase is not BackupPhase.FAILED:
        return None
    return "BackupFailed", f"ChatBackup {last.name} failed: {_said(last)}; {known}."


def _first(own: Sequence[ChatBackup], running: ChatBackup | None) -> str:
    """How far the first one is."""
    return _said(running or min(own, key=lambda item: item.created)) if own else "none is asked for yet"


def _missed(spec: Backup, newest: ChatBackup, running: ChatBackup | None, now: int) -> str:
    """The time of the schedule that was not served; empty when the last one was."""
    if spec.schedule is None:
        return ""
    at = min(now, seconds(running.status.started)) if running and running.status.started else now
    wanted = schedule.latest(spec.schedule, spec.time_zone, at - SLACK_SECONDS)
    if wanted is None or seconds(newest.status.started or newest.created) >= wanted:
        return ""
    return rfc3339(wanted)


def _why(own: Sequence[ChatBackup], running: ChatBackup | None) -> str:
    waiting = min(
        (item for item in own if item.status.phase is BackupPhase.PENDING), key=lambda item: item.created, default=None
    )
    if running is not None:
        return f"{running.name} is being made"
    return _said(waiting) if waiting is not None else "it was not made, as while spec.paused is true"


def _ended(item: ChatBackup) -> bool:
    """Whether it came to an end that says something of the next one: not one whose ground was taken away."""
    reason = next((condition.reason for condition in item.status.conditions if condition.type == CONDITION), "")
    failed = item.status.phase is BackupPhase.FAILED and reason == "Failed"
    return failed or item.status.phase is BackupPhase.COMPLETED


def _tested(item: ChatBackup) -> str:
    """When it was last restored for a test, RFC 3339; empty for never."""
    return (item.status.verification.ended or "") if item.status.verification else ""


def _broken(tested: ChatBackup) -> tuple[str, str] | None:
    """What came of it, where that was nothing good. Backups share files and PostgreSQL's base: a later one may be no
    better, so only another test ends this."""
    told = next((item for item in tested.status.conditions if item.type == verification.CONDITION), None)
    if told is None or told.status is ConditionStatus.TRUE:
        return None
    if told.reason == verification.BROKEN:
        message = f"ChatBackup {tested.name} is broken: {told.message}; check the destination, and make another backup"
        return "BackupBroken", f"{message}. The next verification tells whether that is whole."
    return "BackupNotVerified", f"ChatBackup {tested.name} could not be restored for a test: {told.message}."


def _said(item: ChatBackup) -> str:
    told = (condition.message for condition in item.status.conditions if condition.type == CONDITION)
    return next(told, "it is yet to be looked at")
