"""What one look makes of one store with several members: what is done in it next, and what its status says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatcluster_operator.api import MemberStatus, StoreOperation, StoreStatus
from chatcluster_operator.decide.members.facts import StoreView
from chatcluster_operator.decide.members.orders import Decision


@dataclass(frozen=True, slots=True)
class Course:
    """One store, as a look leaves it."""

    wanted: int
    """Members that the spec asks for."""
    view: StoreView | None = None
    """As last seen; None: not asked yet, since this process leads."""
    decision: Decision = field(default_factory=Decision)
    operation: StoreOperation | None = None
    """What is done in it, or was last."""

    @property
    def busy(self) -> bool:
        """Whether something goes on, so that its members are to be asked often."""
        return bool(self.decision.orders or self.decision.waits)


def store_status(course: Course, previous: Mapping[str, Any] | None) -> StoreStatus:
    """What the status says of a store. Before its members have been asked it is what it said before."""
    view = course.view
    if view is None:
        known = StoreStatus.model_validate(previous) if previous else StoreStatus(size=course.wanted)
        return known.model_copy(update={"size": course.wanted, "operation": course.operation})
    return StoreStatus(
        size=course.wanted,
        leader=view.leader,
        members=[
            MemberStatus(
                name=member.name,
                node=member.node,
                role=member.role,
                state=member.state,
                in_step=member.in_step,
                detail=member.detail,
            )
            for member in view.members
        ],
        problem=view.problem,
        operation=course.operation,
    )
