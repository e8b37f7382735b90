"""What people ask of a store, by annotations of the ChatCluster.

`chatcluster.dev/switchover-<store>`, `chatcluster.dev/failover-<store>` and `chatcluster.dev/rebuild-<store>`; the
value is when it was asked for, RFC 3339, and the member concerned, separated by a space. For the first two the member
may be left out. Each value is heeded once: `status.stores.<store>.heeded` has the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chatcluster_operator.api import GROUP, StoreWork
from chatcluster_operator.decide.members.facts import StoreView

REQUESTS: Final = {
    "switchover": StoreWork.SWITCHOVER,
    "failover": StoreWork.FAILOVER,
    "rebuild": StoreWork.REBUILD,
}
"""What can be asked for, by the beginning of the annotation's name."""


def annotation(what: str, store: str) -> str:
    """The annotation that asks for `what`, one of `REQUESTS`, of a store."""
    return f"{GROUP}/{what}-{store}"


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked for and not heeded yet."""

    what: StoreWork
    key: str
    """Which of `REQUESTS` it is."""
    value: str
    """The annotation's value, as far as the status keeps it."""
    member: str
    problem: str = ""
    """Why it cannot be understood; empty when it can."""


def pending(annotations: Mapping[str, str], store: str, heeded: Mapping[str, str], *, created: str) -> Request | None:
    """The next request of a store; None when all were heeded.

    One that is older than the ChatCluster, made at `created`, came with a manifest and is let be.
    """
    for key, what in REQUESTS.items():
        given = annotations.get(annotation(key, store))
        if given is None or heeded.get(key) == given[:253]:
            continue
        when, _, member = given.strip().partition(" ")
        asked, born = _parse(when), _parse(created)
        if asked is not None and born is not None and asked < born:
            continue
        problem = "" if asked else f"{annotation(key, store)}: {when[:40]!r} is no time; write 2026-11-23T18:00:00Z"
        return Request(what, key, given[:253], member.strip()[:253], problem)
    return None


def refusal(request: Request, view: StoreView) -> str:
    """Why a request cannot be done as the store is, for people, with the remedy; empty when it can."""
    names = ", ".join(member.name for member in view.members)
    fit = [member.name for member in view.members if member.well and member.name != view.leader]
    asked, rebuild = request.member, request.what is StoreWork.REBUILD
    checks = (
        (bool(request.problem), request.problem),
        (bool(asked) and view.member(asked) is None, f"there is no member {asked}; choose one of {names}"),
        (rebuild and not asked, f"says no member; choose one of {names}"),
        (rebuild and asked == view.leader, f"{asked} leads; switch over first"),
        (bool(asked) and asked == view.leader, f"{asked} leads already"),
        (
            request.what is StoreWork.SWITCHOVER and not view.leader,
            "no member leads, so none can hand over; ask for a failover",
        ),
        (
            not rebuild and bool(asked) and asked not in fit,
            f"{asked} is not in step, and would lose what it lacks; wait, or choose another",
        ),
        (not rebuild and not fit, "no other member is in step; wait until one is"),
    )
    return next((message for hinders, message in checks if hinders), "")


def _parse(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else None
