"""When a member of PostgreSQL may take the lock from another: its kubelet has said that the container has ended."""

import importlib.util
from typing import Any

import pytest

from chatcluster_local.paths import repository

RENEWED = "2026-03-01T10:00:30.750000+00:00"
BEGAN = "2026-03-01T09:00:00Z"


@pytest.fixture(scope="module")
def member() -> Any:
    spec = importlib.util.spec_from_file_location("member", repository() / "stores/postgres/member.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pod(state: dict[str, Any], last: dict[str, Any] | None = None, began: str | None = BEGAN) -> dict[str, Any]:
    guard = {"name": "guard", "state": {"running": {}}, "lastState": {}}
    postgres = {"name": "postgres", "state": state, "lastState": last or {}}
    return {"status": {"containerStatuses": [guard, postgres]} | ({"startTime": began} if began else {})}


def at(seconds: int) -> dict[str, Any]:
    return {"terminated": {"finishedAt": f"2026-03-01T10:00:{seconds}Z"}}


WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("seen", "renewed", "expected"),
    [
        pytest.param(pod(at(31)), RENEWED, True, id="it has ended"),
        pytest.param(pod(WAITING, at(31)), RENEWED, True, id="it waits to be started again"),
        pytest.param(pod(at(30)), RENEWED, True, id="in the second of its last renewal"),
        pytest.param(pod(WAITING, at(29)), RENEWED, False, id="it has renewed since"),
        pytest.param(pod({"running": {}}, at(31)), RENEWED, False, id="it runs again"),
        pytest.param(
            pod(WAITING), RENEWED, False, id="it was never started: the lock may be of another pod of its name"
        ),
        pytest.param(
            pod(at(31), began="2026-03-01T10:00:31Z"),
            RENEWED,
            False,
            id="the lock is older than the pod: of another one",
        ),
        pytest.param(pod(at(31), began=None), RENEWED, False, id="nobody says when the pod began"),
        pytest.param({"status": {}}, RENEWED, False, id="no kubelet has said anything"),
        pytest.param(pod(at(31)), "", False, id="a lock without a time"),
    ],
)
def test_only_a_container_that_ended_after_its_last_renewal_has_ended(
    member: Any, seen: dict[str, Any], renewed: str, expected: bool
) -> None:
    assert member.ended(seen, renewed) is expected


def test_a_guard_that_ended_is_no_sign(member: Any) -> None:
    assert not member.ended(
        {"status": {"startTime": BEGAN, "containerStatuses": [{"name": "guard", "state": at(31)}]}}, RENEWED
    )
