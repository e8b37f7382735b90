"""Whether what runs serves: each group of components by itself, and all aspects together."""

from collections.abc import Collection, Sequence

from chatcluster_operator.api import EDGE, SERVICES, STORES
from chatcluster_operator.decide.component import serves, troubles
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict, join
from chatcluster_operator.desired import Component


def ready(parts: Sequence[Verdict]) -> Verdict:
    """Ready: every part holds. Otherwise it says what the worst of them says."""
    failed = [part for part in parts if not part.holds]
    if not failed:
        return Verdict("Ready", True, "Ready", "Every component is ready.")
    # A problem that needs a person says more than one that passes.
    worst = next((part for part in failed if part.problem), failed[0])
    return Verdict("Ready", False, worst.reason, worst.message)


def stores_ready(facts: Facts) -> Verdict:
    """StoresReady."""
    return _group("StoresReady", STORES, facts)


def services_ready(facts: Facts) -> Verdict:
    """ServicesReady."""
    return _group("ServicesReady", SERVICES, facts)


def edge_ready(facts: Facts) -> Verdict:
    """EdgeReady."""
    return _group("EdgeReady", (EDGE,), facts)


def _group(kind: str, names: Collection[str], facts: Facts) -> Verdict:
    if facts.cluster.spec.hibernated:
        return Verdict(kind, False, "Hibernated", "Asleep, as spec.hibernated asks; set it to false to wake it.")
    components = [item for item in facts.components if item.name in names]
    waiting = [item for item in components if not serves(facts, item)]
    if not waiting:
        counts = ", ".join(_count(facts, item) for item in components)
        return Verdict(kind, True, "Ready", f"Ready: {counts}." if components else "Nothing to run.")
    troubled = troubles(facts, {item.name for item in waiting})
    if troubled:
        # One line a component and reason: replicas of one component fail alike.
        lines = dict.fromkeys(f"{pod.component}: {pod.message}" for pod in troubled)
        return Verdict(kind, False, troubled[0].reason, join(lines))
    counts = ", ".join(_count(facts, item) for item in waiting)
    return Verdict(kind, False, "Starting", f"Waiting for {counts}.")


def _count(facts: Facts, component: Component) -> str:
    workload = facts.workloads.get(component.name)
    return f"{component.name} {workload.ready}/{workload.wanted}" if workload else f"{component.name} (not made yet)"
