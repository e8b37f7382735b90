"""Where a change of release stands, and what it waits for."""

from chatcluster_operator.api import Operation, OperationPhase
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.operations import Work
from chatcluster_operator.decide.upgrade import CONTRACT, EXPAND, steps
from chatcluster_operator.decide.verdict import Verdict

_SAYS = {EXPAND: "migrating the schemas", CONTRACT: "removing what only the release before needed from the schemas"}


def upgrading(facts: Facts) -> Verdict:
    """Upgrading."""
    operation, wait = facts.operation, facts.waits.get(Work.UPGRADE)
    if operation is None and wait is None:
        return Verdict("Upgrading", False, "Settled", "No change of release is under way.")
    if wait is not None:
        before = operation.from_version if operation else facts.cluster.status.get("version")
        place = f"at {operation.step}, " if operation else ""
        message = f"{before} → {facts.cluster.spec.version} {place}{wait.message}."
        return Verdict("Upgrading", operation is not None, wait.reason, message)
    assert operation is not None  # noqa: S101 - one of the two is there
    return _stands(facts, operation)


def _stands(facts: Facts, operation: Operation) -> Verdict:
    change = f"{operation.from_version} → {operation.to_version}"
    match operation.phase:
        case OperationPhase.RUNNING:
            order = steps([item.name for item in facts.components])
            place = f" ({order.index(operation.step) + 1} of {len(order)})" if operation.step in order else ""
            step = _SAYS.get(operation.step, operation.step)
            return Verdict("Upgrading", True, "RollingOut", f"{change}: {step}{place}.")
        case OperationPhase.CONTRACTING if operation.message:
            message = f"{change}: everything runs the new release, but {_SAYS[CONTRACT]} failed"
            return Verdict("Upgrading", True, "ContractFailed", f"{message}: {operation.message}; it is tried again.")
        case OperationPhase.CONTRACTING:
            return Verdict("Upgrading", True, "Contracting", f"{change}: {_SAYS[CONTRACT]}.")
        case OperationPhase.ROLLING_BACK:
            message = f"{change} is taken back, now {operation.step}: {operation.message}."
            return Verdict("Upgrading", True, "RollingBack", message)
        case OperationPhase.ROLLED_BACK:
            remedy = "mend the cause and set another spec.version, or set it back to stay"
            message = f"{change} was taken back: {operation.message}; {remedy}."
            return Verdict("Upgrading", False, "UpgradeFailed", message)
