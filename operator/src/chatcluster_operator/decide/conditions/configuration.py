"""Whether the spec can be acted on: all that it refers to is there."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict, join


def configuration(facts: Facts) -> Verdict:
    """ConfigurationValid."""
    missing = facts.snapshot.missing
    if not missing:
        return Verdict("ConfigurationValid", True, "Valid", "The spec is valid and all it refers to exists.")
    return Verdict("ConfigurationValid", False, missing[0].reason, join(item.message for item in missing))
