"""Whether the number of replicas follows all that it is meant to follow."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict
from chatcluster_operator.desired.autoscaling import SCALED_OBJECT
from chatcluster_operator.desired.sizing import sizing


def autoscaling(facts: Facts) -> Verdict | None:
    """ScalesOnSockets, where that is asked for: it takes KEDA."""
    sizes = sizing(facts.cluster)
    asked = [item.name for item in facts.components if sizes[item.name].scales_on_sockets]
    if not asked:
        return None
    names = " and ".join(asked)
    if SCALED_OBJECT in facts.apis:
        return Verdict("ScalesOnSockets", True, "KedaScales", f"Replicas of {names} follow processor use and sockets.")
    message = (
        f"Replicas of {names} follow processor use alone, because KEDA is not installed; install KEDA 2.20 or newer "
        "for them to follow sockets too."
    )
    return Verdict("ScalesOnSockets", False, "KedaMissing", message)
