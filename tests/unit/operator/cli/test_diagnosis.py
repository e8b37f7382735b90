"""Each thing that can be wrong, what is said of it, and that nothing is said of what is well."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatcluster_operator.cli.diagnosis import CHECKS, Facts, Finding, Severity, diagnose
from chatcluster_operator.decide import Missing

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def stamp(**before: float) -> str:
    return (NOW - timedelta(**before)).isoformat()


def condition(kind: str, status: str, reason: str = "Reason", message: str = "The message.") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def pod(name: str = "demo-message-0", component: str = "message", **status: Any) -> Object:
    labels = {"app.kubernetes.io/component": component}
    metadata = {"name": name, "namespace": "chat", "uid": "1", "resourceVersion": "1", "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "one"}, "status": status}


def named(kind: str, name: str, **more: Any) -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": "chat", "creationTimestamp": stamp(hours=1)}, **more}


CLUSTER = {
    "metadata": {"name": "demo", "namespace": "chat", "generation": 3, "creationTimestamp": stamp(days=1)},
    "spec": {"version": "1.0"},
    "status": {"observedGeneration": 3, "conditions": [condition("Ready", "True", "Ready")]},
}
SCHEMA = {"type": "object"}
DEFINITION = {
    "spec": {"versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": SCHEMA}}]},
    "status": {"conditions": [condition("Established", "True")]},
}
HOOK = {"name": "chatclusters.chatcluster.dev", "failurePolicy": "Ignore"}
WELL = Facts(
    at=NOW,
    operator_namespace="system",
    cluster=CLUSTER,
    definition=DEFINITION,
    expected_schema=SCHEMA,
    operator={"spec": {"replicas": 2}, "status": {"readyReplicas": 2}},
    operator_pods=[pod("operator-0", "")],
    lease={"spec": {"holderIdentity": "operator-0", "renewTime": stamp(seconds=3)}},
    releases=["1.0"],
    pods=[pod(containerStatuses=[{"name": "service", "ready": True, "restartCount": 1}])],
    claims=[named("PersistentVolumeClaim", "data-demo-redis-0", status={"phase": "Bound"})],
    budgets=[named("PodDisruptionBudget", "demo-message", status={"expectedPods": 2, "disruptionsAllowed": 1})],
    autoscalers=[
        named("HorizontalPodAutoscaler", "demo-message", status={"conditions": [condition("ScalingActive", "True")]})
    ],
    nodes=[{"metadata": {"name": "one"}, "status": {"conditions": [condition("Ready", "True")]}}],
    storage_classes=[{"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}],
    webhooks=[
        named(
            "ValidatingWebhookConfiguration",
            "x",
            webhooks=[
                {**HOOK, "clientConfig": {"service": {"name": "hook", "namespace": "system"}, "caBundle": "Q0E="}}
            ],
        )
    ],
    services=[named("Service", "hook")],
)


def changed(value: Any, *path: Any, to: Any) -> Any:
    copy = deepcopy(value)
    place = copy
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return copy


def waiting(reason: str) -> Object:
    return pod(
        containerStatuses=[
            {"name": "service", "image": "x:1", "ready": False, "state": {"waiting": {"reason": reason}}}
        ]
    )


def autoscaler(**found: Any) -> Object:
    return named("HorizontalPodAutoscaler", "demo-message", spec={"maxReplicas": 6}, status={"conditions": [found]})


def node(**found: Any) -> Object:
    return {"metadata": {"name": "one"}, "status": {"conditions": [condition("Ready", "True"), found]}}


def claim(**status: Any) -> Object:
    return named("PersistentVolumeClaim", "data-demo-redis-0", status=status)


def hook(policy: str, **client: Any) -> Object:
    return named(
        "ValidatingWebhookConfiguration", "x", webhooks=[{**HOOK, "failurePolicy": policy, "clientConfig": client}]
    )


SERVICE = {"name": "hook", "namespace": "system"}
OOM = {"reason": "OOMKilled", "finishedAt": stamp(minutes=30)}

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no kind": ({"definition": None}, "error", "does not know the kind ChatCluster"),
    "kind not established": (
        {"definition": changed(DEFINITION, "status", "conditions", to=[])},
        "error",
        "not established yet",
    ),
    "kind of another release": ({"expected_schema": {"type": "string"}}, "warning", "of another release"),
    "no operator": ({"operator": None}, "error", "no operator in the namespace system"),
    "operator down": ({"operator": {"spec": {"replicas": 2}, "status": {}}}, "error", "0 of 2 replicas are ready"),
    "one operator": ({"operator": {"spec": {"replicas": 2}, "status": {"readyReplicas": 1}}}, "warning", "1 of 2"),
    "nobody leads": (
        {"lease": {"spec": {"holderIdentity": "", "renewTime": stamp(seconds=1)}}},
        "error",
        "No replica leads",
    ),
    "the leader is gone": (
        {"lease": {"spec": {"holderIdentity": "a", "renewTime": stamp(minutes=5)}}},
        "error",
        "No replica leads since 5m",
    ),
    "something missing": (
        {"missing": [Missing("SecretNotFound", "spec.x names a Secret that is not there; create it")]},
        "error",
        "create it",
    ),
    "no default class": ({"storage_classes": []}, "error", "No StorageClass is the default one"),
    "a problem told": (
        {"cluster": changed(CLUSTER, "status", "conditions", to=[condition("ServicesReady", "False", "CrashLooping")])},
        "error",
        "CrashLooping: The message.",
    ),
    "not seen yet": ({"cluster": changed(CLUSTER, "status", "observedGeneration", to=2)}, "warning", "has not acted"),
    "being deleted": (
        {
            "cluster": changed(
                CLUSTER, "metadata", to={**CLUSTER["metadata"], "deletionTimestamp": "x", "finalizers": ["f"]}
            )
        },
        "note",
        "f holds it still",
    ),
    "paused": (
        {"cluster": changed(CLUSTER, "status", "conditions", to=[condition("Paused", "True", "Paused")])},
        "note",
        "The message.",
    ),
    "no image": ({"pods": [waiting("ImagePullBackOff")]}, "error", "ImagePullFailed"),
    "crash looping": (
        {
            "pods": [
                pod(
                    containerStatuses=[
                        {"name": "s", "ready": False, "restartCount": 9, "lastState": {"terminated": {"exitCode": 3}}}
                    ]
                )
            ]
        },
        "error",
        "exit code 3",
    ),
    "unschedulable": (
        {"pods": [pod(conditions=[{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}])]},
        "error",
        "0/3 nodes",
    ),
    "out of memory": (
        {
            "pods": [
                pod(
                    containerStatuses=[
                        {"name": "s", "ready": True, "restartCount": 1, "lastState": {"terminated": OOM}}
                    ]
                )
            ]
        },
        "warning",
        "killed for its memory 30m ago",
    ),
    "volume pending": ({"claims": [claim(phase="Pending")]}, "error", "no volume for 60m"),
    "volume lost": ({"claims": [claim(phase="Lost")]}, "error", "volume is gone"),
    "no eviction": (
        {
            "budgets": [
                named(
                    "PodDisruptionBudget", "b", status={"expectedPods": 2, "currentHealthy": 1, "disruptionsAllowed": 0}
                )
            ]
        },
        "warning",
        "1 of 2 pods are healthy",
    ),
    "no metrics": (
        {"autoscalers": [autoscaler(**condition("ScalingActive", "False", "FailedGetResourceMetric", "no metrics"))]},
        "warning",
        "It cannot scale: no metrics",
    ),
    "no room to scale": (
        {"autoscalers": [autoscaler(**condition("ScalingLimited", "True", "TooManyReplicas"))]},
        "warning",
        "its 6 replicas",
    ),
    "node not ready": (
        {"nodes": [{"metadata": {"name": "one"}, "status": {"conditions": [condition("Ready", "Unknown")]}}]},
        "error",
        "It is not ready",
    ),
    "node under pressure": ({"nodes": [node(**condition("DiskPressure", "True"))]}, "warning", "DiskPressure"),
    "webhook to nowhere": ({"webhooks": [hook("Ignore", service={"name": "other"})]}, "warning", "does not exist"),
    "strict webhook to nowhere": ({"webhooks": [hook("Fail", service={"name": "other"})]}, "error", "are refused"),
    "webhook without trust": ({"webhooks": [hook("Ignore", service=SERVICE)]}, "warning", "no certificate authority"),
}


def findings(facts: Facts) -> list[Finding]:
    return [finding for found in diagnose(facts).values() for finding in found]


def test_of_what_is_well_nothing_is_said() -> None:
    assert findings(WELL) == []


@pytest.mark.parametrize(("wrong", "severity", "said"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_found_and_what_to_do(wrong: dict[str, Any], severity: str, said: str) -> None:
    [finding] = findings(replace(WELL, **wrong))
    assert finding.severity == severity
    assert said in finding.message
    told = f"{finding.message} {finding.remedy}"
    assert finding.remedy or "create" in told or finding.severity is Severity.NOTE or ":" in finding.message


def test_without_a_chatcluster_the_rest_is_looked_at() -> None:
    facts = replace(WELL, cluster=None, operator=None)
    assert [finding.subject for finding in findings(facts)] == ["operator"]


def test_what_could_not_be_read_is_not_called_missing() -> None:
    facts = Facts(
        at=NOW,
        operator_namespace="system",
        cluster=CLUSTER,
        unreadable=dict.fromkeys(("CustomResourceDefinition", "operator", "storage classes", "nodes"), "forbidden"),
    )
    assert findings(facts) == []


def test_nodes_that_others_use_do_not_matter() -> None:
    other = {"metadata": {"name": "two"}, "status": {"conditions": [condition("Ready", "False")]}}
    assert findings(replace(WELL, nodes=[*WELL.nodes, other])) == []


def test_every_check_says_what_holds_when_it_finds_nothing() -> None:
    assert all(check.__doc__ for check in CHECKS.values())
    assert list(diagnose(WELL)) == list(CHECKS)
