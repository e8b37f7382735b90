"""Whether the world is still on its way to what the spec asks."""

from chatcluster_operator.decide.conditions.upgrading import upgrading
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict


def progressing(facts: Facts) -> Verdict:
    """Progressing."""
    if facts.cluster.spec.hibernated:
        left = sorted({pod.component for pod in facts.snapshot.pods.values()})
        return _under_way("Hibernating", f"Waiting for the end of {', '.join(left)}.") if left else _settled()
    if facts.recovery.wait is not None:
        return _under_way(facts.recovery.wait.reason, f"Restoring: {facts.recovery.wait.message}.")
    change = upgrading(facts)
    if change.holds:
        return _under_way(change.reason, change.message)
    if facts.plan.held:
        return Verdict("Progressing", False, "Waiting", "Waiting for what the spec refers to.")
    workloads = facts.workloads
    moving = [
        item.name for item in facts.components if (work := workloads.get(item.name)) is None or not work.rolled_out
    ]
    return _under_way("RollingOut", f"Rolling out {', '.join(moving)}.") if moving else _settled()


def _under_way(reason: str, message: str) -> Verdict:
    return Verdict("Progressing", True, reason, message)


def _settled() -> Verdict:
    return Verdict("Progressing", False, "Settled", "No change is under way.")
