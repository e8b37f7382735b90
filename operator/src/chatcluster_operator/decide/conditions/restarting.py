"""Where a restart stands that somebody has asked for."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict, join


def restarting(facts: Facts) -> Verdict | None:
    """Restarting; nothing as long as nobody has asked."""
    restarts = facts.restarts
    if restarts.refused:
        return Verdict("Restarting", False, "RestartRefused", f"{join(restarts.refused)}.")
    if restarts.wait is not None:
        what = restarts.turn or "the restart"
        return Verdict("Restarting", False, restarts.wait.reason, f"{what} {restarts.wait.message}.")
    if restarts.under_way:
        after = f"; after it {', '.join(restarts.left)}" if restarts.left else ""
        return Verdict("Restarting", True, "RollingOut", f"Restarting {restarts.turn}{after}.")
    return Verdict("Restarting", False, "Settled", "Restarted as asked.") if restarts.asked else None
