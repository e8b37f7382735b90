"""Where a rotation of passwords or keys stands."""

from typing import Final

from chatcluster_operator.api import (
    ROTATE_CREDENTIALS,
    ROTATE_TOKEN_KEY,
    STORES,
    Rotation,
    RotationKind,
    RotationPhase,
)
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.operations import Work
from chatcluster_operator.decide.verdict import Verdict

_ANNOTATION: Final = {RotationKind.PASSWORDS: ROTATE_CREDENTIALS, RotationKind.KEYS: ROTATE_TOKEN_KEY}


def rotating(facts: Facts) -> Verdict:
    """Rotating."""
    rotation, wait = facts.rotation, facts.waits.get(Work.ROTATION)
    if rotation is not None and rotation.phase is RotationPhase.FAILED:
        message = (
            f"The new {rotation.what.value.lower()} were taken back: {rotation.message}; mend the "
            f"cause and ask again with a new time in the annotation {_ANNOTATION[rotation.what]}."
        )
        return Verdict("Rotating", False, "RotationFailed", message)
    if rotation is None:
        if wait is not None:
            return Verdict("Rotating", False, wait.reason, f"A rotation is asked for and {wait.message}.")
        return Verdict("Rotating", False, "Settled", "No passwords or keys are being replaced.")
    message = _step(rotation) + _external(facts, rotation)
    if wait is not None:
        return Verdict("Rotating", True, wait.reason, f"{message} It {wait.message}.")
    return Verdict("Rotating", True, rotation.phase.value, message)


def _step(rotation: Rotation) -> str:
    match rotation.phase:
        case RotationPhase.ROLLING:
            return f"{rotation.step} takes up the new passwords; stores accept old and new ones."
        case RotationPhase.PUBLISHING:
            return f"{rotation.step} learns to accept the new keys."
        case RotationPhase.SIGNING:
            begins = f"{rotation.step} begins to use the new keys; " if rotation.step else ""
            return f"{begins}all services accept old and new ones."
        case RotationPhase.EXPIRING:
            return "The last tokens of the old key run out."
        case RotationPhase.ROLLING_BACK | RotationPhase.WITHDRAWING | RotationPhase.FAILED:
            return f"Services return to the old {rotation.what.value.lower()}: {rotation.message}."


def _external(facts: Facts, rotation: Rotation) -> str:
    brought = [name for name in STORES if facts.cluster.spec.store(name).external is not None]
    if not brought or rotation.what is RotationKind.KEYS:
        return ""
    return f" The passwords of {', '.join(brought)} are yours to change, in their Secrets."
