"""The status: what is well, what is not, and what a person can do about it.

The conditions come from `decide.conditions`, a function for each aspect; here they become a status that keeps the time
of each condition's last change, and that is written only when it says something else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from chatcluster_operator.api import ChatClusterStatus, Condition, ConditionStatus, OperationPhase, StoreStatus
from chatcluster_operator.decide.capacity import capacity
from chatcluster_operator.decide.component import component_status
from chatcluster_operator.decide.conditions import TYPES, judge
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.members import store_status
from chatcluster_operator.decide.sockets import told
from chatcluster_operator.decide.verdict import Verdict
from chatcluster_operator.desired.endpoints import endpoints
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import WorkloadKind


def report(facts: Facts) -> dict[str, Any]:
    """The whole status."""
    cluster, verdicts = facts.cluster, judge(facts)
    return _wire(
        ChatClusterStatus(
            observed_generation=cluster.generation,
            version=_version(facts, verdicts),
            url=facts.url,
            conditions=_conditions(verdicts, cluster.generation, cluster.status, facts.now),
            endpoints=endpoints(cluster),
            connections=told(cluster.status.get("connections") or {}, facts.sockets) or None,
            components=[component_status(facts, component) for component in facts.components],
            capacity=capacity(facts),
            operation=facts.operation,
            rotation=facts.rotation,
            stores=_stores(facts) or None,
            volumes=dict(sorted(facts.volumes.items())) or None,
            rotated=facts.rotated,
            recovery=facts.recovery.status,
            inventory=list(facts.inventory),
        )
    )


def _stores(facts: Facts) -> dict[str, StoreStatus]:
    """Stores with several members, from the first status that lists them on: what was made with several is told by it
    from what was made with one. Of one that sleeps, or cannot be asked, stays what is known."""
    before: dict[str, Any] = facts.cluster.status.get("stores") or {}
    managed = {component.name for component in facts.components}
    kept = {name: StoreStatus.model_validate(known) for name, known in before.items() if name in managed}
    failed = facts.orders_failed
    told = {name: store_status(course, kept.get(name), failed.get(name, "")) for name, course in facts.stores.items()}
    sizes = sizing(facts.cluster)
    made = {item.name for item in facts.inventory if item.kind == WorkloadKind.STATEFUL_SET.value}
    new = {
        component.name: StoreStatus(size=sizes[component.name].replicas.value)
        for component in facts.components
        if component.workload in made
    }
    return {name: status for name, status in {**new, **kept, **told}.items() if status.size > 1}


def refused(previous: Mapping[str, Any], *, generation: int, problems: Mapping[str, str], now: str) -> dict[str, Any]:
    """The status of a ChatCluster whose spec cannot be read: all that was known stays, and that it is invalid."""
    message = "; ".join(f"{field}: {problem}" for field, problem in problems.items())
    verdicts = [
        Verdict("Ready", holds=False, reason="InvalidSpec", message=message),
        Verdict("ConfigurationValid", holds=False, reason="InvalidSpec", message=message),
    ]
    fresh = [_wire(item) for item in _conditions(verdicts, generation, previous, now)]
    known = [item for item in previous.get("conditions", []) if item["type"] in TYPES]
    kept = [item for item in known if item["type"] not in {"Ready", "ConfigurationValid"}]
    return {**previous, "observedGeneration": generation, "conditions": [*fresh, *kept]}


def differs(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the status must be written. Conditions that others add to it are theirs and do not count."""
    ours = [item for item in live.get("conditions", []) if item["type"] in TYPES]
    return {**live, "conditions": ours} != {**wanted, "conditions": _in_order_of(ours, wanted.get("conditions", []))}


def _in_order_of(
    first: Sequence[Mapping[str, Any]], conditions: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    rank = {item["type"]: index for index, item in enumerate(first)}
    return sorted(conditions, key=lambda item: rank.get(item["type"], len(rank)))


def _version(facts: Facts, verdicts: Sequence[Verdict]) -> str | None:
    operation = facts.operation
    if operation is not None and operation.phase is OperationPhase.CONTRACTING:
        return operation.to_version
    return facts.release if _complete(facts, verdicts) else facts.cluster.status.get("version")


def _complete(facts: Facts, verdicts: Sequence[Verdict]) -> bool:
    """Whether all of it runs the release that was asked for."""
    holds = {verdict.type: verdict.holds for verdict in verdicts}
    return (
        facts.release == facts.cluster.spec.version
        and facts.operation is None
        and holds["Ready"]
        and not holds["Progressing"]
    )


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


def _wire(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
