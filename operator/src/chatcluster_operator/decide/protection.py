"""How well a ChatCluster is backed up: the newest whole backup, and whether that is as new as it should be.

A schedule is served by a backup that began when its time came, or later. Two hours pass before one that was not served
counts: one for other operations to end, one to make it. While a backup is made, however long that takes, things stand
as they did when it began: a large one is not overdue for its size, and one that fails night after night stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chatcluster_operator.api.backup import BackupPhase, ChatBackup
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.decide import schedule

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
    moment = newest.status.moment if newest else None
    known = f"the newest whole one, {newest.name}, is of {moment}" if newest else "there is no whole one"

    def told(holds: bool, reason: str, message: str) -> Protection:
        return Protection(holds, reason, message, _seconds(moment) if moment else None)

    if archiving:
        return told(
            False,
            "ArchivingStopped",
            f"PostgreSQL's log has not reached the destination since {archiving}: no backup can end, and its volume "
            "fills up; see that the destination can be reached and written to. The cause is in the log of the member "
            f"that leads: kubectl chat logs postgres; {known}.",
        )
    if last is not None and last.status.phase is BackupPhase.FAILED:
        return told(False, "BackupFailed", f"ChatBackup {last.name} failed: {_said(last)}; {known}.")
    if newest is None:
        wait = _said(running or min(own, key=lambda item: item.created)) if own else "none is asked for yet"
        return told(False, "NoBackupYet", f"No backup is whole yet: {wait}.")
    if not hibernated and (missed := _missed(spec, newest, running, now)):
        return told(False, "BackupOverdue", f"The backup of {missed} is lacking: {_why(own, running)}; {known}.")
    return told(True, "BackedUp", f"ChatBackup {newest.name} has everything that was acknowledged before {moment}.")


def _missed(spec: Backup, newest: ChatBackup, running: ChatBackup | None, now: int) -> str:
    """The time of the schedule that was not served; empty when the last one was."""
    if spec.schedule is None:
        return ""
    at = min(now, _seconds(running.status.started)) if running and running.status.started else now
    wanted = schedule.latest(spec.schedule, spec.time_zone, at - SLACK_SECONDS)
    if wanted is None or _seconds(newest.status.started or newest.created) >= wanted:
        return ""
    return datetime.fromtimestamp(wanted, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _why(own: Sequence[ChatBackup], running: ChatBackup | None) -> str:
    waiting = min(
        (item for item in own if item.status.phase is BackupPhase.PENDING), key=lambda item: item.created, default=None
    )
    if running is not None:
        return f"{running.name} is being made"
    return _said(waiting) if waiting is not None else "it was not made, as while spec.paused is true"


def _ended(item: ChatBackup) -> bool:
    """Whether it came to an end that says something of the next one: not one whose ground was taken away."""
    condition = next(iter(item.status.conditions), None)
    failed = item.status.phase is BackupPhase.FAILED and condition is not None and condition.reason == "Failed"
    return failed or item.status.phase is BackupPhase.COMPLETED


def _said(item: ChatBackup) -> str:
    return next((condition.message for condition in item.status.conditions), "it is yet to be looked at")


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
