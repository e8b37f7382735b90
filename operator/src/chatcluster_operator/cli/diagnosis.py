"""What is wrong with a ChatCluster and what it stands on, from what was found there. Pure: one function a question.

Each check takes the facts and yields findings. A finding says what is wrong and what to do about it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chatcluster_operator.api import LABEL_COMPONENT, STORES
from chatcluster_operator.cli.screen import age, parse_time
from chatcluster_operator.decide import Missing
from chatcluster_operator.decide.verdict import PROBLEMS
from chatcluster_operator.kube import Object
from chatcluster_operator.observe import pod_of

LEASE_STALE: Final = timedelta(seconds=45)
"""A lease not renewed for three of its lives has no holder that works."""
UNSEEN: Final = timedelta(seconds=30)
"""How long the operator may take to see a new spec."""
PENDING: Final = timedelta(minutes=1)
"""How long a volume may take to be made."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Something does not work."""
    WARNING = "warning"
    """Something works less well than it should, or will not for long."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    severity: Severity
    subject: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """What was found. A list that could not be read is empty, and `unreadable` names it."""

    at: datetime
    operator_namespace: str
    cluster: Object | None = None
    definition: Object | None = None
    """The CustomResourceDefinition."""
    expected_schema: Object | None = None
    """Its schema, as this program's release has it."""
    operator: Object | None = None
    """The operator's Deployment."""
    operator_pods: Sequence[Object] = ()
    lease: Object | None = None
    releases: Sequence[str] = ()
    missing: Sequence[Missing] = ()
    """What the spec refers to and is not there."""
    pods: Sequence[Object] = ()
    claims: Sequence[Object] = ()
    budgets: Sequence[Object] = ()
    autoscalers: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    storage_classes: Sequence[Object] = ()
    webhooks: Sequence[Object] = ()
    """The webhook configurations that lead to the operator."""
    services: Sequence[Object] = ()
    """Services beside the operator."""
    unreadable: Mapping[str, str] = field(default_factory=dict[str, str])


Check = Callable[[Facts], Iterator[Finding]]


def definition(facts: Facts) -> Iterator[Finding]:
    """The kind ChatCluster is served, and is the one that this program knows."""
    subject = "CustomResourceDefinition"
    if facts.definition is None:
        if "CustomResourceDefinition" not in facts.unreadable:
            yield Finding(
                Severity.ERROR,
                subject,
                "The API server does not know the kind ChatCluster.",
                "kubectl apply --server-side -f operator/install.yaml",
            )
        return
    conditions = _conditions(facts.definition)
    if conditions.get("Established", {}).get("status") != "True":
        message = conditions.get("NamesAccepted", {}).get("message", "") or "It is not established yet."
        yield Finding(Severity.ERROR, subject, message, "kubectl describe crd chatclusters.chatcluster.dev")
    served = {item["name"]: item["schema"]["openAPIV3Schema"] for item in facts.definition["spec"]["versions"]}
    if facts.expected_schema is not None and facts.expected_schema not in served.values():
        yield Finding(
            Severity.WARNING,
            subject,
            "Its fields are not those of this program: one of the two is of another release.",
            "Compare with kubectl chat version; apply the install.yaml of the release that you want",
        )


def operator(facts: Facts) -> Iterator[Finding]:
    """The operator runs, and one of its replicas leads."""
    where = f"--namespace {facts.operator_namespace}"
    if facts.operator is None:
        if "operator" not in facts.unreadable:
            yield Finding(
                Severity.ERROR,
                "operator",
                f"There is no operator in the namespace {facts.operator_namespace}: nothing is mended or changed.",
                "kubectl apply --server-side -f operator/install.yaml, or say where it is with --operator-namespace",
            )
        return
    wanted, ready = facts.operator["spec"].get("replicas", 1), facts.operator.get("status", {}).get("readyReplicas", 0)
    if ready < max(wanted, 1):
        yield Finding(
            Severity.WARNING if ready else Severity.ERROR,
            "operator",
            f"{ready} of {wanted} replicas are ready.",
            f"kubectl {where} describe deployment chatcluster-operator; kubectl chat logs operator",
        )
    for pod in facts.operator_pods:
        yield from _trouble(pod, "operator")
    if facts.lease is not None:
        spec: Object = facts.lease.get("spec") or {}
        renewed = parse_time(spec.get("renewTime"))
        if not spec.get("holderIdentity") or renewed is None or facts.at - renewed > LEASE_STALE:
            since = f" since {age(spec.get('renewTime'), facts.at)}" if renewed else ""
            yield Finding(
                Severity.ERROR,
                "operator",
                f"No replica leads{since}: nothing is mended or changed.",
                "kubectl chat logs operator",
            )


def references(facts: Facts) -> Iterator[Finding]:
    """All that the spec refers to is there: release, Secrets with their keys, storage classes."""
    for item in facts.missing:
        yield Finding(Severity.ERROR, item.component or item.reason, item.message)


def default_class(facts: Facts) -> Iterator[Finding]:
    """Stores without a storage class of their own find a default one."""
    if facts.cluster is None or "storage classes" in facts.unreadable:
        return
    stores: dict[str, Object] = {name: facts.cluster["spec"].get(name) or {} for name in STORES}
    leaning = [
        name
        for name, store in stores.items()
        if not store.get("external") and not store.get("storage", {}).get("storageClassName")
    ]
    default = "storageclass.kubernetes.io/is-default-class"
    if leaning and not any(
        item["metadata"].get("annotations", {}).get(default) == "true" for item in facts.storage_classes
    ):
        yield Finding(
            Severity.ERROR,
            ", ".join(leaning),
            "No StorageClass is the default one, so their volumes are not made.",
            f'Mark one with the annotation {default}: "true", or set storage.storageClassName before they are made',
        )


def conditions(facts: Facts) -> Iterator[Finding]:
    """What the ChatCluster says of itself."""
    if facts.cluster is None:
        return
    metadata: Object = facts.cluster["metadata"]
    status: Object = facts.cluster.get("status", {})
    named = f"{metadata['namespace']}/{metadata['name']}"
    made = parse_time(metadata.get("creationTimestamp"))
    if status.get("observedGeneration", 0) < metadata.get("generation", 0) and (
        made is None or facts.at - made > UNSEEN
    ):
        yield Finding(
            Severity.WARNING, named, "The operator has not acted on the latest spec yet.", "kubectl chat logs operator"
        )
    if metadata.get("deletionTimestamp"):
        holders = ", ".join(metadata.get("finalizers", [])) or "the API server"
        yield Finding(
            Severity.NOTE, named, f"It is being deleted; {holders} holds it still.", "kubectl chat logs operator"
        )
    known = _conditions(facts.cluster)
    for kind, item in known.items():
        # Ready repeats the worst of the others.
        alone = kind == "Ready" and not any(
            other["reason"] == item["reason"] for name, other in known.items() if name != "Ready"
        )
        if item["reason"] in PROBLEMS and (kind != "Ready" or alone):
            yield Finding(Severity.ERROR, kind, f"{item['reason']}: {item.get('message', '')}")
    if known.get("Paused", {}).get("status") == "True":
        yield Finding(Severity.NOTE, named, known["Paused"].get("message", ""), "kubectl chat resume")


def pods(facts: Facts) -> Iterator[Finding]:
    """Pods run."""
    for pod in facts.pods:
        component = pod["metadata"].get("labels", {}).get(LABEL_COMPONENT, "")
        yield from _trouble(pod, component)
        for container in pod.get("status", {}).get("containerStatuses", []):
            last: Object = container.get("lastState", {}).get("terminated", {})
            if last.get("reason") == "OOMKilled":
                yield Finding(
                    Severity.WARNING,
                    component,
                    f"{pod['metadata']['name']}: container {container['name']} was killed for its memory "
                    f"{age(last.get('finishedAt'), facts.at)} ago.",
                    f"Raise resources.limits.memory of {component}",
                )


def claims(facts: Facts) -> Iterator[Finding]:
    """Volumes are made and bound."""
    for claim in facts.claims:
        metadata, phase = claim["metadata"], claim.get("status", {}).get("phase")
        made = parse_time(metadata.get("creationTimestamp"))
        if phase == "Lost":
            message = "Its volume is gone, and what it held."
        elif phase == "Pending" and (made is None or facts.at - made > PENDING):
            message = f"It has had no volume for {age(metadata.get('creationTimestamp'), facts.at)}."
        else:
            continue
        yield Finding(
            Severity.ERROR,
            f"PersistentVolumeClaim {metadata['name']}",
            message,
            f"kubectl --namespace {metadata['namespace']} describe pvc {metadata['name']} tells what it waits for",
        )


def budgets(facts: Facts) -> Iterator[Finding]:
    """Nodes can be drained."""
    for budget in facts.budgets:
        status = budget.get("status", {})
        if status.get("expectedPods", 0) and not status.get("disruptionsAllowed", 0):
            healthy = f"{status.get('currentHealthy', 0)} of {status['expectedPods']} pods are healthy"
            yield Finding(
                Severity.WARNING,
                f"PodDisruptionBudget {budget['metadata']['name']}",
                f"No pod of it may be evicted now ({healthy}), so a node that has one cannot be drained.",
                "It passes once the pods are ready; see the findings on pods",
            )


def autoscalers(facts: Facts) -> Iterator[Finding]:
    """Autoscalers have figures to go by, and room."""
    for item in facts.autoscalers:
        subject, found = f"HorizontalPodAutoscaler {item['metadata']['name']}", _conditions(item)
        active = found.get("ScalingActive", {})
        if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
            yield Finding(
                Severity.WARNING,
                subject,
                f"It cannot scale: {active.get('message', active.get('reason', ''))}",
                "Install metrics-server, and see that it answers: kubectl top pods",
            )
        limited = found.get("ScalingLimited", {})
        if (limited.get("status"), limited.get("reason")) == ("True", "TooManyReplicas"):
            yield Finding(
                Severity.WARNING,
                subject,
                f"It would take more than its {item['spec']['maxReplicas']} replicas.",
                "Raise autoscaling.maxReplicas of the service",
            )


def nodes(facts: Facts) -> Iterator[Finding]:
    """The nodes that its pods are on are well."""
    used = {pod["spec"].get("nodeName") for pod in (*facts.pods, *facts.operator_pods)}
    for node in facts.nodes:
        name, found = node["metadata"]["name"], _conditions(node)
        if name not in used:
            continue
        if found.get("Ready", {}).get("status") != "True":
            message = found.get("Ready", {}).get("message", "its kubelet is silent")
            yield Finding(
                Severity.ERROR, f"Node {name}", f"It is not ready: {message}.", f"kubectl describe node {name}"
            )
        for pressure in ("MemoryPressure", "DiskPressure", "PIDPressure"):
            if found.get(pressure, {}).get("status") == "True":
                yield Finding(
                    Severity.WARNING,
                    f"Node {name}",
                    f"{pressure}: {found[pressure].get('message', '')}; pods may be evicted.",
                    f"Free or add room; kubectl describe node {name}",
                )


def webhooks(facts: Facts) -> Iterator[Finding]:
    """Webhooks lead to somebody who answers."""
    there = {item["metadata"]["name"] for item in facts.services}
    for configuration in facts.webhooks:
        for hook in configuration.get("webhooks", []):
            target: Object = hook["clientConfig"].get("service", {})
            strict = hook.get("failurePolicy") == "Fail"
            if target.get("name") not in there:
                message = f"It leads to the Service {target.get('name')}, which does not exist"
            elif not hook["clientConfig"].get("caBundle"):
                message = "It has no certificate authority to trust"
            else:
                continue
            effect = "changes of ChatClusters are refused" if strict else "its rules are not asked for"
            yield Finding(
                Severity.ERROR if strict else Severity.WARNING,
                f"{configuration['kind']} {hook['name']}",
                f"{message}, so {effect}.",
                "kubectl chat logs operator; install anew: kubectl apply --server-side -f operator/install.yaml",
            )


CHECKS: Final[Mapping[str, Check]] = {
    "The kind ChatCluster is installed": definition,
    "The operator works": operator,
    "What the spec refers to exists": references,
    "There is a storage class": default_class,
    "The ChatCluster reports no problem": conditions,
    "Pods run": pods,
    "Volumes are bound": claims,
    "Nodes can be drained": budgets,
    "Autoscalers can scale": autoscalers,
    "Nodes are well": nodes,
    "Webhooks are answered": webhooks,
}
"""Every check, by what holds when it finds nothing; the order is that of causes before effects."""


def diagnose(facts: Facts) -> dict[str, list[Finding]]:
    """The findings of every check."""
    return {title: list(check(facts)) for title, check in CHECKS.items()}


def _conditions(body: Object) -> dict[str, Object]:
    return {item["type"]: item for item in body.get("status", {}).get("conditions", [])}


def _trouble(pod: Object, subject: str) -> Iterator[Finding]:
    found = pod_of(pod)
    if found.reason:
        yield Finding(Severity.ERROR, subject, f"{pod['metadata']['name']}: {found.reason}: {found.message}")
