"""Where a restart stands that somebody has asked for."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict, join


def restarting(facts: Facts) -> Verdict:
    """Restarting."""
    restarts = facts.restarts
    if restarts.refused:
        return Verdict("Restarting", False, "RestartRefused", f"{join(restarts.refused)}.")
    if restarts.wait is not None:
        what = restarts.turn or "the restart"
        return Verdict("Restarting", False, restarts.wait.reason, f"{what} {restarts.wait.message}.")
    if restarts.under_way:
        after = f"; after it {', '.join(restarts.left)}" if restarts.left else ""
        return Verdict("Restarting", True, "RollingOut", f"Restarting {restarts.turn}{after}.")
    message = "Restarted as asked." if restarts.asked else "No restart was asked for."
    return Verdict("Restarting", False, "Settled", message)
