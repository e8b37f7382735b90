"""Whether there is a backup as new as the schedule asks for."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict


def backed_up(facts: Facts) -> Verdict | None:
    """BackedUp; nothing to say where no backups are asked for."""
    found = facts.protection
    return None if found is None else Verdict("BackedUp", found.holds, found.reason, found.message)
