"""When something that was asked for is done."""

from typing import Any

import pytest

from chatcluster_operator.cli.errors import CliError
from chatcluster_operator.cli.members import choose, progress
from chatcluster_operator.cli.switches import renewed, rotation
from chatcluster_operator.desired.pods import RESTARTED_AT

ASKED = "2026-11-23T10:00:00Z"


def workload(**changes: Any) -> dict[str, Any]:
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    annotations = changes.get("annotations", {RESTARTED_AT: ASKED})
    return {
        "metadata": {"generation": 4},
        "spec": {"replicas": 2, "template": {"metadata": {"annotations": annotations}}},
        "status": {"observedGeneration": 4, **counts, **changes.get("status", {})},
    }


@pytest.mark.parametrize(
    ("item", "done"),
    [
        (workload(), True),
        (workload(annotations={RESTARTED_AT: "2026-11-23T11:00:00Z"}), True),
        (None, False),
        (workload(annotations={}), False),
        (workload(annotations={RESTARTED_AT: "2026-11-22T10:00:00Z"}), False),
        (workload(status={"observedGeneration": 3}), False),
        (workload(status={"updatedReplicas": 1}), False),
        (workload(status={"readyReplicas": 1}), False),
        (workload(status={"replicas": 3}), False),
    ],
    ids=[
        "all new",
        "asked once more since",
        "not made",
        "not asked",
        "asked before",
        "not seen",
        "half way",
        "not ready",
        "an old one left",
    ],
)
def test_restarted_when_all_pods_are_new(item: dict[str, Any] | None, done: bool) -> None:
    assert renewed(item, ASKED) is done


def cluster(**status: Any) -> dict[str, Any]:
    return {"status": status}


@pytest.mark.parametrize(
    ("before", "now", "wanted", "done", "text"),
    [
        (cluster(), cluster(), ["keys"], False, "waiting for the operator"),
        (cluster(), cluster(rotation={"what": "Keys", "phase": "Signing"}), ["keys"], False, "Keys Signing"),
        (cluster(), cluster(rotated={"keys": 5}), ["keys"], True, "Rotated: keys."),
        (cluster(rotated={"keys": 5}), cluster(rotated={"keys": 5}), ["keys"], False, "waiting for the operator"),
        (cluster(rotated={"keys": 5}), cluster(rotated={"keys": 9}), ["keys"], True, "Rotated: keys."),
        (cluster(), cluster(rotated={"keys": 5}), ["passwords", "keys"], False, "waiting for the operator"),
        (
            cluster(rotation={"phase": "Failed", "started": 1}),
            cluster(rotation={"phase": "Failed", "started": 1}),
            ["keys"],
            False,
            "Failed",
        ),
    ],
    ids=["not seen", "under way", "done", "done before", "done again", "half of it", "an earlier one failed"],
)
def test_rotated_when_the_status_says_so(
    before: dict[str, Any], now: dict[str, Any], wanted: list[str], done: bool, text: str
) -> None:
    assert rotation(before, now, wanted) == (done, text)


def test_a_failed_rotation_is_an_error() -> None:
    failed = {"what": "Passwords", "phase": "Failed", "step": "message", "message": "not ready in time", "started": 7}
    with pytest.raises(CliError, match="failed at message, and all is as before: not ready in time"):
        rotation(cluster(rotation={"phase": "Failed", "started": 1}), cluster(rotation=failed), ["passwords"])


STORE = {
    "size": 3,
    "leader": "demo-redis-0",
    "members": [{"name": f"demo-redis-{number}", "state": "Running"} for number in range(3)],
}
VALUE = "2026-11-23T10:00:00Z demo-redis-1"


def with_store(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "demo"}, "spec": spec or {}, "status": {"stores": {"redis": {**STORE, **more}}}}


@pytest.mark.parametrize(
    ("store", "given", "spec", "chosen"),
    [
        ("redis", None, {}, ""),
        ("redis", "1", {}, "demo-redis-1"),
        ("redis", "demo-redis-2", {}, "demo-redis-2"),
        ("redis", "3", {}, "There is no member demo-redis-3"),
        ("valkey", None, {}, "There is no store valkey"),
        ("redis", None, {"redis": {"external": {"secretName": "mine"}}}, "a store of your own"),
        ("kafka", None, {}, "kafka has a single member"),
    ],
)
def test_which_member_is_meant(store: str, given: str | None, spec: dict[str, Any], chosen: str) -> None:
    if " " not in chosen:
        assert choose(with_store(spec), store, given) == chosen
    else:
        with pytest.raises(CliError, match=chosen):
            choose(with_store(spec), store, given)


@pytest.mark.parametrize(
    ("operation", "done", "text"),
    [
        (None, False, "waiting for the operator"),
        ({"what": "Switchover", "phase": "Running"}, False, "demo-redis-0 leads"),
        ({"what": "Switchover", "phase": "Running", "message": "refused"}, False, "refused"),
        ({"what": "Switchover", "phase": "Done"}, True, "demo-redis-0"),
    ],
)
def test_how_far_a_switchover_is(operation: dict[str, Any] | None, done: bool, text: str) -> None:
    heeded = {"switchover": VALUE} if operation else {"switchover": "2026-11-23T09:00:00Z"}
    found = progress(with_store(operation=operation, heeded=heeded), "switchover", "redis", VALUE)
    assert found == (done, text)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"what": "Switchover", "phase": "Failed", "message": "no other member is in step"}, "no other member"),
        ({"what": "Failover", "phase": "Running"}, "gave way to a Failover"),
    ],
)
def test_a_switchover_that_fails_says_why(operation: dict[str, Any], said: str) -> None:
    with pytest.raises(CliError, match=said):
        progress(with_store(operation=operation, heeded={"switchover": VALUE}), "switchover", "redis", VALUE)
