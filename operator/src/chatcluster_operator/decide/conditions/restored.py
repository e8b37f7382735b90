"""Whether what the ChatCluster begins with is there."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict


def restored(facts: Facts) -> Verdict | None:
    """Restored: only of a ChatCluster that begins with a backup."""
    status, wait = facts.recovery.status, facts.recovery.wait
    if wait is not None:
        return Verdict("Restored", False, wait.reason, f"{wait.message[:1].upper()}{wait.message[1:]}.")
    if status is None:
        return None
    if facts.recovery.under_way:
        message = "Waits for what the spec refers to; see the condition ConfigurationValid."
        return Verdict("Restored", False, "Waiting", message)
    accounts = f" Accounts are those of {status.postgres.time}." if status.postgres and status.postgres.time else ""
    message = (
        f"From backup {status.source.backup_id} of {status.cluster}: everything is here that was acknowledged before "
        f"{status.moment}.{accounts}"
    )
    return Verdict("Restored", True, "Restored", message)
