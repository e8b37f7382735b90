"""Restores by table, what they say, and as a rule: whatever happens in whatever order, nothing is begun twice."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.api import RecoveryPhase, RecoveryStatus
from chatcluster_operator.api.backup import ChatBackup
from chatcluster_operator.api.spec.bootstrap import Recovery
from chatcluster_operator.decide.backups import JobFacts, StepFacts
from chatcluster_operator.decide.recovery import Found, Restoration, World, course, older
from chatcluster_operator.desired.postgres import MAJOR

NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
ID = "20261123T042549Z-0a1b2c3d"
SOURCE: dict[str, Any] = {
    "endpoint": "https://s3.example",
    "bucket": "backups",
    "secretName": "s3",
    "path": "team/demo/0b9f",
    "encryption": {"secretName": "passphrase"},
}
SPEC = Recovery.model_validate({"source": SOURCE})
NAMED = Recovery.model_validate({"backup": {"name": "before-the-move"}})
POINT = {"label": "20261123-042550F", "point": f"{ID}-1", "at": "2026-11-23T04:30:00+00:00", "version": MAJOR}
FOUND = Found(ID, "team/demo", "1.0", "2026-11-23T04:26:00Z", POINT)
DONE = JobFacts(done=True)
WORLD = World(version="1.0", job_name="demo-recovery-find")


def begun(phase: str, **more: Any) -> RecoveryStatus:
    source = SOURCE if phase == "Finding" else {**SOURCE, "backupId": ID}
    return RecoveryStatus.model_validate(
        {"phase": phase, "source": source, "cluster": "team/demo", "started": NOW, "since": NOW, **more}
    )


def decide(before: RecoveryStatus | None, spec: Recovery | None = SPEC, *, now: int = NOW, **world: Any) -> Restoration:
    return course(spec, before, replace(WORLD, **world), now=now)


def backup(phase: str = "Completed", **status: Any) -> ChatBackup:
    metadata = {"name": "before-the-move", "namespace": "team", "uid": "u", "resourceVersion": "1"}
    body = {"metadata": metadata, "spec": {"clusterName": "demo"}, "status": {"phase": phase, **status}}
    return ChatBackup.from_body(body)


def test_without_a_word_in_the_spec_there_is_nothing() -> None:
    assert decide(None, None) == Restoration()


def test_one_that_has_been_brought_up_is_let_alone() -> None:
    assert decide(None, brought_up=True) == Restoration()


def test_it_begins_by_finding_the_backup() -> None:
    found = decide(None)
    assert found.status == begun("Finding", cluster="")
    assert found.under_way
    assert not found.filling


@pytest.mark.parametrize(
    ("world", "reason", "says"),
    [
        ({"claims": ("data-demo-postgres-0",)}, "RecoveryRefused", "delete these claims"),
        ({"image": False}, "NoImage", "add it to the image catalogue"),
        ({"paused": True}, "Paused", "set it to false"),
        ({"hibernated": True}, "Hibernated", "set it to false"),
    ],
)
def test_what_keeps_it_from_beginning_says_what_to_do(world: dict[str, Any], reason: str, says: str) -> None:
    found = decide(None, **world)
    assert found.status is None
    assert found.wait is not None
    assert found.wait.reason == reason
    assert says in found.wait.message


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (None, "not in this namespace"),
        (backup("Running"), "to be complete; it is Running"),
        (backup("Failed", source={**SOURCE, "backupId": ID}), "it is Failed"),
        (backup(), "does not say where its backup lies"),
    ],
)
def test_a_chatbackup_that_is_no_use(item: ChatBackup | None, says: str) -> None:
    found = decide(None, NAMED, backup=item)
    assert found.status is None
    assert found.wait is not None
    assert found.wait.reason == "BackupNotFound"
    assert says in found.wait.message


def test_a_chatbackup_says_where_it_lies() -> None:
    found = decide(None, NAMED, backup=backup(source={**SOURCE, "backupId": ID}))
    assert found.status is not None
    assert found.status.source.backup_id == ID


@pytest.mark.parametrize("job", [None, JobFacts(), JobFacts(done=True)])
def test_it_waits_for_what_the_first_job_hands_over(job: JobFacts | None) -> None:
    before = begun("Finding")
    found = decide(before, job=job)
    assert found.status == before
    assert not found.adopt


def test_a_job_that_ended_without_handing_over_is_to_be_begun_again() -> None:
    wait = decide(begun("Finding"), job=DONE).wait
    assert wait is not None
    assert wait.reason == "RecoveryFailed"
    assert "kubectl delete job demo-recovery-find" in wait.message


def test_what_is_noted_of_one_that_is_not_over_lets_nobody_in() -> None:
    assert [Restoration(begun(phase)).under_way for phase in RecoveryPhase] == [True, True, True, False]


def test_keys_come_before_everything_else() -> None:
    before = begun("Finding")
    found = decide(before, job=DONE, found=FOUND)
    assert (found.status, found.adopt) == (before, True)
    after = decide(before, job=DONE, found=replace(FOUND, keys_in_place=True)).status
    assert after is not None
    assert after.phase is RecoveryPhase.POSTGRES
    assert (after.source.backup_id, after.moment) == (ID, FOUND.moment)
    assert after.postgres is not None
    assert (after.postgres.point, after.postgres.time) == (f"{ID}-1", None)


@pytest.mark.parametrize(
    ("time", "kept"),
    [("2026-11-23T04:29:59Z", None), ("2026-11-23T05:30:00+01:00", None), ("2026-11-23T05:00:00Z", ...)],
)
def test_only_a_time_after_the_restore_point_takes_its_place(time: str, kept: Any) -> None:
    spec = Recovery.model_validate({"source": SOURCE, "targetTime": time})
    after = decide(begun("Finding"), spec, job=DONE, found=replace(FOUND, keys_in_place=True)).status
    assert after is not None
    assert after.postgres is not None
    assert after.postgres.time == (time if kept is ... else None)


@pytest.mark.parametrize(
    ("found", "version", "says"),
    [
        (replace(FOUND, release="1.1"), "1.0", "set spec.version to 1.1 or a later release"),
        (replace(FOUND, postgres=None), "1.0", "restore another one"),
        (replace(FOUND, postgres=POINT | {"version": MAJOR - 1}), "1.0", f"is of PostgreSQL {MAJOR - 1}"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_restored(found: Found, version: str, says: str) -> None:
    before = begun("Finding")
    refused = decide(before, job=DONE, found=replace(found, keys_in_place=True), version=version)
    assert refused.status == before
    assert not refused.adopt
    assert refused.wait is not None
    assert refused.wait.reason == "RecoveryRefused"
    assert says in refused.wait.message


@pytest.mark.parametrize(
    ("release", "than", "is_older"),
    [
        ("1.0", "1.1", True),
        ("1.9", "1.10", True),
        ("1.1", "1.0", False),
        ("1.0", "1.0", False),
        ("v1.0", "1.0.1", True),
        ("dev", "1.0", False),
        ("0.1.0", "dev", False),
        ("1.0.0-rc1", "1.0.0", False),
    ],
)
def test_which_release_is_older(release: str, than: str, is_older: bool) -> None:
    assert older(release, than) is is_older


def test_postgres_is_waited_for_and_its_trouble_told() -> None:
    before = begun("Postgres")
    assert decide(before, unwell=("postgres",)).status == before
    told = decide(before, unwell=("postgres",), trouble="container postgres keeps failing").wait
    assert told is not None
    assert told.reason == "RecoveryFailed"
    assert "keeps failing" in told.message
    late = decide(before, unwell=("postgres",), now=NOW + SPEC.timeout_minutes * 60 + 1).wait
    assert late is not None
    assert "see the logs of its pod" in late.message


def test_the_rest_comes_once_postgres_is_there_and_stores_are_ready() -> None:
    after = decide(begun("Postgres"))
    assert after.status is not None
    assert after.status.phase is RecoveryPhase.FILLING
    assert not after.filling, "its members first become what they are to be"
    assert not decide(after.status, unwell=("mongodb",)).filling
    assert decide(after.status).filling


def test_a_job_that_has_begun_stays_although_a_store_is_away() -> None:
    assert decide(begun("Filling"), unwell=("mongodb",), job=JobFacts()).filling
    assert decide(begun("Filling"), unwell=("mongodb",), job=JobFacts(), paused=True).filling


@pytest.mark.parametrize(
    ("job", "reason", "says"),
    [
        (JobFacts(), "Restoring", "messages are restored"),
        (
            JobFacts(steps=(StepFacts("restore-messages", "Done"), StepFacts("restore-objects", "Running"))),
            None,
            "files",
        ),
        (JobFacts(steps=(StepFacts("reconcile", "Running"),)), "Restoring", "erasures"),
        (JobFacts(trouble="image x cannot be fetched"), "Restoring", "cannot be fetched"),
        (
            JobFacts(steps=(StepFacts("restore-messages", "Failed", {"failed": "S3 is away"}),)),
            "Restoring",
            "S3 is away; it is tried again",
        ),
        (
            JobFacts(failed="BackoffLimitExceeded", steps=(StepFacts("x", "Failed", {"failed": "no such key"}),)),
            "RecoveryFailed",
            "no such key; mend that, then have it begun again by: kubectl delete job demo-recovery-find",
        ),
        (JobFacts(failed="DeadlineExceeded: too long"), "RecoveryFailed", "DeadlineExceeded"),
    ],
)
def test_what_a_job_says_is_told(job: JobFacts, reason: str | None, says: str) -> None:
    found = decide(begun("Filling"), job=job)
    assert found.filling
    assert found.wait is not None
    assert found.wait.reason == (reason or "Restoring")
    assert says in found.wait.message


def test_once_all_is_there_it_is_over_for_good() -> None:
    after = decide(begun("Filling"), job=DONE).status
    assert after is not None
    assert after.phase is RecoveryPhase.RESTORED
    worlds: tuple[dict[str, Any], ...] = (
        {},
        {"unwell": ("postgres",)},
        {"claims": ("x",)},
        {"hibernated": True},
        {"brought_up": True},
    )
    for world in worlds:
        assert decide(after, **world) == Restoration(after)


_JOBS = st.sampled_from([None, JobFacts(), DONE, JobFacts(failed="x")])
_WORLDS = st.builds(
    World,
    brought_up=st.booleans(),
    claims=st.sampled_from([(), ("data-demo-redis-0",)]),
    found=st.sampled_from([None, FOUND, replace(FOUND, keys_in_place=True), replace(FOUND, release="9.0")]),
    job=_JOBS,
    unwell=st.sampled_from([(), ("postgres",), ("mongodb", "objects")]),
    trouble=st.sampled_from(["", "x"]),
    version=st.just("1.0"),
    image=st.booleans(),
    paused=st.booleans(),
    hibernated=st.booleans(),
)
_ORDER = [None, *RecoveryPhase]


@given(st.lists(_WORLDS, max_size=30))
def test_it_only_ever_goes_forward_and_each_look_alone_decides(worlds: list[World]) -> None:
    before: RecoveryStatus | None = None
    for number, world in enumerate(worlds):
        found = course(SPEC, before, world, now=NOW + number)
        assert found == course(SPEC, before, world, now=NOW + number)
        if before is not None:
            assert found.status is not None, "what has begun is not forgotten"
            step = _ORDER.index(found.status.phase) - _ORDER.index(before.phase)
            assert step in {0, 1}
            # A look that was lost with its process changes nothing but the time.
            again = course(SPEC, before, world, now=NOW + number + 1)
            assert again.status is not None
            assert again.status.phase is found.status.phase
            assert not (step and (world.paused or world.hibernated))
        assert found.under_way == (found.wait is not None)
        assert not (found.filling and found.adopt)
        before = found.status if found.status is not None else before
