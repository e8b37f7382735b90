"""The whole of a ChatCluster on one screen, whatever its status holds."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from chatcluster_operator.cli.screen import age
from chatcluster_operator.cli.status import render, title, view

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def condition(kind: str, status: str, reason: str = "Reason") -> Object:
    since = "2026-11-23T11:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": f"{kind} speaks.", "lastTransitionTime": since}


def cluster(**status: Any) -> Object:
    return {
        "metadata": {"name": "demo", "namespace": "chat", "generation": 2, "creationTimestamp": "2026-11-20T12:00:00Z"},
        "spec": {"version": "1.1"},
        "status": {"observedGeneration": 2, "conditions": [condition("Ready", "True", "Ready")], **status},
    }


def look(body: Object, **around: Any) -> Object:
    given: Any = {"workloads": [], "services": [], "pods": [], "warnings": [], **around}
    return view(body, at=NOW, **given)


def text(found: Object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200, highlight=False, markup=False).print(render(found))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def labelled(component: str, **body: Any) -> Object:
    return {"metadata": {"name": f"demo-{component}", "labels": {"app.kubernetes.io/component": component}}, **body}


def test_ready_counts_only_for_the_latest_spec() -> None:
    assert look(cluster())["ready"]
    stale = cluster(observedGeneration=1)
    assert not look(stale)["ready"]
    assert "has not acted on the latest spec" in text(look(stale))
    assert look({**cluster(), "status": {}})["reason"] == "NotSeenYet"


def test_a_change_of_release_shows_both() -> None:
    assert "1.0 → 1.1" in text(look(cluster(version="1.0")))
    assert "none yet → 1.1" in text(look(cluster()))
    assert "→" not in text(look(cluster(version="1.1")))


def test_components_with_replicas_restarts_and_images() -> None:
    template = {"spec": {"containers": [{"image": "registry.example.com/chat/message:1.1"}]}}
    found = look(
        cluster(components=[{"name": "message", "ready": 1, "wanted": 2, "state": "Starting"}]),
        workloads=[labelled("message", spec={"template": template})],
        pods=[labelled("message", status={"containerStatuses": [{"restartCount": 3}]})],
    )
    assert found["components"] == [
        {
            "image": "registry.example.com/chat/message:1.1",
            "restarts": 3,
            "name": "message",
            "ready": 1,
            "wanted": 2,
            "state": "Starting",
        }
    ]
    row = next(line for line in text(found).splitlines() if line.strip().startswith("message"))
    assert row.split() == ["message", "1/2", "3", "Starting", "message:1.1"]


def test_whatever_else_the_status_holds_is_shown_under_its_name() -> None:
    shown = text(
        look(
            cluster(
                operation={"fromVersion": "1.0", "step": "redis", "since": 1, "waiting": ""},
                connections=512,
                parts=[{"name": "a", "maxReplicas": 3}, {"name": "b", "why": ["x", "y"]}],
                rotation={},
            )
        )
    )
    for part in ("Operation", "From version", "redis", "Connections", "512", "MAX REPLICAS", "x, y"):
        assert part in shown
    assert "d ago" in shown, "a Unix time is told as an age"
    assert "Rotation" not in shown, "what is empty is left out"
    assert "Waiting" not in shown, "so is a field without a value"


def test_addresses_of_the_edge() -> None:
    spec = {"clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080}]}
    balancer = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}}
    services = [labelled("edge", spec=spec, status=balancer), labelled("message", spec=spec)]
    assert look(cluster(), services=services)["addresses"] == [
        "load balancer 192.0.2.1",
        "load balancer lb.example.com",
        "port 30080 of each node",
    ]


def test_recent_warnings_the_last_at_the_end() -> None:
    def event(reason: str, when: str) -> Object:
        about = {"kind": "Pod", "name": "demo-message-0"}
        return {"metadata": {}, "involvedObject": about, "reason": reason, "message": "m", "lastTimestamp": when}

    stamps = {"Old": "2026-11-23T10:00:00Z", "Later": "2026-11-23T11:59:00Z", "Sooner": "2026-11-23T11:30:00Z"}
    found = look(cluster(), warnings=[event(reason, when) for reason, when in stamps.items()])["warnings"]
    assert [(item["reason"], item["age"]) for item in found] == [("Sooner", "30m"), ("Later", "60s")]


@pytest.mark.parametrize(
    ("stamp", "said"),
    [("2026-11-23T11:59:30Z", "30s"), ("2026-11-23T11:00:00.5Z", "59m"), ("2026-11-20T12:00:00Z", "3d"), (None, "")],
)
def test_how_long_ago(stamp: str | None, said: str) -> None:
    assert age(stamp, NOW) == said


def test_names_of_fields_as_words() -> None:
    assert title("maxReplicas") == "Max replicas"
    assert title("url") == "Url"
