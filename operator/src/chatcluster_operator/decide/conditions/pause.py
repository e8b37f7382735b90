"""Whether a person has asked the operator to keep its hands off."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict, join


def paused(facts: Facts) -> Verdict:
    """Paused, and what would be changed."""
    if not facts.cluster.spec.paused:
        return Verdict("Paused", False, "Active", "The operator makes the world as the spec asks.")
    waiting = join(str(step.key) for step in facts.plan.steps)
    message = "Nothing is changed while spec.paused is true"
    return Verdict("Paused", True, "Paused", f"{message}; waiting: {waiting}." if waiting else f"{message}.")
