"""Restarts on demand, and what becomes of Jobs, against a real API server."""

import time
from typing import Any

import pytest

from chatcluster_operator.decide.times import rfc3339
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.kube import KINDS
from chatcluster_testing import rollouts
from chatcluster_testing.control_plane import until
from chatcluster_testing.rollouts import SCHEMAS, end_jobs, jobs, reason, roll_out

AT = "chatcluster.dev/restarted-at"


@pytest.fixture
def running(room: Any) -> Any:
    """A room whose ChatCluster runs the shipped release."""
    return rollouts.run(room)


def now() -> str:
    return rfc3339(int(time.time()))


def stamped(room: Any) -> list[str]:
    """Components whose pods were restarted, in the order of steps."""
    found = [
        name.removeprefix("demo-")
        for (kind, name), item in room.children().items()
        if kind in {"Deployment", "StatefulSet"} and AT in item["spec"]["template"]["metadata"]["annotations"]
    ]
    return sorted(found, key=ORDER.index)


def test_a_restart_of_all_goes_one_by_one_and_outlasts_the_operator(running: Any, operator: Any) -> None:
    running.change({"metadata": {"annotations": {"chatcluster.dev/restart": now()}}})
    for place, component in enumerate(ORDER):
        until(lambda place=place: stamped(running) == list(ORDER[: place + 1]), f"the turn of {component}", 60)
        until(lambda: reason(running, "Restarting") == "RollingOut", "the condition Restarting", 60)
        if component == "kafka":
            operator.program.stop()
            operator.program.start()
            until(lambda: operator.leading, "the operator to lead again", 60)
            assert stamped(running) == list(ORDER[: place + 1])
        roll_out(running, component)
    until(lambda: reason(running, "Restarting") == "Settled", "the end", 60)
    # The annotation gone, nothing is restarted again.
    before = running.versions()
    running.change({"metadata": {"annotations": {"chatcluster.dev/restart": None}}})
    until(lambda: "No restart" in running.condition("Restarting")["message"], "the condition to end", 60)
    assert running.versions() == before


def test_a_restart_of_one_touches_no_other_and_a_bad_one_is_refused(running: Any) -> None:
    running.change({"metadata": {"annotations": {"chatcluster.dev/restart-message": now()}}})
    until(lambda: stamped(running) == ["message"], "the restart", 60)
    running.change({"metadata": {"annotations": {"chatcluster.dev/restart-nobody": now()}}})
    until(lambda: reason(running, "Restarting") == "RestartRefused", "the refusal", 60)
    assert "there is no component nobody" in running.condition("Restarting")["message"]
    until(lambda: running.events("RestartRefused"), "an event", 60)


def test_what_kubectl_rollout_restart_writes_is_left_alone(running: Any) -> None:
    """It patches an annotation of its own into the pod template."""
    path = KINDS["Deployment"].path(running.namespace, "demo-gateway")
    theirs = "kubectl.kubernetes.io/restartedAt"
    running.api.merge(path, {"spec": {"template": {"metadata": {"annotations": {theirs: now()}}}}})
    running.change({"metadata": {"annotations": {"chatcluster.dev/restart-gateway": now()}}})
    roll_out(running, "gateway")
    until(lambda: stamped(running) == ["gateway"], "a restart of ours", 60)
    assert theirs in running.child("Deployment", "demo-gateway")["spec"]["template"]["metadata"]["annotations"]


def test_one_operation_waits_for_another(running: Any) -> None:
    running.change({"spec": {"version": running.namespace}})
    until(lambda: jobs(running, renewed=True, contract=False).keys() == SCHEMAS, "the Jobs", 60)
    running.change({"metadata": {"annotations": {"chatcluster.dev/restart-edge": now()}}})
    until(lambda: reason(running, "Restarting") == "AnotherOperation", "the condition Restarting", 60)
    assert stamped(running) == []


def test_jobs_are_made_anew_when_what_they_say_changes_and_sleep_with_the_rest(running: Any) -> None:
    before = {name: item["metadata"]["name"] for name, item in jobs(running, renewed=False, contract=True).items()}
    env = [{"name": "CHAT_STARTUP_SECONDS", "value": "300"}]
    running.change({"spec": {"services": {"user": {"env": env}}}})

    def names() -> dict[str, str]:
        return {name: item["metadata"]["name"] for name, item in jobs(running, renewed=False, contract=True).items()}

    until(lambda: names().keys() == SCHEMAS and names()["user"] != before["user"], "another Job", 60)
    assert {name: names()[name] for name in ("gateway", "notification")} == {
        name: before[name] for name in ("gateway", "notification")
    }
    until(lambda: running.child("Job", before["user"]) is None, "the one before to go", 60)
    assert reason(running, "SchemaMigrated") == "Migrating"
    end_jobs(running)
    until(lambda: reason(running, "SchemaMigrated") == "UpToDate", "the condition SchemaMigrated", 60)

    running.change({"spec": {"hibernated": True}})
    until(lambda: not [key for key in running.children() if key[0] == "Job"], "no Job", 60)
    running.change({"spec": {"hibernated": False}})
    until(lambda: running.run_everything() or names().keys() == SCHEMAS, "the Jobs again", 30, every=1.0)
