"""Where a change of release stands."""

from chatcluster_operator.api import OperationPhase
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.decide.verdict import Verdict


def upgrading(facts: Facts) -> Verdict:
    """Upgrading."""
    operation = facts.operation
    if operation is None:
        return Verdict("Upgrading", False, "Settled", "No change of release is under way.")
    change = f"{operation.from_version} → {operation.to_version}"
    match operation.phase:
        case OperationPhase.RUNNING:
            names = {item.name for item in facts.components}
            order = [name for name in ORDER if name in names]
            place = f"{order.index(operation.step) + 1} of {len(order)}" if operation.step in order else "waiting"
            return Verdict("Upgrading", True, "RollingOut", f"{change}: {operation.step} ({place}).")
        case OperationPhase.ROLLING_BACK:
            return Verdict("Upgrading", True, "RollingBack", f"{change} is taken back: {operation.message}.")
        case OperationPhase.ROLLED_BACK:
            remedy = "mend the cause and set another spec.version, or set it back to stay"
            message = f"{change} was taken back at {operation.step}: {operation.message}; {remedy}."
            return Verdict("Upgrading", False, "UpgradeFailed", message)
