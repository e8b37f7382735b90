"""Pure decisions: spec and snapshot in, plan and status out. No clock, no network, no state."""

from chatcluster_operator.decide.facts import Facts, Failure
from chatcluster_operator.decide.notices import Notice, notices
from chatcluster_operator.decide.ownership import owned
from chatcluster_operator.decide.plan import Apply, Delete, Plan, Reason, Step, plan
from chatcluster_operator.decide.snapshot import Applied, Child, Key, Missing, Pod, Snapshot, Workload
from chatcluster_operator.decide.status import differs, refused, report
from chatcluster_operator.decide.upgrade import FAILING, Rollout, State, advance

__all__ = [
    "FAILING",
    "Applied",
    "Apply",
    "Child",
    "Delete",
    "Facts",
    "Failure",
    "Key",
    "Missing",
    "Notice",
    "Plan",
    "Pod",
    "Reason",
    "Rollout",
    "Snapshot",
    "State",
    "Step",
    "Workload",
    "advance",
    "differs",
    "notices",
    "owned",
    "plan",
    "refused",
    "report",
]
