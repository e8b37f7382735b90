"""A restore: whether one begins, how far it is, and what stands in its way.

It is an operation of a ChatCluster that has nothing yet. What it has come to is in the status from before the first
store is made, and each look goes on from there: whoever leads, nothing is begun twice. What came before that is done
is not in doubt either: keys are in the Secret of generated values before the phase that follows, PostgreSQL's member
is ready only once its restore is over, and the last Job stays until the status says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chatcluster_operator.api import RecoveryPhase, RecoveryStatus, RecoveryTarget
from chatcluster_operator.api.backup import BackupPhase, ChatBackup
from chatcluster_operator.api.spec.bootstrap import Recovery, RecoverySource
from chatcluster_operator.decide.backups import JobFacts
from chatcluster_operator.decide.operations import Wait
from chatcluster_operator.desired.postgres import MAJOR

FAILED: Final = "RecoveryFailed"
REFUSED: Final = "RecoveryRefused"
UNKNOWN: Final = "BackupNotFound"
"""Reasons for which a person is needed."""
RESTORING: Final = "Restoring"

_STEPS: Final = {
    "find": "the backup is looked up",
    "restore-messages": "messages are restored",
    "restore-objects": "files are restored",
    "reconcile": "erasures that crossed the backup's moment are asked for again",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the first Job has handed over."""

    id: str
    cluster: str
    release: str
    moment: str
    postgres: Mapping[str, Any] | None
    """label, point, at: when that was, RFC 3339; version: PostgreSQL's, the major one."""
    keys_in_place: bool = False
    """The backup's keys are in the Secret of generated values."""


@dataclass(frozen=True, slots=True)
class World:
    """What a restore depends on, at one moment."""

    brought_up: bool = False
    """Something runs, or did."""
    claims: tuple[str, ...] = ()
    """Volume claims by names that the stores' would have, looked up while nothing has begun."""
    backup: ChatBackup | None = None
    """The ChatBackup that the spec names, where it is there."""
    found: Found | None = None
    job: JobFacts | None = None
    """The Job of the phase."""
    job_name: str = ""
    unwell: tuple[str, ...] = ()
    """Stores that must be ready in this phase and are not yet."""
    trouble: str = ""
    """What keeps one of them from it, where that is known."""
    version: str = ""
    """spec.version."""
    image: bool = True
    """The Jobs have an image."""
    paused: bool = False
    hibernated: bool = False


@dataclass(frozen=True, slots=True)
class Restoration:
    """How a restore goes on."""

    status: RecoveryStatus | None = None
    """None: there is none, and none is to be."""
    wait: Wait | None = None
    """Why it does not go on, or what it is about; None once it is over."""
    adopt: bool = False
    """The backup's keys are to take the place of the generated ones."""
    filling: bool = False
    """The Job that fills the stores may run."""

    @property
    def under_way(self) -> bool:
        """Whether nobody is let in yet."""
        return self.wait is not None or (self.status is not None and self.status.phase is not RecoveryPhase.RESTORED)


def course(spec: Recovery | None, before: RecoveryStatus | None, world: World, *, now: int) -> Restoration:
    """The next look's course. `now` is in Unix seconds."""
    if before is not None and before.phase is RecoveryPhase.RESTORED:
        return Restoration(before)
    if spec is None or (before is None and world.brought_up):
        return Restoration()
    if wait := _held(world):
        return Restoration(before, wait, filling=before is not None and _fills(before, world))
    if before is None:
        return _begin(spec, world, now)
    return _go_on(spec, before, world, now)


def _go_on(spec: Recovery, before: RecoveryStatus, world: World, now: int) -> Restoration:
    match before.phase:
        case RecoveryPhase.FINDING:
            return _find(spec, before, world, now)
        case RecoveryPhase.POSTGRES:
            return _postgres(spec, before, world, now)
        case _:
            return _fill(before, world, now)


def _held(world: World) -> Wait | None:
    obstacles = (
        (world.paused, "Paused", "the restore waits while spec.paused is true; set it to false"),
        (world.hibernated, "Hibernated", "the restore waits while spec.hibernated is true; set it to false"),
        (
            not world.image,
            "NoImage",
            f"release {world.version} has no image for backup, which the restore needs; add it to the image catalogue",
        ),
    )
    return next((Wait(reason, message) for stands, reason, message in obstacles if stands), None)


def _begin(spec: Recovery, world: World, now: int) -> Restoration:
    if world.claims:
        listed = ", ".join(world.claims[:5])
        why = (
            f"a restore needs empty volumes, and there are some of an earlier ChatCluster of this name ({listed}); "
            "delete these claims if nobody needs them any more, or restore under another name"
        )
        return Restoration(wait=Wait(REFUSED, why))
    source = spec.source or _of(world.backup)
    if source is None:
        assert spec.backup is not None  # noqa: S101 - one of the two is given
        return Restoration(wait=Wait(UNKNOWN, _unknown(spec.backup.name, world.backup)))
    status = RecoveryStatus(phase=RecoveryPhase.FINDING, source=source, started=now, since=now)
    return Restoration(status, Wait(RESTORING, _STEPS["find"]))


def _of(backup: ChatBackup | None) -> RecoverySource | None:
    whole = backup is not None and backup.status.phase is BackupPhase.COMPLETED
    return backup.status.source if backup is not None and whole else None


def _unknown(name: str, backup: ChatBackup | None) -> str:
    if backup is None:
        return (
            f"spec.bootstrap.recovery.backup names ChatBackup {name}, which is not in this namespace; make the "
            "ChatCluster anew with the name of one that is, or with source"
        )
    if backup.status.phase is BackupPhase.COMPLETED:
        return (
            f"ChatBackup {name} does not say where its backup lies, being of an earlier release; make the ChatCluster "
            "anew with spec.bootstrap.recovery.source"
        )
    return f"waits for ChatBackup {name} to be complete; it is {backup.status.phase.value}"


def _find(spec: Recovery, before: RecoveryStatus, world: World, now: int) -> Restoration:
    found = world.found
    if world.job is None or not world.job.done:
        return Restoration(before, _job_wait(world, "find"))
    if found is None:
        why = f"Job {world.job_name} has ended, and what it found is not there; have it begun again by"
        return Restoration(before, Wait(FAILED, f"{why}: kubectl delete job {world.job_name}"))
    if why := _unfit(found, world.version):
        return Restoration(before, Wait(REFUSED, why))
    assert found.postgres is not None  # noqa: S101 - it would be unfit
    if not found.keys_in_place:
        return Restoration(before, Wait(RESTORING, "the backup's keys are taken over"), adopt=True)
    after = before.model_copy(
        update={
            "phase": RecoveryPhase.POSTGRES,
            "source": before.source.model_copy(update={"backup_id": found.id}),
            "cluster": found.cluster,
            "release": found.release,
            "moment": found.moment,
            "postgres": _target(spec, found.postgres),
            "since": now,
        }
    )
    return Restoration(after, Wait(RESTORING, f"{_place(after)}: PostgreSQL is restored"))


def _unfit(found: Found, version: str) -> str:
    """Why a backup cannot be restored here; empty where it can."""
    if older(version, found.release):
        return (
            f"backup {found.id} is of release {found.release}, and spec.version {version} is older; set spec.version "
            f"to {found.release} or a later release"
        )
    if found.postgres is None:
        return f"backup {found.id} has nothing of PostgreSQL; restore another one"
    if (major := int(found.postgres["version"])) != MAJOR:
        return (
            f"backup {found.id} is of PostgreSQL {major}, and this operator runs {MAJOR}, which does not start from "
            f"it; restore it with an operator of release {found.release}, which made it, and upgrade then"
        )
    return ""


def _target(spec: Recovery, found: Mapping[str, Any]) -> RecoveryTarget:
    """Accounts of a message that is in the backup are there at its restore point, and not always sooner."""
    later = spec.target_time is not None and datetime.fromisoformat(spec.target_time) > datetime.fromisoformat(
        found["at"]
    )
    return RecoveryTarget(label=found["label"], point=found["point"], time=spec.target_time if later else None)


def _postgres(spec: Recovery, before: RecoveryStatus, world: World, now: int) -> Restoration:
    if not world.unwell:
        after = before.model_copy(update={"phase": RecoveryPhase.FILLING, "since": now})
        return Restoration(after, Wait(RESTORING, f"{_place(after)}: stores become ready for messages and files"))
    if world.trouble:
        return Restoration(before, Wait(FAILED, f"{_place(before)}: PostgreSQL: {world.trouble}"))
    if now - before.since > spec.timeout_minutes * 60:
        why = (
            f"PostgreSQL was not restored within {spec.timeout_minutes} minutes; see the logs of its pod for why. It "
            "goes on; to end it, delete the ChatCluster"
        )
        return Restoration(before, Wait(FAILED, f"{_place(before)}: {why}"))
    return Restoration(before, Wait(RESTORING, f"{_place(before)}: PostgreSQL is restored"))


def _fill(before: RecoveryStatus, world: World, now: int) -> Restoration:
    if world.job is not None and world.job.done:
        return Restoration(before.model_copy(update={"phase": RecoveryPhase.RESTORED, "since": now}))
    if _fills(before, world):
        return Restoration(before, _job_wait(world, "restore-messages", _place(before)), filling=True)
    waiting = f"waits until {', '.join(world.unwell)} are ready"
    return Restoration(before, Wait(RESTORING, f"{_place(before)}: {world.trouble or waiting}"))


def _fills(before: RecoveryStatus, world: World) -> bool:
    """Whether the last Job is there to stay: once it has begun, no store that is away for a moment takes it back."""
    return before.phase is RecoveryPhase.FILLING and (world.job is not None or not world.unwell)


def _job_wait(world: World, first: str, place: str = "") -> Wait:
    """What the Job of the phase is about. It tries each step again by itself, until it has failed."""
    job, prefix = world.job or JobFacts(), f"{place}: " if place else ""
    now = next((step for step in job.steps if step.state != "Done"), None)
    doing = _STEPS.get(now.name if now else first, _STEPS[first])
    said = next((str(step.said["failed"]) for step in job.steps if "failed" in step.said), "")
    if job.failed:
        remedy = f"mend that, then have it begun again by: kubectl delete job {world.job_name}"
        return Wait(FAILED, f"{prefix}{said or job.failed}; {remedy}")
    if said:
        return Wait(RESTORING, f"{prefix}{said}; it is tried again")
    return Wait(RESTORING, prefix + (job.trouble or doing))


def _place(status: RecoveryStatus) -> str:
    return f"backup {status.source.backup_id} of {status.cluster}"


def older(release: str, than: str) -> bool:
    """Whether a release comes before another one, as far as their names tell: those of numbers and dots, such as 0.2.0,
    do. A later step of the numbers counts; what follows them, as in 1.0.0-rc1, does not."""
    numbers = [re.match(r"v?(\d+(?:\.\d+)*)", name) for name in (release, than)]
    if not all(numbers):
        return False
    first, second = ([int(part) for part in found[1].split(".")] for found in numbers if found)
    return first < second
