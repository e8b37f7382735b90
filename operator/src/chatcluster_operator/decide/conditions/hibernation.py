"""Whether everything sleeps, as the spec asks."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict


def hibernated(facts: Facts) -> Verdict:
    """Hibernated."""
    if not facts.cluster.spec.hibernated:
        return Verdict("Hibernated", False, "Awake", "Everything may run.")
    if facts.snapshot.pods:
        return Verdict("Hibernated", False, "Hibernating", "Some pods have not ended yet.")
    return Verdict("Hibernated", True, "Asleep", "Nothing runs; volumes, credentials and addresses are kept.")
