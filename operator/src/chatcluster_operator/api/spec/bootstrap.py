"""What a new ChatCluster begins with: nothing, or a backup of another."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.backup import FOLDER, S3, Encryption
from chatcluster_operator.api.spec.common import ObjectName

BACKUP_ID: Final = r"^[0-9]{8}T[0-9]{6}Z-[a-z0-9]{8}$"
"""How backups are called at the destination; they sort by the time at which they began."""

_ONE: Final = (
    "needs backup, which names a ChatBackup, or source, which says where a backup lies, and not both; "
    "add one or remove one of them"
)


class BackupName(Model):
    """A ChatBackup."""

    name: ObjectName
    """ChatBackup in the ChatCluster's namespace. It must be complete; where it lies is in its status."""


class RecoverySource(S3):
    """Where a backup lies. The status of a ChatBackup has it in this form, to be copied to where it is restored."""

    path: Annotated[str, StringConstraints(max_length=300, pattern=FOLDER)]
    """Folder of the ChatCluster that was backed up, such as team/demo/ and its uid: what follows the bucket in
    status.location of its ChatBackups."""
    encryption: Encryption
    """What it was encrypted with."""
    backup_id: Annotated[str, StringConstraints(max_length=63, pattern=BACKUP_ID)] | None = None
    """Its id, as in status.id of its ChatBackup. Left out: the newest, with a targetTime the newest of before it."""


def _zoned(text: str) -> str:
    message = f"{text!r} is no time with its zone; write it as 2026-11-23T04:25:49Z"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(message) from None
    if at.tzinfo is None:
        raise ValueError(message)
    return text


class Recovery(Model):
    """A backup that the ChatCluster is restored from before anybody is let in."""

    model_config = ConfigDict(
        json_schema_extra=rules(("has(self.backup) != has(self.source)", f"spec.bootstrap.recovery {_ONE}"))
    )

    backup: BackupName | None = None
    """The backup by its ChatBackup."""
    source: RecoverySource | None = None
    """The backup by where it lies, for another namespace or Kubernetes cluster: only its Secrets must be there."""
    target_time: (
        Annotated[
            str,
            StringConstraints(max_length=64),
            Field(json_schema_extra={"format": "date-time"}),
            AfterValidator(_zoned),
        ]
        | None
    ) = None
    """Time up to which PostgreSQL is restored, RFC 3339: accounts, API tokens and preferences as they were then, where
    that is later than the backup. Messages and files are those of the backup in any case. Left out: the backup's own
    moment for all."""
    timeout_minutes: Annotated[int, Field(ge=10, le=10_080)] = 1440
    """How long each step may take before it is given up."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.backup is None) == (self.source is None):
            raise ValueError(_ONE)
        return self


class Bootstrap(Model):
    """What the ChatCluster begins with. It is heeded once, before anything is brought up, and cannot change."""

    recovery: Recovery
    """A backup to restore. See docs/backup.md."""
