"""Backups restored for a test, by table: when one begins, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatcluster_operator.api import ConditionStatus
from chatcluster_operator.api.backup import ChatBackup
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.decide.backups import JobFacts, StepFacts
from chatcluster_operator.decide.protection import protection
from chatcluster_operator.decide.verification import Course, course, under_way

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC: dict[str, Any] = {
    "destination": {"endpoint": "https://s3.example", "bucket": "backups", "secretName": "s3"},
    "encryption": {"secretName": "passphrase"},
    "verification": {"schedule": "0 12 * * *"},
}
READ = StepFacts("verify", "Done", {"items": 70, "bytes": 7})
RESTORED = StepFacts("postgres", "Done", {"items": 42, "bytes": 9})


def at(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def backup(name: str, age: timedelta = DAY, phase: str = "Completed", **status: Any) -> ChatBackup:
    made = at(NOW - age)
    told = {"type": "Completed", "status": "True", "reason": "Completed", "lastTransitionTime": made}
    known = {"phase": phase, "id": f"id-{name}", "started": made, "conditions": [told], **status}
    if phase == "Completed":
        known |= {"moment": made, "completed": made}
    metadata = {"name": name, "namespace": "chat", "uid": name, "resourceVersion": "1", "creationTimestamp": made}
    return ChatBackup.from_body({"metadata": metadata, "spec": {"clusterName": "demo"}, "status": known})


def verifying(started: datetime = NOW) -> ChatBackup:
    return backup("a", verification={"started": at(started)})


def decide(*own: ChatBackup, job: JobFacts | None = None, now: datetime = NOW, **given: Any) -> Course:
    known: dict[str, Any] = {"spec": SPEC, "image": True, "stopped": False, **given}
    spec = known.pop("spec")
    return course(Backup.model_validate(spec) if spec else None, own, job, now=int(now.timestamp()), **known)


def said(decided: Course, name: str = "a") -> tuple[str, str, str]:
    """Whether it is verified, why not, and in words; beside that nothing is forgotten."""
    completed, verified = decided.statuses[name].conditions
    assert completed.type == "Completed"
    return verified.status.value, verified.reason, verified.message


def test_the_newest_is_verified_when_its_time_has_come() -> None:
    decided = decide(backup("old", 2 * DAY), backup("a"))
    assert list(decided.statuses) == ["a"]
    begun = decided.statuses["a"].verification
    assert begun is not None
    assert (begun.started, begun.ended) == (at(NOW), None)
    assert said(decided)[:2] == ("False", "Running")
    assert decided.due == int((NOW + DAY).timestamp())


def ended(started: datetime) -> ChatBackup:
    return backup("a", verification={"started": at(started), "ended": at(started)})


@pytest.mark.parametrize(
    ("own", "given"),
    [
        ([], {}),
        ([backup("a", phase="Failed")], {}),
        ([backup("a"), backup("b", phase="Running")], {}),
        ([backup("a")], {"stopped": True}),
        ([backup("a")], {"image": False}),
        ([backup("a")], {"spec": None}),
        ([backup("a")], {"spec": {name: value for name, value in SPEC.items() if name != "verification"}}),
        # It has been served.
        ([ended(NOW)], {}),
        ([ended(NOW - timedelta(hours=1))], {"now": NOW - timedelta(seconds=1)}),
    ],
)
def test_none_begins(own: list[ChatBackup], given: dict[str, Any]) -> None:
    assert not decide(*own, **given).statuses


def test_a_time_that_was_missed_is_made_up_for_once() -> None:
    assert decide(ended(NOW - 5 * DAY)).statuses["a"].verification == decide(backup("a")).statuses["a"].verification


def test_all_as_written() -> None:
    decided = decide(verifying(), job=JobFacts(done=True, steps=(READ, RESTORED)))
    assert said(decided) == (
        "True",
        "Verified",
        "70 messages and files were read and 42 tables restored, all as written",
    )
    status = decided.statuses["a"]
    assert (status.verified, status.verification and status.verification.ended) == (at(NOW), at(NOW))


BROKEN = StepFacts("verify", "Failed", {"broken": "blobs/1 is not there"})
FAILED = StepFacts("postgres", "Failed", {"failed": "no room"})


@pytest.mark.parametrize(
    ("steps", "reason", "says"),
    [
        ((BROKEN,), "Broken", "blobs/1 is not there"),
        ((READ, FAILED), "NotVerified", "no room"),
        ((), "NotVerified", "DeadlineExceeded"),
    ],
)
def test_what_is_wrong_is_said_and_counts_as_not_backed_up(
    steps: tuple[StepFacts, ...], reason: str, says: str
) -> None:
    known = backup("a", verification={"started": at(NOW)}, verified=at(NOW - DAY))
    decided = decide(known, job=JobFacts(failed="DeadlineExceeded", steps=steps))
    assert said(decided)[:2] == ("False", reason)
    assert says in said(decided)[2]
    assert decided.statuses["a"].verified == (None if reason == "Broken" else at(NOW - DAY)), "what was known of before"
    told = backup("a").model_copy(update={"status": decided.statuses["a"]})
    later = backup("later", timedelta())
    spec = Backup.model_validate(SPEC)
    found = protection(spec, [told, later], archiving="", hibernated=False, now=int(NOW.timestamp()))
    assert found is not None
    assert (found.holds, found.reason) == (False, "BackupBroken" if reason == "Broken" else "BackupNotVerified")
    assert says in found.message


def test_a_backup_that_runs_may_be_what_takes_it_away() -> None:
    job = JobFacts(failed="PodFailurePolicy", steps=(BROKEN,))
    waiting = decide(verifying(), backup("b", phase="Running"), job=job).statuses["a"]
    assert waiting.verification is not None
    assert waiting.verification.ended is None
    assert [condition.type for condition in waiting.conditions] == ["Completed"]
    assert said(decide(verifying(), job=job))[1] == "Broken"


def test_how_far_it_is_and_what_keeps_it() -> None:
    decided = decide(verifying(), job=JobFacts(steps=(READ, StepFacts("postgres", "Waiting")), trouble="no node"))
    found = decided.statuses["a"].verification
    assert found is not None
    assert [(step.name, step.state, step.items) for step in found.steps] == [
        ("verify", "Done", 70),
        ("postgres", "Waiting", None),
    ]
    assert said(decided)[2] == "no node"


def test_a_job_whose_pod_is_gone_is_made_anew_and_a_last_word_waited_for() -> None:
    assert decide(verifying(), job=JobFacts(done=True)).again
    unseen = JobFacts(done=True, steps=(READ, StepFacts("postgres", "Running")))
    assert not decide(verifying(), job=unseen).again


def test_one_that_is_asked_for_no_more_ends() -> None:
    decided = decide(verifying(), spec={name: value for name, value in SPEC.items() if name != "verification"})
    assert said(decided)[1] == "NotVerified"
    assert under_way([backup("a").model_copy(update={"status": decided.statuses["a"]})]) is None


def test_what_it_says_stays_while_nothing_changes() -> None:
    first = decide(verifying(), job=JobFacts(steps=(READ,)))
    again = verifying().model_copy(update={"status": first.statuses["a"]})
    assert not decide(again, job=JobFacts(steps=(READ,)), now=NOW + DAY).statuses
    assert again.status.conditions[1].status is ConditionStatus.FALSE
