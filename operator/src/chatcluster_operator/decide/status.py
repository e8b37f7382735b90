"""The status: what is well, what is not, and what a person can do about it. And which of that is worth an event.

Each aspect is one function from what is known to a verdict; `report` joins them and keeps the time of the last change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatcluster_operator.api import (
    EDGE,
    SERVICES,
    STORES,
    ChatCluster,
    ChatClusterStatus,
    ComponentStatus,
    Condition,
    ConditionStatus,
    InventoryItem,
    Operation,
    OperationPhase,
)
from chatcluster_operator.decide.plan import Plan
from chatcluster_operator.decide.snapshot import Key, Pod, Snapshot, Workload
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.desired import Component

POD_REASONS: Final = ("ImagePullFailed", "ConfigurationMissing", "Unschedulable", "CrashLooping")
"""What can keep a pod from running, the most telling first."""

PROBLEMS: Final = frozenset(
    {
        *POD_REASONS,
        "InvalidSpec",
        "SecretNotFound",
        "SecretKeyMissing",
        "StorageClassNotFound",
        "ReleaseUnknown",
        "ImageMissing",
        "NameTaken",
        "ApplyFailed",
        "UpgradeFailed",
    }
)
"""Reasons that do not pass by themselves; each deserves an event."""

_LISTED = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that could not be taken."""

    key: Key
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One aspect: whether it is well, and why."""

    type: str
    holds: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """An event worth telling people who look at the ChatCluster."""

    warning: bool
    reason: str
    message: str


def report(
    cluster: ChatCluster,
    *,
    components: Sequence[Component],
    snapshot: Snapshot,
    plan: Plan,
    failures: Sequence[Failure],
    inventory: Iterable[InventoryItem],
    release: str | None,
    operation: Operation | None = None,
    url: str,
    now: str,
) -> dict[str, Any]:
    """The whole status. `release` is the one that the manifests lead to; None when there is none to apply."""
    found = {component.name: snapshot.children.get(_key(component)) for component in components}
    workloads = {name: child.workload for name, child in found.items() if child and child.workload}
    asleep = cluster.spec.hibernated
    parts = [
        _configuration(snapshot),
        _applied(plan, failures),
        *(
            _asleep(kind)
            if asleep
            else _readiness(kind, [item for item in components if item.name in names], workloads, snapshot)
            for kind, names in (("StoresReady", STORES), ("ServicesReady", SERVICES), ("EdgeReady", (EDGE,)))
        ),
    ]
    rollout = _hibernating(snapshot) if asleep else _progressing(components, workloads, plan)
    verdicts = [
        _ready(parts),
        rollout,
        *parts,
        _upgrading([item.name for item in components], operation),
        _paused(cluster, plan),
        _hibernated(cluster, snapshot),
    ]
    settled = not rollout.holds and all(part.holds for part in parts)
    done = release == cluster.spec.version and operation is None and settled
    return _dump(
        ChatClusterStatus(
            observed_generation=cluster.generation,
            version=release if done else cluster.status.get("version"),
            url=url,
            conditions=_conditions(verdicts, cluster.generation, cluster.status, now),
            components=[
                ComponentStatus(
                    name=component.name,
                    ready=workload.ready if workload else 0,
                    wanted=workload.wanted if workload else component.replicas,
                )
                for component in components
                for workload in [workloads.get(component.name)]
            ],
            operation=operation,
            inventory=list(inventory),
        )
    )


def refused(previous: Mapping[str, Any], *, generation: int, problems: Mapping[str, str], now: str) -> dict[str, Any]:
    """The status of a ChatCluster whose spec cannot be read: all that was known stays, and that it is invalid."""
    message = "; ".join(f"{field}: {problem}" for field, problem in problems.items())
    verdicts = [
        Verdict("Ready", holds=False, reason="InvalidSpec", message=message),
        Verdict("ConfigurationValid", holds=False, reason="InvalidSpec", message=message),
    ]
    fresh = [_wire(item) for item in _conditions(verdicts, generation, previous, now)]
    kept = [item for item in previous.get("conditions", []) if item["type"] not in {"Ready", "ConfigurationValid"}]
    return {**previous, "observedGeneration": generation, "conditions": [*fresh, *kept]}


def differs(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the status must be written. Conditions that others add to it are theirs and do not count."""
    types = {item["type"] for item in wanted.get("conditions", [])}
    ours = [item for item in live.get("conditions", []) if item["type"] in types]
    return {**live, "conditions": ours} != {**wanted, "conditions": _in_order_of(ours, wanted.get("conditions", []))}


def _in_order_of(
    first: Sequence[Mapping[str, Any]], conditions: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    rank = {item["type"]: index for index, item in enumerate(first)}
    return sorted(conditions, key=lambda item: rank.get(item["type"], len(rank)))


def notices(previous: Mapping[str, Any], status: Mapping[str, Any]) -> list[Notice]:
    """Events for what changed between two statuses: new problems, problems gone, and becoming ready."""
    before = {item["type"]: item for item in previous.get("conditions", [])}
    told: list[Notice] = []
    for condition in status.get("conditions", []):
        old = before.get(condition["type"], {})
        same = (old.get("reason"), old.get("message")) == (condition["reason"], condition["message"])
        if condition["type"] == "Ready":
            if condition["status"] == "True" and old.get("status") != "True":
                told.append(Notice(warning=False, reason="Ready", message=condition["message"]))
        elif condition["reason"] in PROBLEMS and not same:
            told.append(Notice(warning=True, reason=condition["reason"], message=condition["message"]))
        elif condition["type"] == "ConfigurationValid" and (old.get("status"), condition["status"]) == (
            "False",
            "True",
        ):
            told.append(Notice(warning=False, reason="Recovered", message=condition["message"]))
    return told


def _configuration(snapshot: Snapshot) -> Verdict:
    if not snapshot.missing:
        return Verdict("ConfigurationValid", True, "Valid", "The spec is valid and all it refers to exists.")
    return Verdict(
        "ConfigurationValid", False, snapshot.missing[0].reason, _join(item.message for item in snapshot.missing)
    )


def _applied(plan: Plan, failures: Sequence[Failure]) -> Verdict:
    taken = [
        f"{key} exists and is not this ChatCluster's; delete or rename it, or give the ChatCluster another name"
        for key in plan.taken
    ]
    messages = taken + [f"{failure.key}: {failure.message}" for failure in failures]
    if messages:
        reason = "NameTaken" if taken else failures[0].reason
        return Verdict("Applied", False, reason, _join(messages))
    if plan.held:
        held = ", ".join(str(key) for key in plan.held)
        return Verdict("Applied", False, "Waiting", f"Not made until what the spec refers to exists: {held}.")
    return Verdict("Applied", True, "UpToDate", "Every object is as the spec asks.")


def _readiness(
    kind: str, components: Sequence[Component], workloads: Mapping[str, Workload], snapshot: Snapshot
) -> Verdict:
    waiting = [item for item in components if (workload := workloads.get(item.name)) is None or not workload.available]
    if not waiting:
        counts = _join((_count(item, workloads) for item in components), separator=", ")
        return Verdict(kind, True, "Ready", f"Ready: {counts}." if components else "Nothing to run.")
    names = {item.name for item in waiting}
    troubled = [pod for pod in _sorted(snapshot.pods) if pod.component in names and pod.reason]
    if troubled:
        # One line a component and reason: replicas of one component fail alike.
        lines = dict.fromkeys(f"{pod.component}: {pod.message}" for pod in troubled)
        return Verdict(kind, False, troubled[0].reason, _join(lines))
    counts = _join((_count(item, workloads) for item in waiting), separator=", ")
    return Verdict(kind, False, "Starting", f"Waiting for {counts}.")


def _upgrading(components: Sequence[str], operation: Operation | None) -> Verdict:
    if operation is None:
        return Verdict("Upgrading", False, "Settled", "No change of release is under way.")
    change = f"{operation.from_version} → {operation.to_version}"
    match operation.phase:
        case OperationPhase.RUNNING:
            order = [name for name in ORDER if name in components]
            place = f"{order.index(operation.step) + 1} of {len(order)}" if operation.step in order else "waiting"
            return Verdict("Upgrading", True, "RollingOut", f"{change}: {operation.step} ({place}).")
        case OperationPhase.ROLLING_BACK:
            return Verdict("Upgrading", True, "RollingBack", f"{change} is taken back: {operation.message}.")
        case OperationPhase.ROLLED_BACK:
            remedy = "mend the cause and set another spec.version, or set it back to stay"
            message = f"{change} was taken back at {operation.step}: {operation.message}; {remedy}."
            return Verdict("Upgrading", False, "UpgradeFailed", message)


def _asleep(kind: str) -> Verdict:
    return Verdict(kind, False, "Hibernated", "Asleep, as spec.hibernated asks; set it to false to wake it.")


def _hibernating(snapshot: Snapshot) -> Verdict:
    if not snapshot.pods:
        return Verdict("Progressing", False, "Settled", "No change is under way.")
    left = sorted({pod.component for pod in snapshot.pods.values()})
    return Verdict("Progressing", True, "Hibernating", f"Waiting for the end of {', '.join(left)}.")


def _hibernated(cluster: ChatCluster, snapshot: Snapshot) -> Verdict:
    if not cluster.spec.hibernated:
        return Verdict("Hibernated", False, "Awake", "Everything may run.")
    if snapshot.pods:
        return Verdict("Hibernated", False, "Hibernating", "Some pods have not ended yet.")
    return Verdict("Hibernated", True, "Asleep", "Nothing runs; volumes, credentials and addresses are kept.")


def _paused(cluster: ChatCluster, plan: Plan) -> Verdict:
    if not cluster.spec.paused:
        return Verdict("Paused", False, "Active", "The operator makes the world as the spec asks.")
    waiting = _join((str(step.key) for step in plan.steps), separator="; ")
    message = "Nothing is changed while spec.paused is true"
    return Verdict("Paused", True, "Paused", f"{message}; waiting: {waiting}." if waiting else f"{message}.")


def _ready(parts: Sequence[Verdict]) -> Verdict:
    failed = [part for part in parts if not part.holds]
    if not failed:
        return Verdict("Ready", True, "Ready", "Every component is ready.")
    # A problem that needs a person says more than one that passes.
    worst = next((part for part in failed if part.reason in PROBLEMS), failed[0])
    return Verdict("Ready", False, worst.reason, worst.message)


def _progressing(components: Sequence[Component], workloads: Mapping[str, Workload], plan: Plan) -> Verdict:
    if plan.held:
        return Verdict("Progressing", False, "Waiting", "Waiting for what the spec refers to.")
    moving = [item for item in components if (work := workloads.get(item.name)) is None or not work.rolled_out]
    if not moving:
        return Verdict("Progressing", False, "Settled", "No change is under way.")
    return Verdict("Progressing", True, "RollingOut", f"Rolling out {', '.join(item.name for item in moving)}.")


def _conditions(verdicts: Sequence[Verdict], generation: int, previous: Mapping[str, Any], now: str) -> list[Condition]:
    before: dict[str, Mapping[str, Any]] = {item["type"]: item for item in previous.get("conditions", [])}
    conditions: list[Condition] = []
    for verdict in verdicts:
        status = ConditionStatus.TRUE if verdict.holds else ConditionStatus.FALSE
        old = before.get(verdict.type)
        since = old["lastTransitionTime"] if old and old["status"] == status else now
        conditions.append(
            Condition(
                type=verdict.type,
                status=status,
                observed_generation=generation,
                last_transition_time=since,
                reason=verdict.reason,
                message=verdict.message,
            )
        )
    return conditions


def _key(component: Component) -> Key:
    return Key(component.kind.value, component.workload)


def _sorted(pods: Mapping[Key, Pod]) -> list[Pod]:
    named = sorted(pods.items())
    return sorted((pod for _, pod in named), key=lambda pod: POD_REASONS.index(pod.reason) if pod.reason else 99)


def _count(component: Component, workloads: Mapping[str, Workload]) -> str:
    workload = workloads.get(component.name)
    return f"{component.name} {workload.ready}/{workload.wanted}" if workload else f"{component.name} (not made yet)"


def _join(messages: Iterable[str], separator: str = " | ") -> str:
    listed = list(messages)
    more = len(listed) - _LISTED
    if separator == ", " or more <= 0:
        return separator.join(listed)
    return separator.join([*listed[:_LISTED], f"and {more} more"])


def _wire(model: Condition) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _dump(status: ChatClusterStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
