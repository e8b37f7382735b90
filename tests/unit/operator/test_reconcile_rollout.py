"""What one look runs: which migrations, and that those which have failed are tried again, after a while."""

from dataclasses import replace

import pytest

from chatcluster_operator.decide import Child, Key, Snapshot, Workload
from chatcluster_operator.decide.plan import Replace
from chatcluster_operator.decide.snapshot import Job, Pod
from chatcluster_operator.desired.types import Migrations
from chatcluster_operator.reconcile.rollout import RETRY_SECONDS, choose, jobs_of

FAILED_AT = 1_000
FAILED = Job(failed="BackoffLimitExceeded", since=FAILED_AT)


def test_a_failed_migration_is_left_alone_for_a_while_and_then_made_anew(chatcluster, inputs):
    cluster = chatcluster().model_copy(update={"status": {"version": chatcluster().spec.version}})
    given = inputs(cluster)
    first, *others = jobs_of(cluster, given, Migrations(given.images, contract=True))
    children = {key: child(Job(done=True)) for key in others} | {first: child(FAILED)}

    def look(now: int):
        catalogue = {cluster.spec.version: given.images}
        return choose(cluster, Snapshot(children=children), catalogue, given, now=now)

    early = look(FAILED_AT + RETRY_SECONDS - 1)
    assert early.retry(FAILED_AT + RETRY_SECONDS - 1) == frozenset()
    assert early.due == FAILED_AT + RETRY_SECONDS, "looked at then, though nothing changes"
    late = look(FAILED_AT + RETRY_SECONDS)
    assert late.retry(FAILED_AT + RETRY_SECONDS) == {first}
    children[first] = child(Job(done=True))
    assert look(FAILED_AT + RETRY_SECONDS).due is None


@pytest.mark.parametrize(
    ("workload", "narrowed"),
    [
        (Workload(wanted=2, ready=2, updated=2, total=2, current=True, available=True), True),
        # Woken: nothing runs yet, so nothing runs that is older.
        (Workload(wanted=2, ready=0, updated=0, total=0, current=True, available=False), True),
        (Workload(wanted=2, ready=0, updated=2, total=2, current=True, available=False), True),
        # One more of the image before, or nobody knows yet.
        (Workload(wanted=2, ready=2, updated=2, total=3, current=True, available=True), False),
        (Workload(wanted=2, ready=2, updated=2, total=2, current=False, available=True), False),
    ],
)
def test_schemas_are_narrowed_once_nothing_runs_that_is_older(chatcluster, inputs, workload, narrowed):
    cluster = chatcluster().model_copy(update={"status": {"version": chatcluster().spec.version}})
    given = inputs(cluster)
    children = {
        Key("Deployment", f"demo-{name}"): replace(
            child(Job()), job=None, workload=replace(workload, image=given.images[name])
        )
        for name in ("user", "gateway", "notification")
    }
    catalogue = {cluster.spec.version: given.images}
    chosen = choose(cluster, Snapshot(children=children), catalogue, given, now=FAILED_AT)
    assert chosen.migrations == Migrations(given.images, contract=narrowed)
    leaving = {Key("Pod", "demo-user-0"): Pod("p", 1, "user", ending=True)}
    chosen = choose(cluster, Snapshot(children=children, pods=leaving), catalogue, given, now=FAILED_AT)
    assert chosen.migrations == Migrations(given.images, contract=False), "it may be of before, and is not counted"


def test_jobs_are_made_anew_with_their_pods():
    assert not Replace(Key("Job", "demo-user-db-1"), "u").orphan


def child(job: Job) -> Child:
    return replace(Child("c", 1, "u", "demo", "f"), job=job)
