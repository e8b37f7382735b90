"""Rotations: passwords and keys replaced while everything runs, so that at no moment one that is used is refused.

Two things are kept of a rotation. The Secret of generated values has the new ones beside the old ones from before their
first use until nobody uses the old ones: it says which values are good. The status says how far services have come.
The Secret alone is enough: with the status lost, services return to the old values, which still hold, and the rotation
goes on from there.

Passwords: stores accept old and new. Services take up the new ones one by one. A pod is not ready while a store refuses
its password, so a step waits until the store has heard of it, however long that takes, while the old pods serve.

Keys: services first learn to accept the new ones, one by one; then begin to use them, one by one; then the last token
of the old key expires. Each pass ends when no pod is left that began before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from chatcluster_operator.api import (
    ROTATE_CREDENTIALS,
    ROTATE_TOKEN_KEY,
    Rotated,
    Rotation,
    RotationKind,
    RotationPhase,
)
from chatcluster_operator.decide.upgrade import FAILING_SECONDS
from chatcluster_operator.desired.types import Turns

CLOCKS_SECONDS: Final = 60
"""How far the clocks of people and machines may differ. Verifiers allow 5 s of it."""
_DAY: Final = 86_400
_ASKED_BY: Final[Mapping[RotationKind, str]] = {
    RotationKind.PASSWORDS: ROTATE_CREDENTIALS,
    RotationKind.KEYS: ROTATE_TOKEN_KEY,
}


class Change(StrEnum):
    """What is to become of the Secret of generated values in this look."""

    KEEP = "keep"
    BEGIN = "begin"
    """New values are put beside the old ones."""
    COMPLETE = "complete"
    """The new ones take the place of the old ones."""
    WITHDRAW = "withdraw"
    """The new ones go."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one service is."""

    renewed: bool
    """All its pods began with the values of its turn, are ready, and no other is left."""
    trouble: str = ""
    """What a pod of it says, when that will not pass by itself."""


@dataclass(frozen=True, slots=True)
class Course:
    """What one look comes to."""

    rotation: Rotation | None
    """As it goes on; None once it is over."""
    change: Change = Change.KEEP
    finished: Rotation | None = None
    """The rotation that has just come to a good end."""


def due(
    *,
    created: str,
    every_days: int | None,
    annotations: Mapping[str, str],
    rotation: Rotation | None,
    rotated: Rotated | None,
    now: int,
) -> RotationKind | None:
    """What is asked for, by annotation or by the calendar. One at a time, passwords first.

    `created` is when the ChatCluster was made (RFC 3339), `rotation` what the status says of the last one that did not
    come to a good end, `rotated` of those that did. `now` is Unix seconds.
    """
    for what, annotation in _ASKED_BY.items():
        last: int | None = getattr(rotated, what.value.lower(), None)
        if rotation is not None and rotation.what is what:
            # One that failed is not tried again until somebody asks, or its time comes.
            last = rotation.started
        at = _seconds(annotations.get(annotation, ""))
        if at is not None and (last or 0) < at <= now + CLOCKS_SECONDS:
            return what
        since = last if last is not None else _seconds(created)
        if every_days is not None and since is not None and since + every_days * _DAY <= now:
            return what
    return None


def turns(rotation: Rotation | None, order: Sequence[str]) -> Turns:
    """Which services know and use the coming values. `order` has the services in the order of their turns."""
    if rotation is None:
        return Turns()
    everyone, nobody = frozenset(order), frozenset[str]()
    reached = frozenset(order[: order.index(rotation.step) + 1]) if rotation.step in order else nobody
    knowing, using = {
        RotationPhase.ROLLING: (nobody, reached),
        RotationPhase.PUBLISHING: (reached, nobody),
        RotationPhase.SIGNING: (everyone, reached),
        RotationPhase.EXPIRING: (everyone, everyone),
        # Keys that were in use are known until their tokens have expired.
        RotationPhase.ROLLING_BACK: (everyone, nobody),
        RotationPhase.WITHDRAWING: (nobody, nobody),
        RotationPhase.FAILED: (nobody, nobody),
    }[rotation.phase]
    return Turns(knowing=knowing, using=using)


def advance(
    *,
    rotation: Rotation | None,
    coming: RotationKind | None,
    asked: RotationKind | None,
    order: Sequence[str],
    progress: Mapping[str, Progress],
    step_seconds: int,
    token_seconds: int,
    now: int,
) -> Course:
    """The next look's course.

    `rotation` is what the status says, `coming` what the Secret holds new values of, `asked` what may begin now.
    `progress` is each service's, judged by `turns` of this very `rotation`. `step_seconds` is how long one service may
    take, `token_seconds` how long a token is good for. Times are Unix seconds.
    """
    if coming is None:
        return _without_coming(rotation, asked, order, now)
    if rotation is None or rotation.what is not coming or rotation.phase is RotationPhase.FAILED:
        return Course(_taken_up(coming, order, now))
    match rotation.phase:
        case RotationPhase.EXPIRING:
            over = now - rotation.since >= token_seconds
            return Course(rotation, Change.COMPLETE if over else Change.KEEP)
        case RotationPhase.WITHDRAWING:
            return Course(rotation, Change.WITHDRAW)
        case RotationPhase.ROLLING_BACK:
            return _back(rotation, order, progress, token_seconds, now)
        case _:
            return _forward(rotation, order, progress, step_seconds, now)


def _without_coming(rotation: Rotation | None, asked: RotationKind | None, order: Sequence[str], now: int) -> Course:
    if rotation is not None and rotation.phase in {RotationPhase.ROLLING_BACK, RotationPhase.WITHDRAWING}:
        return Course(rotation.model_copy(update={"phase": RotationPhase.FAILED, "since": now}))
    if rotation is not None and (rotation.phase is RotationPhase.EXPIRING or _last(rotation, order)):
        return Course(None, finished=rotation)
    if asked is not None:
        return Course(_first(asked, order, now), Change.BEGIN)
    # A rotation whose values could not be stored has not begun; a failed one is remembered.
    return Course(rotation if rotation is not None and rotation.phase is RotationPhase.FAILED else None)


def _forward(
    rotation: Rotation, order: Sequence[str], progress: Mapping[str, Progress], step_seconds: int, now: int
) -> Course:
    at = order.index(rotation.step) if rotation.step in order else -1
    # Those before must still be well: a fault may show only once others lean on them.
    reached = order if rotation.phase is RotationPhase.SIGNING else order[: at + 1]
    late = [name for name in reached if not progress[name].renewed]
    if not late:
        return _onward(rotation, order, at, now)
    trouble = next((progress[name].trouble for name in late if progress[name].trouble), "")
    waited = now - rotation.since
    if (trouble and waited >= FAILING_SECONDS) or waited >= step_seconds:
        why = trouble or f"{', '.join(late)} did not become ready within {step_seconds} s"
        # Keys that are only being published nobody uses yet: a service that cannot start with them need not.
        unused = rotation.phase is RotationPhase.PUBLISHING
        phase = RotationPhase.WITHDRAWING if unused else RotationPhase.ROLLING_BACK
        return Course(rotation.model_copy(update={"phase": phase, "step": late[0], "since": now, "message": why}))
    return Course(rotation)


def _onward(rotation: Rotation, order: Sequence[str], at: int, now: int) -> Course:
    if at + 1 < len(order):
        return Course(rotation.model_copy(update={"step": order[at + 1], "since": now}))
    match rotation.phase:
        case RotationPhase.PUBLISHING:
            # First noted, then begun: as long as the status says Publishing, nobody uses the new keys.
            return Course(_at(rotation, RotationPhase.SIGNING, "", now))
        case RotationPhase.SIGNING:
            return Course(_at(rotation, RotationPhase.EXPIRING, "", now))
        case _:
            return Course(rotation, Change.COMPLETE)


def _back(
    rotation: Rotation, order: Sequence[str], progress: Mapping[str, Progress], token_seconds: int, now: int
) -> Course:
    if not all(progress[name].renewed for name in order):
        return Course(rotation)
    if rotation.what is RotationKind.PASSWORDS:
        return Course(rotation, Change.WITHDRAW)
    if rotation.step:
        # Whoever used the new key did so until now: its last tokens run out from here on.
        return Course(rotation.model_copy(update={"step": "", "since": now}))
    return Course(rotation, Change.WITHDRAW if now - rotation.since >= token_seconds else Change.KEEP)


def _first(what: RotationKind, order: Sequence[str], now: int) -> Rotation:
    phase = RotationPhase.ROLLING if what is RotationKind.PASSWORDS else RotationPhase.PUBLISHING
    return Rotation(what=what, phase=phase, step=order[0], started=now, since=now)


def _taken_up(what: RotationKind, order: Sequence[str], now: int) -> Rotation:
    """A rotation whose status was lost. Services may be anywhere in it, all of them with values that are good.

    Keys go on from where everybody knows the new ones and nobody uses them: from every other place that is one step.
    """
    rotation = _first(what, order, now)
    return rotation if what is RotationKind.PASSWORDS else _at(rotation, RotationPhase.SIGNING, "", now)


def _at(rotation: Rotation, phase: RotationPhase, step: str, now: int) -> Rotation:
    return rotation.model_copy(update={"phase": phase, "step": step, "since": now})


def _last(rotation: Rotation, order: Sequence[str]) -> bool:
    """Whether the new values may have taken the old ones' place already, with this as the last that was noted."""
    return rotation.phase is RotationPhase.ROLLING and rotation.step == order[-1]


def _seconds(text: str) -> int | None:
    """Unix seconds of an RFC 3339 time; None when it is none, or has no offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(at.timestamp()) if at.tzinfo else None
