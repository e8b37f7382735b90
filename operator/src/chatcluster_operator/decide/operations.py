"""Which of the long operations may go on: one at a time, and only while nothing stands in its way.

A change of release, a rotation of credentials, a renewal of certificates and a restart all roll the same pods, so that
two at once could take away more of a store than it can spare, and neither could tell whose fault a failure is; the same
holds for handing a store's lead over and for rebuilding a member. A failover waits for none of them. What may
not begin, or not take its next step, gets a `Wait` that says why and until when: it becomes a condition.

Three hold everything where it stands: a pause, a hibernation, and, between two steps, a closed maintenance window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from chatcluster_operator.api import ChatCluster, OperationPhase, RotationPhase
from chatcluster_operator.decide.maintenance import Opening, opening
from chatcluster_operator.decide.snapshot import Workload
from chatcluster_operator.decide.times import rfc3339

OVERRIDE_WINDOW: Final = "chatcluster.dev/override-window"
"""Annotation of a ChatCluster; with the value true, what waits for a maintenance window does not."""


class Work(StrEnum):
    """Operations that exclude each other."""

    UPGRADE = "change of release"
    ROTATION = "rotation of credentials"
    RENEWAL = "renewal of certificates"
    RESTART = "restart"
    SWITCHOVER = "switchover"
    REBUILD = "rebuild of a member"
    FAILOVER = "failover"


_IN_WINDOWS: Final = frozenset({Work.UPGRADE, Work.ROTATION, Work.RENEWAL})
"""What begins, and takes its next step, only inside a maintenance window. A restart is asked for by a person, now."""
_WHEN_WELL: Final = frozenset({Work.UPGRADE, Work.ROTATION})
"""What begins only while every component is ready: afterwards nobody could tell what broke it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an operation does not begin, or does not go on."""

    reason: str
    """In one word, for a condition."""
    message: str
    """Why, and what to do about it; a sentence without its full stop."""
    until: int | None = None
    """When to look again, Unix seconds; None: when something changes."""
    holds: bool = False
    """Whether it stops what is under way at any point, not only between two steps."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What operations depend on, at one moment."""

    paused: bool = False
    hibernated: bool = False
    unwell: tuple[str, ...] = ()
    """Components that are not ready, or still roll out."""
    under_way: Work | None = None
    window: Opening = field(default_factory=Opening)


def situation(
    cluster: ChatCluster, components: Sequence[str], workloads: Mapping[str, Workload], *, now: int
) -> Situation:
    """The situation of a ChatCluster with these components. `now` is in Unix seconds."""
    operation = cluster.status.get("operation")
    upgrading = operation is not None and operation["phase"] != OperationPhase.ROLLED_BACK.value
    rotation = cluster.status.get("rotation")
    rotating = rotation is not None and rotation["phase"] != RotationPhase.FAILED.value
    return Situation(
        paused=cluster.spec.paused,
        hibernated=cluster.spec.hibernated,
        unwell=tuple(
            name
            for name in components
            if (workload := workloads.get(name)) is None or not (workload.rolled_out and workload.available)
        ),
        under_way=Work.UPGRADE if upgrading else Work.ROTATION if rotating else None,
        window=opening(
            cluster.spec.maintenance.windows, now, overridden=cluster.annotations.get(OVERRIDE_WINDOW) == "true"
        ),
    )


def may_begin(work: Work, now: Situation, *, urgent: bool = False, unwell: bool = False) -> Wait | None:
    """Whether `work` may begin; None when it may.

    `urgent` work waits for no window, and with `unwell` none waits for the components to be ready. Work that begins is
    under way for all that is asked after it in the same look: `dataclasses.replace(now, under_way=work)`.
    """
    if wait := _held(now):
        return wait
    if now.under_way not in {None, work} and work is not Work.FAILOVER:
        return Wait("AnotherOperation", f"waits for the end of the {now.under_way} that is under way")
    if wait := _closed(work, now, urgent=urgent):
        return wait
    if work in _WHEN_WELL and now.unwell and not unwell:
        remedy = "see the other conditions for what is wrong"
        if work is Work.UPGRADE:
            remedy += ", or let it begin all the same with spec.upgrade.whenUnhealthy: Proceed"
        return Wait("Unhealthy", f"waits until {', '.join(now.unwell)} are ready; {remedy}")
    return None


def may_go_on(work: Work, now: Situation, *, urgent: bool = False) -> Wait | None:
    """Whether `work`, which is under way, may take its next step; None when it may. A step once begun is finished."""
    return _held(now) or _closed(work, now, urgent=urgent)


def _held(now: Situation) -> Wait | None:
    if now.paused:
        return Wait("Paused", "waits while spec.paused is true; set it to false", holds=True)
    if now.hibernated:
        return Wait("Hibernated", "waits while spec.hibernated is true; set it to false", holds=True)
    return None


def _closed(work: Work, now: Situation, *, urgent: bool) -> Wait | None:
    if urgent or now.window.open or work not in _IN_WINDOWS:
        return None
    remedy = f"annotate the ChatCluster with {OVERRIDE_WINDOW}=true to go on now"
    if now.window.next is None:
        return Wait("OutsideWindow", f"waits for a maintenance window; {remedy}")
    opens = rfc3339(now.window.next)
    return Wait(
        "OutsideWindow", f"waits for the next maintenance window, which opens at {opens}; {remedy}", now.window.next
    )
