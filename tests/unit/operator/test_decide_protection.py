"""Whether a ChatCluster counts as backed up, by table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatcluster_operator.api.backup import ChatBackup
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.decide.protection import SLACK_SECONDS, Protection, protection

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 23, 3, tzinfo=UTC)
"""When the schedule last came."""
DAY = timedelta(days=1)
SPEC: dict[str, Any] = {
    "destination": {"endpoint": "https://s3.example", "bucket": "backups", "secretName": "s3"},
    "encryption": {"secretName": "passphrase"},
    "schedule": "0 3 * * *",
}


def at(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def made(name: str, phase: str, started: datetime, *, reason: str = "", message: str = "it is said") -> ChatBackup:
    status: dict[str, Any] = {"phase": phase}
    if phase != "Pending":
        status["started"] = at(started)
    if phase in {"Completed", "Failed"}:
        status["completed"] = at(started + timedelta(minutes=5))
    if phase == "Completed":
        status["moment"] = at(started + timedelta(minutes=1))
    condition = {"type": "Completed", "status": "True" if phase == "Completed" else "False", "message": message}
    status["conditions"] = [{**condition, "reason": reason or phase, "lastTransitionTime": at(started)}]
    metadata = {
        "name": name,
        "namespace": "chat",
        "uid": name,
        "resourceVersion": "1",
        "creationTimestamp": at(started),
    }
    return ChatBackup.from_body({"metadata": metadata, "spec": {"clusterName": "demo"}, "status": status})


def decide(*own: ChatBackup, now: datetime = NOW, **given: Any) -> Protection:
    known: dict[str, Any] = {"archiving": "", "hibernated": False, "spec": SPEC, **given}
    spec = Backup.model_validate(known.pop("spec"))
    found = protection(spec, own, now=int(now.timestamp()), **known)
    assert found is not None
    return found


FRESH = made("tonight", "Completed", NIGHT)
OLD = made("yesterday", "Completed", NIGHT - DAY)


def test_nothing_is_said_where_no_backups_are_asked_for() -> None:
    assert protection(None, [FRESH], archiving="", hibernated=False, now=0) is None


@pytest.mark.parametrize(
    ("own", "holds", "reason", "says"),
    [
        ([], False, "NoBackupYet", "none is asked for yet"),
        ([made("first", "Pending", NIGHT, message="waits")], False, "NoBackupYet", "waits"),
        ([made("first", "Running", NIGHT)], False, "NoBackupYet", "it is said"),
        ([OLD, FRESH], True, "BackedUp", "tonight"),
        ([OLD], False, "BackupOverdue", "The backup of 2026-11-23T03:00:00Z is lacking: it was not made"),
        ([OLD, made("p", "Pending", NIGHT, message="waits for it")], False, "BackupOverdue", "waits for it"),
        # As long as one that began in time is made, it is not overdue, however long it takes.
        ([OLD, made("r", "Running", NIGHT)], True, "BackedUp", "yesterday"),
        ([OLD, made("r", "Running", NOW)], False, "BackupOverdue", "r is being made"),
        ([OLD, made("by-hand", "Completed", NIGHT + timedelta(hours=1))], True, "BackedUp", "by-hand"),
        ([OLD, made("f", "Failed", NIGHT, message="no room")], False, "BackupFailed", "no room; the newest whole one"),
        ([made("f", "Failed", NIGHT)], False, "BackupFailed", "there is no whole one"),
        ([made("f", "Failed", NIGHT - DAY), FRESH], True, "BackedUp", "tonight"),
        # The ground was taken from under it: that says nothing of the next.
        ([FRESH, made("f", "Failed", NOW, reason="NotConfigured")], True, "BackedUp", "tonight"),
    ],
)
def test_by_what_there_is(own: list[ChatBackup], holds: bool, reason: str, says: str) -> None:
    found = decide(*own)
    assert (found.holds, found.reason) == (holds, reason)
    assert says in found.message


def test_a_time_of_the_schedule_counts_once_the_slack_has_passed() -> None:
    over = NIGHT + timedelta(seconds=SLACK_SECONDS)
    assert decide(OLD, now=over - timedelta(seconds=1)).holds
    assert not decide(OLD, now=over).holds


def test_without_a_schedule_none_is_overdue() -> None:
    spec = {name: value for name, value in SPEC.items() if name != "schedule"}
    assert decide(OLD, now=NOW + 90 * DAY, spec=spec).holds


def test_asleep_nothing_changes_and_so_nothing_is_overdue() -> None:
    assert decide(OLD, now=NOW + 90 * DAY, hibernated=True).holds


def test_a_log_that_does_not_reach_the_destination_is_worse_than_all() -> None:
    found = decide(FRESH, archiving="2026-11-23T11:00:00Z")
    assert (found.holds, found.reason) == (False, "ArchivingStopped")
    assert "since 2026-11-23T11:00:00Z" in found.message


def test_the_newest_moment_is_told_whatever_else_is_wrong() -> None:
    failed = made("f", "Failed", NOW)
    assert decide(OLD, FRESH, failed).newest == int((NIGHT + timedelta(minutes=1)).timestamp())
    assert decide(failed).newest is None
