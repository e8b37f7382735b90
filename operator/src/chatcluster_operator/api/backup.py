"""ChatBackup: one backup of a ChatCluster, asked for by a schedule or by a person."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints

from chatcluster_operator.api.constants import MAX_NAME_LENGTH
from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.bootstrap import RecoverySource
from chatcluster_operator.api.status import Condition

BACKUP_KIND: Final = "ChatBackup"
BACKUP_PLURAL: Final = "chatbackups"


class BackupPhase(StrEnum):
    """Where a backup stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class ChatBackupSpec(Model):
    """What is backed up. It cannot change."""

    model_config = ConfigDict(
        json_schema_extra=rules(("self == oldSelf", "a ChatBackup cannot change; make another one"))
    )

    cluster_name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
    """ChatCluster in the same namespace; its spec.backup says where to."""
    comment: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Why it was made, for people."""


class BackupStep(Model):
    """How far one part is."""

    name: Annotated[str, StringConstraints(max_length=63)]
    """postgres, objects, messages, index or seal, in the order in which they go."""
    state: Annotated[str, StringConstraints(max_length=63)]
    """Waiting, Running, Done or Failed."""
    items: Annotated[int, Field(ge=0)] | None = None
    """Documents or files."""
    bytes: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """Size: sealed, of files unsealed."""
    message: Annotated[str, StringConstraints(max_length=2048)] | None = None
    """What is wrong."""


class BackupVerification(Model):
    """A backup restored for a test."""

    started: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When it began."""
    ended: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When it ended, with whatever outcome; the condition Verified has that."""
    steps: Annotated[list[BackupStep], Field(max_length=16)] = Field(default_factory=list[BackupStep])
    """How far each part is: verify, which reads messages and files, and postgres, which restores PostgreSQL."""


class ChatBackupStatus(Model):
    """What became of it."""

    phase: BackupPhase = BackupPhase.PENDING
    """Pending, Running, Completed or Failed; of the last two it never leaves."""
    id: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Its name at the destination."""
    location: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Where it lies: bucket and folder of the ChatCluster, as s3://bucket/folder."""
    source: RecoverySource | None = None
    """Where it lies, as spec.bootstrap.recovery.source of a ChatCluster that is restored from it says it; the Secrets
    are those of this namespace."""
    started: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When it began."""
    completed: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When it ended, whole or not."""
    moment: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """Everything that was acknowledged before is in it."""
    release: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Release that ran."""
    bytes: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """Size of all parts. Files that other backups have too are counted in each."""
    steps: Annotated[list[BackupStep], Field(max_length=16)] = Field(default_factory=list[BackupStep])
    """How far each part is."""
    verification: BackupVerification | None = None
    """The last time that it was restored for a test."""
    verified: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When it was last found to be as it was written."""
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = Field(default_factory=list[Condition])
    """Completed: it is whole, or why not yet. Verified: it was restored for a test, or what is broken."""


class ChatBackup(Model):
    """A ChatBackup as read from the API server."""

    name: str
    namespace: str
    uid: str
    version: int
    created: str
    """When it was made, RFC 3339."""
    deleting: bool
    cluster_name: str
    scheduled_for: str = ""
    """The time of the schedule that it was made for, RFC 3339; empty when a person made it."""
    status: ChatBackupStatus

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read the object in the form in which the API server returns it."""
        metadata = body["metadata"]
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            created=metadata.get("creationTimestamp") or "",
            deleting="deletionTimestamp" in metadata,
            cluster_name=body["spec"]["clusterName"],
            scheduled_for=time_or_nothing(metadata.get("annotations", {}).get(SCHEDULED_FOR, "")),
            status=ChatBackupStatus.model_validate(body.get("status") or {}),
        )


def time_or_nothing(text: str) -> str:
    """The text, if it is a time; anybody may write an annotation."""
    try:
        return text if datetime.fromisoformat(text).tzinfo else ""
    except ValueError:
        return ""


SCHEDULED_FOR: Final = "chatcluster.dev/scheduled-for"
"""Annotation of a ChatBackup that a schedule made: for which time."""
