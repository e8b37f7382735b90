"""Rotations in one look: what is asked for, how far services are, and the credentials and turns that follow from it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from chatcluster_operator.api import (
    SERVICES,
    ChatCluster,
    Operation,
    OperationPhase,
    Rotated,
    Rotation,
    RotationPhase,
)
from chatcluster_operator.decide import FAILING, Key, Snapshot
from chatcluster_operator.decide.operations import Situation, Wait, Work, may_begin, may_go_on, situation
from chatcluster_operator.decide.rotation import CLOCKS_SECONDS, Change, Course, Progress, advance, due, turns
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.desired import Credentials, Inputs, components, objects
from chatcluster_operator.desired.services import checksum
from chatcluster_operator.desired.stores import files_in_postgres

TOKEN_SECONDS: Final = 900
"""How long an access token is good for where the user service is not told otherwise: its own default. Where it is told
a shorter time, tokens of before that may be about."""
_LIFETIME: Final = "CHAT_ACCESS_TOKEN_SECONDS"


@dataclass(frozen=True)
class Turned:
    """What one look makes of the rotations."""

    inputs: Inputs
    """With the credentials and turns that follow."""
    rotation: Rotation | None
    """The rotation under way, or the last one, where it failed."""
    rotated: Rotated | None
    """When values were last replaced."""
    wait: Wait | None = None
    """Why a rotation that is asked for does not begin, or one under way does not go on."""


def noted(cluster: ChatCluster) -> tuple[Rotation | None, Rotated | None]:
    """What the status says of rotations."""
    rotation, rotated = cluster.status.get("rotation"), cluster.status.get("rotated")
    return (
        Rotation.model_validate(rotation) if rotation else None,
        Rotated.model_validate(rotated) if rotated else None,
    )


def rotate(
    cluster: ChatCluster,
    inputs: Inputs,
    snapshot: Snapshot,
    *,
    upgrading: Operation | None,
    now: int,
    backing_up: Wait | None = None,
) -> Turned:
    """The next step of a rotation, or its beginning. `inputs` has the credentials as their Secret has them;
    `backing_up` is why none begins for a backup."""
    rotation, rotated = noted(cluster)
    names = {item.name for item in components(cluster)}
    # Members of the object store are clients of PostgreSQL where they keep their list of files there.
    turning = {*SERVICES, *((objects.NAME,) if files_in_postgres(cluster) else ())}
    order = [name for name in ORDER if name in turning and name in names]
    present = replace(inputs, turns=turns(rotation, order))
    coming = inputs.credentials.rotating
    asked = due(
        created=cluster.created,
        every_days=cluster.spec.credentials.rotate_every_days,
        annotations=cluster.annotations,
        rotation=rotation,
        rotated=rotated,
        now=now,
    )
    under_way = coming is not None or (rotation is not None and rotation.phase is not RotationPhase.FAILED)
    if not under_way and asked is None:
        return Turned(present, rotation, rotated)
    standing = _situation(cluster, snapshot, upgrading, now)
    wait = may_go_on(Work.ROTATION, standing) if under_way else may_begin(Work.ROTATION, standing) or backing_up
    if wait is not None:
        return Turned(present, rotation, rotated, wait)
    course = advance(
        rotation=rotation,
        coming=coming,
        asked=asked,
        order=order,
        progress=_progress(cluster, present, snapshot, order) if coming else {},
        step_seconds=cluster.spec.upgrade.step_timeout_seconds,
        token_seconds=_token_seconds(cluster) + CLOCKS_SECONDS,
        now=now,
    )
    after = replace(inputs, credentials=_changed(inputs.credentials, course), turns=turns(course.rotation, order))
    if course.finished is not None:
        at = {course.finished.what.value.lower(): course.finished.started}
        rotated = (rotated or Rotated()).model_copy(update=at)
    return Turned(after, course.rotation, rotated)


def _changed(credentials: Credentials, course: Course) -> Credentials:
    match course.change:
        case Change.BEGIN:
            assert course.rotation is not None  # noqa: S101 - what begins is a rotation
            return credentials.begin(course.rotation.what, secrets.token_bytes)
        case Change.COMPLETE:
            return credentials.completed
        case Change.WITHDRAW:
            return credentials.withdraw()
        case Change.KEEP:
            return credentials


def _situation(cluster: ChatCluster, snapshot: Snapshot, upgrading: Operation | None, now: int) -> Situation:
    found = {item.name: snapshot.children.get(Key(item.kind.value, item.workload)) for item in components(cluster)}
    workloads = {name: child.workload for name, child in found.items() if child and child.workload}
    standing = situation(cluster, list(found), workloads, now=now)
    begins = upgrading is not None and upgrading.phase is not OperationPhase.ROLLED_BACK
    return replace(standing, under_way=Work.UPGRADE) if begins else standing


def _progress(cluster: ChatCluster, inputs: Inputs, snapshot: Snapshot, order: Sequence[str]) -> dict[str, Progress]:
    trouble = {pod.component: pod.message for pod in snapshot.pods.values() if pod.reason in FAILING}
    ending = {pod.component for pod in snapshot.pods.values() if pod.ending}
    found: dict[str, Progress] = {}
    for item in components(cluster):
        if item.name not in order:
            continue
        child = snapshot.children.get(Key(item.kind.value, item.workload))
        workload = child.workload if child else None
        renewed = (
            workload is not None
            and workload.checksum == _checksum(cluster, inputs, item.name)
            and workload.rolled_out
            and (workload.available or workload.wanted == 0)
            and item.name not in ending
        )
        found[item.name] = Progress(renewed, trouble.get(item.name, ""))
    return found


def _checksum(cluster: ChatCluster, inputs: Inputs, name: str) -> str:
    return objects.checksum(cluster, inputs) if name == objects.NAME else checksum(cluster, inputs, name)


def _token_seconds(cluster: ChatCluster) -> int:
    given = {item.name: item.value for item in cluster.spec.service("user").env}.get(_LIFETIME, "")
    return max(int(given) if given.isdigit() else 0, TOKEN_SECONDS)
