"""When something that was asked for is done."""

from typing import Any

import pytest

from chatcluster_operator.cli.errors import CliError
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
