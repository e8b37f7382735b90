"""Backups by table: which begins, how far it is, what it says; schedules through changes of the clock."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chatcluster_operator.api.backup import BackupPhase, ChatBackup
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.decide import schedule
from chatcluster_operator.decide.backups import (
    MOST_FAILED,
    PATIENCE_SECONDS,
    Course,
    JobFacts,
    StepFacts,
    course,
    holds_up,
    without_cluster,
)
from chatcluster_operator.decide.operations import Situation, Work

NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
SPEC: dict[str, Any] = {
    "destination": {"endpoint": "https://s3.example", "bucket": "backups", "secretName": "s3"},
    "encryption": {"secretName": "passphrase"},
}
SEALED = {"id": "x", "moment": "2026-11-23T11:59:00Z", "completed": "2026-11-23T12:00:00Z", "bytes": 7, "removed": []}


def at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def backup(
    name: str, phase: str = "Pending", *, created: int = NOW, scheduled: int | None = None, **status: Any
) -> ChatBackup:
    annotations = {} if scheduled is None else {"chatcluster.dev/scheduled-for": at(scheduled)}
    return ChatBackup.from_body(
        {
            "metadata": {
                "name": name,
                "namespace": "chat",
                "uid": f"0a1b2c3d-{name}",
                "resourceVersion": "1",
                "creationTimestamp": at(created),
                "annotations": annotations,
            },
            "spec": {"clusterName": "demo"},
            "status": {"phase": phase, **status},
        }
    )


def running(name: str = "a", *, started: int = NOW) -> ChatBackup:
    where = "s3://backups/chat/demo"
    return backup(name, "Running", id="20261123T120000Z-0a1b2c3d", started=at(started), location=where)


def decide(found: list[ChatBackup], job: JobFacts | None = None, *, now: int = NOW, **given: Any) -> Course:
    spec = given.pop("spec", SPEC)
    standing = given.pop("standing", Situation())
    known: dict[str, Any] = {"release": "1.0", "location": "s3://backups/chat/demo", "image": True, **given}
    return course(Backup.model_validate(spec) if spec else None, found, job, standing, now=now, **known)


def reason(decided: Course, name: str) -> str:
    return decided.statuses[name].conditions[0].reason


def test_the_oldest_begins_and_the_next_waits() -> None:
    decided = decide([backup("b", created=NOW), backup("a", created=NOW - 5)])
    status = decided.statuses["a"]
    assert (status.phase, status.id, status.started) == (BackupPhase.RUNNING, "20261123T120000Z-0a1b2c3d", at(NOW))
    assert reason(decided, "b") == "Waiting"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"spec": None}, "NotConfigured"),
        ({"standing": Situation(hibernated=True)}, "Hibernated"),
        ({"standing": Situation(paused=True)}, "Paused"),
        ({"release": None}, "NotReady"),
        ({"image": False}, "NoImage"),
        ({"standing": Situation(under_way=Work.UPGRADE)}, "AnotherOperation"),
    ],
)
def test_what_keeps_one_from_beginning_is_said(given: dict[str, Any], why: str) -> None:
    decided = decide([backup("a")], **given)
    assert decided.statuses["a"].phase is BackupPhase.PENDING
    assert reason(decided, "a") == why


def test_neither_waits_for_the_other_for_ever() -> None:
    upgrading = Situation(under_way=Work.UPGRADE)
    waiting = decide([backup("a")], standing=upgrading)
    assert waiting.due == NOW + PATIENCE_SECONDS
    begun = decide([backup("a")], standing=upgrading, now=NOW + PATIENCE_SECONDS)
    assert begun.statuses["a"].phase is BackupPhase.RUNNING
    held = holds_up([running()], now=NOW)
    assert held is not None
    assert held.until == NOW + PATIENCE_SECONDS
    assert holds_up([running()], now=NOW + PATIENCE_SECONDS) is None
    assert holds_up([backup("a", "Completed")], now=NOW) is None


def test_it_says_how_far_it_is() -> None:
    steps = (
        StepFacts("postgres", "Done", {"bytes": 5}),
        StepFacts("messages", "Running"),
        StepFacts("seal", "Waiting"),
    )
    decided = decide([running()], JobFacts(steps=steps))
    assert [(step.name, step.state, step.bytes) for step in decided.statuses["a"].steps] == [
        ("postgres", "Done", 5),
        ("messages", "Running", None),
        ("seal", "Waiting", None),
    ]


def test_a_whole_one_is_told_and_those_that_it_removed_go() -> None:
    old = backup("old", "Completed", id="gone", created=NOW - 9)
    said = {**SEALED, "removed": ["gone"]}
    decided = decide([old, running()], JobFacts(done=True, steps=(StepFacts("seal", "Done", said),)))
    status = decided.statuses["a"]
    assert (status.phase, status.moment, status.bytes) == (BackupPhase.COMPLETED, SEALED["moment"], 7)
    assert decided.remove == ("old",)


def test_a_failed_one_says_what_the_step_said() -> None:
    said = {"failed": "messages: the store cannot be reached"}
    decided = decide([running()], JobFacts(failed="BackoffLimit", steps=(StepFacts("messages", "Failed", said),)))
    assert decided.statuses["a"].phase is BackupPhase.FAILED
    assert "cannot be reached" in decided.statuses["a"].conditions[0].message


def test_a_job_whose_pod_is_gone_is_made_anew() -> None:
    assert decide([running()], JobFacts(done=True)).again
    assert decide([running()], JobFacts(done=True, steps=(StepFacts("seal", "Done"),))).again


def test_a_last_word_that_is_yet_to_be_seen_is_waited_for() -> None:
    decided = decide([running()], JobFacts(done=True, steps=(StepFacts("seal", "Running"),)))
    assert not decided.again
    assert decided.statuses["a"].phase is BackupPhase.RUNNING


def test_what_keeps_its_pod_from_running_is_said() -> None:
    decided = decide([running()], JobFacts(trouble="no node takes the pod"))
    assert decided.statuses["a"].conditions[0].message == "no node takes the pod"


def test_one_whose_configuration_goes_has_failed() -> None:
    assert decide([running()], spec=None).statuses["a"].phase is BackupPhase.FAILED


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23T03:00:00"])
def test_an_annotation_that_is_no_time_counts_for_nothing(text: str) -> None:
    body = {
        "metadata": {
            "name": "a",
            "namespace": "chat",
            "uid": "1",
            "resourceVersion": "1",
            "annotations": {"chatcluster.dev/scheduled-for": text},
        },
        "spec": {"clusterName": "demo"},
    }
    assert ChatBackup.from_body(body).scheduled_for == ""


def test_what_ended_never_changes() -> None:
    for phase in ("Completed", "Failed"):
        assert not decide([backup("a", phase)], JobFacts(done=True)).statuses


def test_the_record_of_old_failures_goes() -> None:
    failed = [backup(str(number), "Failed", created=NOW - 100 + number) for number in range(MOST_FAILED + 2)]
    assert decide(failed).remove == ("0", "1")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, datetime(2026, 11, 23, 3, tzinfo=UTC)),
        (datetime(2026, 11, 23, 3, tzinfo=UTC), None),
        # Three nights were missed: one is made.
        (datetime(2026, 11, 20, 3, tzinfo=UTC), datetime(2026, 11, 23, 3, tzinfo=UTC)),
    ],
)
def test_scheduled(last: datetime | None, expected: datetime | None) -> None:
    found = [backup("a", "Completed", scheduled=int(last.timestamp()))] if last else []
    decided = decide(found, spec={**SPEC, "schedule": "0 3 * * *"})
    assert decided.create == (int(expected.timestamp()) if expected else None)
    assert decided.due == int(datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("standing", [Situation(hibernated=True), Situation(paused=True)])
def test_none_is_made_while_nothing_may_run(standing: Situation) -> None:
    assert decide([], spec={**SPEC, "schedule": "0 3 * * *"}, standing=standing).create is None


def test_a_time_that_the_clock_leaves_out_is_served_all_the_same() -> None:
    # In Berlin, 02:30 is left out on the 29th of March 2026.
    day = int(datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp())
    served = schedule.due(
        "30 2 * * *", "Europe/Berlin", last=int(datetime(2026, 3, 28, 2, tzinfo=UTC).timestamp()), now=day
    )
    assert served == int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())


def test_a_time_that_has_just_come_counts() -> None:
    three = int(datetime(2026, 11, 23, 3, tzinfo=UTC).timestamp())
    assert schedule.latest("0 3 * * *", "Etc/UTC", three) == three


@pytest.mark.parametrize("wrong", ["0 3 10 11", "61 3 * * *", "every night", "0 0 30 2 *"])
def test_a_schedule_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        Backup.model_validate({**SPEC, "schedule": wrong})


def test_one_without_a_chatcluster_says_so_and_what_to_do() -> None:
    status = without_cluster(backup("a"), NOW)
    condition = status.conditions[0]
    assert (status.phase, condition.reason) == (BackupPhase.PENDING, "NoChatCluster")
    assert "no ChatCluster demo in the namespace chat; make it, or delete" in condition.message
    told = backup("a", **status.model_dump(mode="json", by_alias=True, exclude={"phase"}, exclude_none=True))
    assert without_cluster(told, NOW + 60) == told.status, "it is told once"
    assert decide([told]).statuses["a"].phase is BackupPhase.RUNNING, "it mends itself"


def test_one_that_runs_ends_with_its_chatcluster() -> None:
    assert without_cluster(running(), NOW).phase is BackupPhase.FAILED
    of_an_earlier_one = decide([running()], location="s3://backups/chat/another-uid").statuses["a"]
    assert of_an_earlier_one.phase is BackupPhase.FAILED
    assert "was deleted" in of_an_earlier_one.conditions[0].message


@pytest.mark.parametrize("phase", ["Completed", "Failed"])
def test_what_ended_stays_as_it_was_without_its_chatcluster(phase: str) -> None:
    item = backup("a", phase)
    assert without_cluster(item, NOW) == item.status
