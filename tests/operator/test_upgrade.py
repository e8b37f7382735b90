"""A change of release against a real API server, on which the test plays the workloads' and the Jobs' controllers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.kube import KINDS
from chatcluster_testing import rollouts
from chatcluster_testing.control_plane import until
from chatcluster_testing.rollouts import SCHEMAS, end_jobs, jobs, reason, renewed, roll_out


@pytest.fixture
def running(room: Any) -> Any:
    """A room whose ChatCluster runs the shipped release."""
    return rollouts.run(room)


def widened(room: Any) -> None:
    """The migrations of the second release run, before anything else."""
    until(lambda: jobs(room, renewed=True, contract=False).keys() == SCHEMAS, "the Jobs that widen the schemas", 60)
    assert renewed(room) == []
    end_jobs(room)


def test_one_component_after_the_other_across_a_restart_of_the_operator(running: Any, operator: Any) -> None:
    assert jobs(running, renewed=False, contract=True).keys() == SCHEMAS, "at first, all the way"
    running.change({"spec": {"version": running.namespace}})
    widened(running)
    assert not jobs(running, renewed=False, contract=True), "those of the release before are removed"
    for place, component in enumerate(ORDER):
        until(lambda place=place: renewed(running) == list(ORDER[: place + 1]), f"the turn of {component}", 60)
        until(lambda: reason(running) == "RollingOut", "the condition Upgrading", 60)
        assert not jobs(running, renewed=True, contract=True)
        if component == "redis":
            operator.program.stop()
            operator.program.start()
            until(lambda: operator.leading, "the operator to lead again", 60)
            assert renewed(running) == list(ORDER[: place + 1])
        roll_out(running, component)
    until(lambda: jobs(running, renewed=True, contract=True).keys() == SCHEMAS, "the Jobs that narrow them", 60)
    # Nobody is taken back any more, and it says what it is at.
    assert running.get()["status"]["version"] == running.namespace
    assert reason(running) == "Contracting"
    end_jobs(running)
    until(lambda: reason(running) == "Settled", "the end", 60)
    assert "operation" not in running.get()["status"]
    assert running.condition("SchemaMigrated")["status"] == "True"


def test_a_component_that_does_not_become_ready_takes_everything_back_in_the_opposite_order(running: Any) -> None:
    running.change({"spec": {"version": running.namespace, "upgrade": {"stepTimeoutSeconds": 10}}})
    widened(running)
    until(lambda: renewed(running) == ["postgres"], "the first step", 60)
    roll_out(running, "postgres")
    until(lambda: len(renewed(running)) == 2, "the second step", 60)
    # It never becomes ready; ten seconds later the operator takes it back, and once it is well the one before it.
    until(lambda: renewed(running) == ["postgres"], "the second one back", 60)
    until(lambda: running.run_everything() or renewed(running) == [], "everything back", 60)
    until(lambda: running.run_everything() or running.events("UpgradeFailed"), "an event that says so", 60, every=1.0)
    failed = running.condition("Upgrading")
    assert failed["reason"] == "UpgradeFailed"
    assert f"{ORDER[1]} did not become ready within 10 s" in failed["message"]
    assert running.get()["status"]["version"] == install.RELEASE

    running.change({"spec": {"version": install.RELEASE}})
    until(lambda: reason(running) == "Settled", "the failure to be over", 60)


def test_a_migration_that_fails_stops_the_upgrade_before_anything_else(running: Any) -> None:
    running.change({"spec": {"version": running.namespace}})
    until(lambda: jobs(running, renewed=True, contract=False).keys() == SCHEMAS, "the Jobs", 60)
    job = jobs(running, renewed=True, contract=False)["gateway"]
    # Its pod says why.
    pod = {
        "metadata": {**job["spec"]["template"]["metadata"], "name": "migrating", "namespace": running.namespace},
        "spec": job["spec"]["template"]["spec"],
    }
    pods = KINDS["Pod"].path(running.namespace)
    running.api.create(pods, pod)
    ended = {"terminated": {"exitCode": 1, "message": "relation people is locked"}}
    container = {"name": "migrate", "state": ended, "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    running.api.merge(f"{pods}/migrating/status", {"status": {"phase": "Failed", "containerStatuses": [container]}})
    rollouts.end_job(running, job, failed="Job has reached the specified backoff limit")
    until(lambda: reason(running) == "UpgradeFailed", "the condition Upgrading", 60)
    said = running.condition("Upgrading")["message"]
    assert "relation people is locked" in said
    assert f"kubectl logs -n {running.namespace} migrating" in said
    assert job["metadata"]["name"] in said
    assert renewed(running) == []
    assert running.condition("Ready")["status"] == "True", "the release before serves on"
    # The Job stays, so that its logs can be read.
    assert running.child("Job", job["metadata"]["name"])


def test_what_keeps_an_upgrade_from_beginning_is_a_condition(running: Any) -> None:
    def waits(patch: Any, why: str) -> str:
        running.change(patch)
        until(lambda: reason(running) == why, f"the reason {why}", 60)
        assert running.get()["status"]["version"] == install.RELEASE
        assert renewed(running) == []
        return running.condition("Upgrading")["message"]

    opens = datetime.now(UTC) + timedelta(hours=3)
    window = {"days": [opens.strftime("%a")], "start": opens.strftime("%H:%M"), "duration": "1h"}
    next_one = {"spec": {"version": running.namespace, "maintenance": {"windows": [window]}}}
    assert opens.strftime("%Y-%m-%dT%H:%M:00Z") in waits(next_one, "OutsideWindow")
    waits({"spec": {"paused": True}}, "Paused")
    waits({"spec": {"paused": False, "hibernated": True}}, "Hibernated")
    # Awake again, nothing is ready at first.
    running.change({"metadata": {"annotations": {"chatcluster.dev/override-window": "true"}}})
    assert "whenUnhealthy" in waits({"spec": {"hibernated": False}}, "Unhealthy")
    until(lambda: running.run_everything() or reason(running) == "RollingOut", "the beginning", 60, every=1.0)
    widened(running)
    until(lambda: renewed(running) == ["postgres"], "the first step", 60)


def test_a_release_that_nobody_knows_is_waited_for(running: Any) -> None:
    running.change({"spec": {"version": "9.9.9"}})
    until(lambda: reason(running) == "ReleaseUnknown", "the condition Upgrading", 60)
    assert running.condition("ConfigurationValid")["reason"] == "ReleaseUnknown"
    assert renewed(running) == []
