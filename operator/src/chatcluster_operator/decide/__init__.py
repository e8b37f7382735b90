"""Pure decisions: spec and snapshot in, plan and status out. No clock, no network, no state."""

from chatcluster_operator.decide.facts import Facts, Failure
from chatcluster_operator.decide.notices import Notice, notices
from chatcluster_operator.decide.operations import Situation, Wait, Work, may_begin, may_go_on, situation
from chatcluster_operator.decide.ownership import owned
from chatcluster_operator.decide.plan import Apply, Delete, Plan, Reason, Replace, Step, plan
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
    "Replace",
    "Rollout",
    "Situation",
    "Snapshot",
    "State",
    "Step",
    "Wait",
    "Work",
    "Workload",
    "advance",
    "differs",
    "may_begin",
    "may_go_on",
    "notices",
    "owned",
    "plan",
    "refused",
    "report",
    "situation",
]
