"""Whether stores with several members have all of them, so that one may be lost."""

from collections.abc import Iterator

from chatcluster_operator.api import MemberState
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.members import Course, Member
from chatcluster_operator.decide.verdict import Verdict, join


def redundancy(facts: Facts) -> Verdict | None:
    """StoresRedundant; nothing to say where no store has several members, or none was asked yet."""
    asked = {name: course for name, course in facts.stores.items() if course.view is not None}
    if not asked or facts.cluster.spec.hibernated:
        return None
    failed = {name: message for name, message in facts.orders_failed.items() if name in asked}
    lacking = [f"{name}: {message}" for name, course in asked.items() for message in _lacking(course)]
    if failed:
        told = [f"{name}: {message}" for name, message in failed.items()]
        return Verdict("StoresRedundant", False, "OrderFailed", join([*told, *lacking]))
    if lacking:
        reason = "Working" if any(course.busy for course in asked.values()) else "MembersMissing"
        return Verdict("StoresRedundant", False, reason, join(lacking))
    counts = ", ".join(f"{name} {course.wanted}" for name, course in asked.items())
    return Verdict("StoresRedundant", True, "Redundant", f"All members are there and in step: {counts}.")


def _lacking(course: Course) -> Iterator[str]:
    """What keeps one store from its full redundancy, the most telling first."""
    view = course.view
    assert view is not None  # noqa: S101 - asked for those with a view alone
    if view.problem:
        yield view.problem
    for member in view.members:
        if not member.well:
            yield _described(member)
    if course.decision.waits:
        yield course.decision.waits


def _described(member: Member) -> str:
    where = f" on {member.node}" if member.node else ""
    match member.state:
        case MemberState.RUNNING:
            state = "is behind"
        case MemberState.JOINING:
            state = "joins"
        case MemberState.UNREACHABLE:
            state = "does not answer"
        case MemberState.ABSENT:
            state = "has no pod that runs"
    return f"{member.name}{where} {state}" + (f" ({member.detail})" if member.detail else "")
