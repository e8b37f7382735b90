"""How one component does: its replicas, what it runs, and in a word why it is not all there."""

from collections.abc import Collection

from chatcluster_operator.api import ComponentStatus
from chatcluster_operator.decide.facts import Facts, key_of
from chatcluster_operator.decide.snapshot import Key, Pod
from chatcluster_operator.decide.verdict import POD_REASONS
from chatcluster_operator.desired import Component


def component_status(facts: Facts, component: Component) -> ComponentStatus:
    """The state of a component."""
    workload = facts.workloads.get(component.name)
    reason, message = _state(facts, component)
    return ComponentStatus(
        name=component.name,
        ready=workload.ready if workload else 0,
        wanted=workload.wanted if workload else component.replicas,
        updated=workload.updated if workload else 0,
        image=(workload.image or None) if workload else None,
        reason=reason,
        message=message,
    )


def serves(facts: Facts, component: Component) -> bool:
    """Whether enough replicas of the component are ready."""
    workload = facts.workloads.get(component.name)
    return workload is not None and workload.available


def troubles(facts: Facts, components: Collection[str]) -> list[Pod]:
    """Pods of these components that something keeps from running, the most telling first."""
    named = sorted(facts.snapshot.pods.items())
    found = [pod for _, pod in named if pod.component in components and pod.reason]
    return sorted(found, key=lambda pod: POD_REASONS.index(pod.reason))


def _state(facts: Facts, component: Component) -> tuple[str, str | None]:
    workload = facts.workloads.get(component.name)
    if facts.cluster.spec.hibernated:
        return "Hibernated", None
    if hindrance := _hindrance(facts, key_of(component)):
        return hindrance
    if workload is None:
        return _to_be_made(facts)
    if workload.rolled_out:
        return "Ready", None
    if troubled := troubles(facts, {component.name}):
        return troubled[0].reason, troubled[0].message
    return "RollingOut" if workload.available else "Starting", None


def _to_be_made(facts: Facts) -> tuple[str, str]:
    if facts.recovery.under_way:
        return "Waiting", "Not made until the backup is restored; see the condition Restored."
    return "Starting", "Not made yet."


def _hindrance(facts: Facts, key: Key) -> tuple[str, str] | None:
    """Why the workload is not as the spec asks."""
    if key in facts.plan.held:
        return "Waiting", "Not made until what the spec refers to exists; see the condition ConfigurationValid."
    if key in facts.plan.taken:
        return "NameTaken", f"{key} exists and is not this ChatCluster's; see the condition Applied."
    return next(((failure.reason, failure.message) for failure in facts.failures if failure.key == key), None)
