"""Whether the API server holds every object as the spec asks."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.plan import Replace
from chatcluster_operator.decide.verdict import Verdict, join


def applied(facts: Facts) -> Verdict:
    """Applied."""
    plan, failures = facts.plan, facts.failures
    taken = [
        f"{key} exists and is not this ChatCluster's; delete or rename it, or give the ChatCluster another name"
        for key in plan.taken
    ]
    messages = taken + [f"{failure.key}: {failure.message}" for failure in failures]
    if messages:
        reason = "NameTaken" if taken else failures[0].reason
        return Verdict("Applied", False, reason, join(messages))
    if plan.held:
        held = ", ".join(str(key) for key in plan.held)
        return Verdict("Applied", False, "Waiting", f"Not made until what the spec refers to exists: {held}.")
    replaced = [str(step.key) for step in plan.steps if isinstance(step, Replace)]
    if replaced and not facts.cluster.spec.paused:
        return Verdict("Applied", False, "Replacing", f"Deleted, to be made anew: {', '.join(replaced)}.")
    if plan.leaving:
        leaving = ", ".join(str(key) for key in plan.leaving)
        message = f"Made anew once it is gone: {leaving}. If one stays for long, see its metadata.finalizers."
        return Verdict("Applied", False, "BeingDeleted", message)
    return Verdict("Applied", True, "UpToDate", "Every object is as the spec asks.")
