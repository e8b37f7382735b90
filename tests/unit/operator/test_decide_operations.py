"""Which operation may begin, and which may go on, by table."""

from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide import Workload
from chatcluster_operator.decide.maintenance import Opening
from chatcluster_operator.decide.operations import (
    OVERRIDE_WINDOW,
    Situation,
    Wait,
    Work,
    may_begin,
    may_go_on,
    situation,
)

WELL = Situation()
CLOSED = Situation(window=Opening(open=False, next=1_764_000_000))
NEVER = Situation(window=Opening(open=False))
RUNNING = Workload(wanted=2, ready=2, updated=2, current=True, available=True)


def reason(wait: Wait | None) -> str:
    return wait.reason if wait else ""


@pytest.mark.parametrize(
    ("now", "upgrade", "rotation", "renewal", "restart"),
    [
        (WELL, "", "", "", ""),
        (Situation(paused=True), "Paused", "Paused", "Paused", "Paused"),
        (Situation(hibernated=True), "Hibernated", "Hibernated", "Hibernated", "Hibernated"),
        (CLOSED, "OutsideWindow", "OutsideWindow", "OutsideWindow", ""),
        (NEVER, "OutsideWindow", "OutsideWindow", "OutsideWindow", ""),
        (Situation(unwell=("redis",)), "Unhealthy", "Unhealthy", "", ""),
        (
            Situation(under_way=Work.UPGRADE),
            "",
            "AnotherOperation",
            "AnotherOperation",
            "AnotherOperation",
        ),
        (Situation(under_way=Work.ROTATION), "AnotherOperation", "", "AnotherOperation", "AnotherOperation"),
        # What holds everything is told first, then what ends by itself, then the window, then what a person must mend.
        (replace(CLOSED, paused=True, unwell=("redis",)), "Paused", "Paused", "Paused", "Paused"),
        (replace(CLOSED, unwell=("redis",)), "OutsideWindow", "OutsideWindow", "OutsideWindow", ""),
    ],
)
def test_what_may_begin(now: Situation, upgrade: str, rotation: str, renewal: str, restart: str) -> None:
    works = (Work.UPGRADE, Work.ROTATION, Work.RENEWAL, Work.RESTART)
    assert tuple(reason(may_begin(work, now)) for work in works) == (upgrade, rotation, renewal, restart)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (WELL, ""),
        (Situation(paused=True), "Paused"),
        (Situation(hibernated=True), "Hibernated"),
        (CLOSED, "OutsideWindow"),
        # A step makes its own component unwell, and it is what is under way.
        (Situation(unwell=("redis",), under_way=Work.UPGRADE), ""),
    ],
)
def test_what_may_go_on(now: Situation, expected: str) -> None:
    assert reason(may_go_on(Work.UPGRADE, now)) == expected


def test_what_is_urgent_waits_for_no_window_and_only_for_that() -> None:
    assert may_begin(Work.RENEWAL, CLOSED, urgent=True) is None
    assert may_go_on(Work.RENEWAL, CLOSED, urgent=True) is None
    assert reason(may_begin(Work.RENEWAL, replace(CLOSED, paused=True), urgent=True)) == "Paused"


def test_an_upgrade_may_be_told_to_mend_what_is_unwell() -> None:
    unwell = Situation(unwell=("redis", "edge"))
    wait = may_begin(Work.UPGRADE, unwell)
    assert wait is not None
    assert "redis, edge" in wait.message
    assert "spec.upgrade.whenUnhealthy: Proceed" in wait.message
    assert may_begin(Work.UPGRADE, unwell, unwell=True) is None


def test_a_closed_window_says_when_it_opens_and_how_not_to_wait() -> None:
    wait = may_begin(Work.UPGRADE, CLOSED)
    assert wait is not None
    assert "2025-11-24T16:00:00Z" in wait.message
    assert f"{OVERRIDE_WINDOW}=true" in wait.message
    assert (wait.until, wait.holds) == (1_764_000_000, False)


def test_a_pause_stops_also_what_is_in_the_middle_of_a_step() -> None:
    for now in (Situation(paused=True), Situation(hibernated=True)):
        wait = may_go_on(Work.UPGRADE, now)
        assert wait is not None
        assert wait.holds


OPERATION = {"fromVersion": "1", "toVersion": "2", "step": "user", "started": 1, "since": 1}
ROTATION = {"what": "Keys", "started": 1, "since": 1}


@pytest.mark.parametrize(
    ("status", "under_way"),
    [
        ({}, None),
        ({"operation": {**OPERATION, "phase": "Running"}}, Work.UPGRADE),
        ({"operation": {**OPERATION, "phase": "RollingBack"}}, Work.UPGRADE),
        ({"operation": {**OPERATION, "phase": "RolledBack"}}, None),
        ({"rotation": {**ROTATION, "phase": "Signing"}}, Work.ROTATION),
        ({"rotation": {**ROTATION, "phase": "Failed"}}, None),
        (
            {"operation": {**OPERATION, "phase": "RolledBack"}, "rotation": {**ROTATION, "phase": "Rolling"}},
            Work.ROTATION,
        ),
    ],
)
def test_what_is_under_way_is_what_the_status_says(status: dict[str, Any], under_way: Work | None) -> None:
    assert situation(cluster(status=status), [], {}, now=0).under_way is under_way


def test_a_component_is_unwell_until_it_is_made_rolled_out_and_available() -> None:
    workloads = {
        "user": RUNNING,
        "message": replace(RUNNING, updated=1),
        "gateway": replace(RUNNING, available=False),
        "presence": replace(RUNNING, current=False),
    }
    names = [*workloads, "edge"]
    assert situation(cluster(), names, workloads, now=0).unwell == ("message", "gateway", "presence", "edge")


def test_the_window_is_that_of_the_spec_unless_an_annotation_overrides_it() -> None:
    spec = {"maintenance": {"windows": [{"start": "02:00", "duration": "1h"}]}}
    noon = 12 * 3600
    assert not situation(cluster(spec), [], {}, now=noon).window.open
    assert situation(cluster(spec, annotations={OVERRIDE_WINDOW: "true"}), [], {}, now=noon).window.open
    assert not situation(cluster(spec, annotations={OVERRIDE_WINDOW: "yes"}), [], {}, now=noon).window.open


def cluster(
    spec: dict[str, Any] | None = None,
    *,
    status: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
) -> ChatCluster:
    metadata = {"name": "demo", "namespace": "chat", "uid": "u", "generation": 1, "annotations": annotations or {}}
    body = {"metadata": metadata, "spec": {"version": "1", **(spec or {})}, "status": status or {}}
    return ChatCluster.from_body(body)
