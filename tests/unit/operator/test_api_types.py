"""Reading a ChatCluster: what is filled in, what is refused, and how the refusal is told."""

from types import MappingProxyType

import pytest

from chatcluster_operator.api import ChatCluster, InvalidSpecError
from chatcluster_operator.api.quantity import parse_quantity

SOURCE = {
    "endpoint": "https://s3.example",
    "bucket": "backups",
    "secretName": "s3",
    "path": "team/demo/0b9f",
    "encryption": {"secretName": "passphrase"},
}


def body(spec):
    return {"metadata": {"name": "demo", "namespace": "chat", "uid": "u", "generation": 2}, "spec": spec}


def test_only_the_version_is_required():
    cluster = ChatCluster.from_body(body({"version": "dev"}))
    assert (cluster.name, cluster.namespace, cluster.uid, cluster.generation) == ("demo", "chat", "u", 2)
    assert not cluster.deleting
    assert cluster.status == {}
    assert cluster.spec.services.message.autoscaling is None
    assert cluster.spec.services.file.enabled
    assert cluster.spec.postgres.storage is None


def test_read_only_views_are_taken():
    view = MappingProxyType(body(MappingProxyType({"version": "dev", "edge": MappingProxyType({"replicas": 1})})))
    assert ChatCluster.from_body(view).spec.edge.replicas == 1


def test_deletion_shows():
    doomed = body({"version": "dev"})
    doomed["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert ChatCluster.from_body(doomed).deleting


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({}, "spec.version", "required"),
        ({"version": "dev", "edg": {}}, "spec.edg", "no such field"),
        ({"version": "dev", "edge": {"replicas": 0}}, "spec.edge.replicas", "greater than or equal to 1"),
        ({"version": "dev", "edge": {"service": {"nodePort": 30080}}}, "spec.edge.service", "set the type or remove"),
        (
            {"version": "dev", "services": {"user": {"autoscaling": {"minReplicas": 9, "maxReplicas": 8}}}},
            "spec.services.user.autoscaling",
            "lower the one or raise the other",
        ),
        (
            {"version": "dev", "services": {"user": {"replicas": 3, "autoscaling": {"minReplicas": 2}}}},
            "spec.services.user",
            "remove either",
        ),
        (
            {
                "version": "dev",
                "services": {
                    "notification": {"enabled": False},
                    "user": {"env": [{"name": "CHAT_EMAIL_VERIFICATION", "value": "optional"}]},
                },
            },
            "spec.services",
            "set it to off",
        ),
        ({"version": "dev", "services": {"user": {"enabled": False}}}, "spec.services.user.enabled", "no such field"),
        ({"version": "dev", "capacity": {}}, "spec.capacity.concurrentUsers", "required"),
        ({"version": "dev", "services": {"user": {"env": [{"name": "X", "value": ""}]}}}, "spec.services.user.env", ""),
        (
            {"version": "dev", "redis": {"external": {"secretName": "x"}, "storage": {"size": "1Gi"}}},
            "spec.redis",
            "external excludes storage",
        ),
        (
            {"version": "dev", "mongodb": {"external": {"secretName": "x"}, "engine": "Embedded"}},
            "spec.mongodb",
            "external excludes engine",
        ),
        ({"version": "dev", "redis": {"storage": {"size": "much"}}}, "spec.redis.storage.size", "not a quantity"),
        (
            {"version": "dev", "redis": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "500m"}}}},
            "spec.redis.resources",
            "lower the request",
        ),
        ({"version": "dev", "images": {"overrides": {"usr": "a:1"}}}, "spec.images", "unknown component"),
        ({"version": "dev", "images": {"overrides": {"user": "a:latest"}}}, "spec.images", "tag other than latest"),
        ({"version": "dev", "images": {"overrides": {"user": "host:5000/a"}}}, "spec.images", "tag other than latest"),
        (
            {
                "version": "dev",
                "notification": {
                    "smtp": {"host": "m", "from": "a@b", "security": "none", "secretName": "s"},
                },
            },
            "spec.notification.smtp",
            "starttls",
        ),
        ({"version": "dev", "bootstrap": {"recovery": {}}}, "spec.bootstrap.recovery", "needs backup"),
        (
            {"version": "dev", "bootstrap": {"recovery": {"backup": {"name": "b"}, "source": SOURCE}}},
            "spec.bootstrap.recovery",
            "remove one of them",
        ),
        (
            {"version": "dev", "bootstrap": {"recovery": {"source": {**SOURCE, "backupId": "latest"}}}},
            "spec.bootstrap.recovery.source.backupId",
            "pattern",
        ),
        (
            {"version": "dev", "bootstrap": {"recovery": {"source": SOURCE, "targetTime": "2026-11-23T04:25:49"}}},
            "spec.bootstrap.recovery.targetTime",
            "no time with its zone",
        ),
        (
            {
                "version": "dev",
                "bootstrap": {"recovery": {"source": SOURCE}},
                "postgres": {"external": {"secretName": "x"}},
            },
            "spec",
            "remove postgres.external",
        ),
    ],
)
def test_bad_specs_name_field_and_remedy(spec, field, message):
    with pytest.raises(InvalidSpecError) as refused:
        ChatCluster.from_body(body(spec))
    found = [text for name, text in refused.value.problems.items() if name.startswith(field)]
    assert found
    assert message in found[0]
    assert field in str(refused.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(InvalidSpecError) as refused:
        ChatCluster.from_body(body({"edge": {"replicas": 0}}))
    assert set(refused.value.problems) == {"spec.version", "spec.edge.replicas"}


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("500m", 0.5), ("2k", 2000), ("1.5Gi", 1.5 * 1024**3), ("3M", 3_000_000)]
)
def test_quantities(text, number):
    assert float(parse_quantity(text)) == number


@pytest.mark.parametrize("text", ["", "Gi", "-1", "1 Gi", "1gi", "1e3"])
def test_what_is_no_quantity(text):
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)
