"""The CRD on a real API server: it is taken, completes a spec, and refuses bad ones with field and remedy."""

from typing import Any

import pytest

from chatcluster_operator.kube import CHATCLUSTER
from chatcluster_testing.control_plane import Api, ApiRefusalError, ControlPlane

Spec = dict[str, Any]

EXTERNAL: Spec = {"external": {"secretName": "mine"}}


@pytest.fixture
def api(plane: ControlPlane) -> Api:
    """The API as its administrator."""
    return plane.api


def create(api: Api, spec: Spec, name: str = "crd-test") -> Spec:
    """What the API server would store; nothing is stored."""
    body = {
        "apiVersion": CHATCLUSTER.api_version,
        "kind": CHATCLUSTER.name,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"version": "dev", **spec},
    }
    return api.create(f"{CHATCLUSTER.path('default')}?dryRun=All&fieldValidation=Strict", body)


def test_a_short_spec_is_completed(api: Api) -> None:
    stored = create(api, {"services": {"user": {"autoscaling": {"maxReplicas": 3}}}})["spec"]
    assert stored["services"]["user"]["autoscaling"] == {"maxReplicas": 3, "targetCPUUtilization": 70}
    assert "autoscaling" not in stored["services"]["message"]
    assert stored["services"]["file"]["enabled"] is True
    assert stored["edge"]["service"] == {"type": "ClusterIP"}
    assert stored["deletionPolicy"] == "Retain"


def test_everything_at_once_is_taken(api: Api) -> None:
    spec: Spec = {
        "images": {"overrides": {"user": "host:5000/user:1", "edge": f"edge@sha256:{'0' * 64}"}, "pullSecrets": ["a"]},
        "edge": {
            "service": {"type": "NodePort", "nodePort": 30080, "annotations": {"a": "b"}},
            "publicUrl": "http://a",
        },
        "capacity": {"concurrentUsers": 1000},
        "retention": {"messagesDays": 90, "auditDays": 400},
        "services": {
            "message": {"autoscaling": {"targetConnections": 4000}},
            "presence": {"replicas": 3},
            "notification": {"enabled": False},
            "file": {"resources": {"limits": {"cpu": 2}}, "env": [{"name": "CHAT_X", "value": ""}]},
        },
        "postgres": {"storage": {"size": "1Gi", "storageClassName": "fast"}},
        "mongodb": {"engine": "Embedded"},
        "redis": EXTERNAL,
        "notification": {"smtp": {"host": "mail", "from": "a@b.example", "secretName": "smtp"}},
    }
    create(api, spec)
    spec["services"]["user"] = {"env": [{"name": "CHAT_EMAIL_VERIFICATION", "value": "off"}]}
    create(api, spec)


@pytest.mark.parametrize(
    "window",
    [
        {"start": "22:00", "duration": "15m"},
        {"start": "00:00", "duration": "24h", "days": ["Sat", "Sun"], "timeZone": "Europe/Berlin"},
        {"start": "23:59", "duration": "1h30m", "days": ["Mon"]},
    ],
)
def test_a_maintenance_window_is_taken(api: Api, window: Spec) -> None:
    stored = create(api, {"maintenance": {"windows": [window]}})["spec"]["maintenance"]["windows"]
    assert stored == [{"timeZone": "Etc/UTC", **window}]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"duration": "4h"}, ["start", "Required"]),
        ({"start": "22:00"}, ["duration", "Required"]),
        ({"start": "24:00", "duration": "4h"}, ["windows[0].start"]),
        ({"start": "9:00", "duration": "4h"}, ["windows[0].start"]),
        ({"start": "22:00", "duration": "14m"}, ["windows[0].duration", "must be 15m to 24h", "write it as 4h"]),
        ({"start": "22:00", "duration": "24h1m"}, ["windows[0].duration", "must be 15m to 24h"]),
        ({"start": "22:00", "duration": "a while"}, ["windows[0].duration"]),
        ({"start": "22:00", "duration": "4h", "days": ["Caturday"]}, ["windows[0].days[0]", "Mon"]),
        ({"start": "22:00", "duration": "4h", "days": []}, ["windows[0].days"]),
    ],
)
def test_a_maintenance_window_that_cannot_be_is_refused(api: Api, window: Spec, words: list[str]) -> None:
    with pytest.raises(ApiRefusalError) as refused:
        create(api, {"maintenance": {"windows": [window]}})
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"version": ""}, ["spec.version"]),
        ({"edg": {}}, ["spec.edg"]),
        ({"deletionPolicy": "Perhaps"}, ["spec.deletionPolicy", "Retain", "Delete"]),
        ({"edge": {"service": {"nodePort": 30080}}}, ["edge.service.nodePort", "set edge.service.type"]),
        ({"edge": {"publicUrl": "chat.example.com"}}, ["spec.edge.publicUrl"]),
        (
            {"services": {"message": {"autoscaling": {"minReplicas": 9, "maxReplicas": 8}}}},
            ["spec.services.message.autoscaling", "lower the one or raise the other"],
        ),
        (
            {"services": {"message": {"replicas": 2, "autoscaling": {"targetConnections": 100}}}},
            ["spec.services.message", "excludes services.autoscaling", "remove either"],
        ),
        ({"services": {"gateway": {"autoscaling": {"targetConnections": 100}}}}, ["targetConnections"]),
        (
            {
                "services": {
                    "notification": {"enabled": False},
                    "user": {"env": [{"name": "CHAT_EMAIL_VERIFICATION", "value": "required"}]},
                }
            },
            ["spec.services", "CHAT_EMAIL_VERIFICATION", "set it to off"],
        ),
        ({"services": {"gateway": {"enabled": False}}}, ["spec.services.gateway.enabled"]),
        ({"capacity": {"concurrentUsers": 0}}, ["spec.capacity.concurrentUsers"]),
        ({"retention": {"messagesDays": 0}}, ["spec.retention.messagesDays"]),
        ({"services": {"user": {"env": [{"name": "PATH", "value": ""}]}}}, ["spec.services.user.env[0].name"]),
        ({"images": {"overrides": {"usr": "a:1"}}}, ["images.overrides", "the components are"]),
        ({"images": {"overrides": {"user": "a:latest"}}}, ["images.overrides", "a tag other than latest"]),
        ({"images": {"overrides": {"user": "host:5000/a"}}}, ["images.overrides", "a tag other than latest"]),
        ({"redis": {**EXTERNAL, "storage": {"size": "1Gi"}}}, ["redis.external excludes", "remove either"]),
        ({"mongodb": {**EXTERNAL, "engine": "Embedded"}}, ["mongodb.external excludes", "engine", "remove either"]),
        ({"kafka": {"storage": {"size": "much"}}}, ["spec.kafka.storage.size"]),
        (
            {"notification": {"smtp": {"host": "m", "from": "a@b", "security": "none", "secretName": "s"}}},
            ["notification.smtp.secretName", "starttls"],
        ),
    ],
)
def test_a_bad_spec_is_refused_with_field_and_remedy(api: Api, spec: Spec, words: list[str]) -> None:
    with pytest.raises(ApiRefusalError) as refused:
        create(api, spec)
    assert refused.value.status in {400, 422}
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(("name", "word"), [("a" * 41, "choose a shorter one"), ("1a", "begin with a letter")])
def test_a_name_that_services_cannot_have_is_refused(api: Api, name: str, word: str) -> None:
    with pytest.raises(ApiRefusalError, match=word):
        create(api, {}, name)


def test_volumes_may_grow(api: Api) -> None:
    path = CHATCLUSTER.path("default", "growing")
    body = {"apiVersion": CHATCLUSTER.api_version, "kind": CHATCLUSTER.name, "metadata": {"name": "growing"}}
    spec = {"version": "dev", "redis": {"storage": {"size": "2Gi"}}}
    api.create(CHATCLUSTER.path("default"), {**body, "spec": spec})
    try:
        for size in ("2048Mi", "2049Mi", "1Ti"):
            api.merge(path, {"spec": {"redis": {"storage": {"size": size}}}})
    finally:
        api.delete(path)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            {"redis": {"storage": {"size": "2Gi"}}},
            {"redis": {"storage": {"size": "2047Mi"}}},
            ["redis.storage.size cannot be lowered", "restore it"],
        ),
        (
            {"objects": {"storage": {"size": "10Gi", "storageClassName": "slow"}}},
            {"objects": {"storage": {"size": "10Gi", "storageClassName": "fast"}}},
            ["objects.storage.storageClassName", "restore it"],
        ),
        ({"kafka": EXTERNAL}, {"kafka": {"external": None}}, ["kafka cannot change", "make a new ChatCluster"]),
        ({}, {"mongodb": EXTERNAL}, ["mongodb cannot change", "make a new ChatCluster"]),
    ],
)
def test_what_is_fixed_stays(api: Api, before: Spec, after: Spec, words: list[str]) -> None:
    path = CHATCLUSTER.path("default", "fixed")
    body = {"apiVersion": CHATCLUSTER.api_version, "kind": CHATCLUSTER.name, "metadata": {"name": "fixed"}}
    api.create(CHATCLUSTER.path("default"), {**body, "spec": {"version": "dev", **before}})
    try:
        api.merge(path, {"spec": {"version": "other"}})
        with pytest.raises(ApiRefusalError) as refused:
            api.merge(path, {"spec": after})
        for word in words:
            assert word in str(refused.value)
    finally:
        api.delete(path)
