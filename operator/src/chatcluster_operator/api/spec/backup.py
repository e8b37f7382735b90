"""Backups: where they lie, when they are made, how long they stay."""

from datetime import UTC, datetime
from typing import Annotated, Final, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.common import ObjectName
from chatcluster_operator.api.spec.lifecycle import known_zone

FOLDER: Final = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*)(/[A-Za-z0-9]([-A-Za-z0-9_.]*))*$"


class S3(Model):
    """A bucket, and how it is opened."""

    endpoint: Annotated[str, StringConstraints(max_length=253, pattern=r"^https://[-A-Za-z0-9.]+(:[0-9]{1,5})?$")]
    """Address, such as https://s3.eu-central-1.amazonaws.com. It must be HTTPS, and a name that
    is in the certificate, not a bare IP address: pgBackRest takes nothing else."""
    bucket: Annotated[str, StringConstraints(max_length=63, pattern=r"^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$")]
    """Bucket, which must exist."""
    region: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[-a-z0-9]+$")] = "us-east-1"
    """Region; any, where the S3 knows none."""
    secret_name: ObjectName
    """Secret in the ChatCluster's namespace with `access_key` and `secret_key`. For backups they must open the bucket
    for listing, reading, writing and deleting below the prefix; for a restore listing and reading is enough."""
    private_authority: bool = False
    """Whether the endpoint's certificate is signed by an authority of your own: the Secret then has its certificate as
    `ca.crt`."""

    @property
    def port(self) -> int:
        """The endpoint's."""
        return int(self.endpoint.removeprefix("https://").partition(":")[2] or 443)


class Destination(S3):
    """An S3 of your own, apart from this cluster, such that its loss leaves the backups."""

    prefix: Annotated[str, StringConstraints(max_length=200, pattern=FOLDER)] | None = None
    """Folder in the bucket. Left out: namespace and name of the ChatCluster, such as team/demo. Below it each
    ChatCluster has a folder named by its uid, so that two can never write over each other."""


class Encryption(Model):
    """What backups are encrypted with before they leave the cluster."""

    secret_name: ObjectName
    """Secret with `passphrase`: 32 random characters or more, as by `openssl rand -base64 48`. Keep a copy elsewhere:
    without it no backup can be read. It cannot be changed for backups that there are."""


def _readable(text: str) -> str:
    try:
        next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        message = f"{text!r} is no schedule; write five fields of cron, such as 0 3 * * * for each night at three"
        raise ValueError(message) from None
    return text


Cron = Annotated[str, StringConstraints(min_length=9, max_length=100), AfterValidator(_readable)]


class KeepBackups(Model):
    """Which backups stay. A backup stays when either says so, and the newest whole one always does."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.keepLast) || has(self.days)",
                "backup.retention needs keepLast, days or both; add one, or remove retention to keep all",
            )
        )
    )

    keep_last: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many of the newest stay."""
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days for which each stays."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.keep_last is None and self.days is None:
            raise ValueError("needs keepLast, days or both; add one, or remove retention to keep all")
        return self


class Verification(Model):
    """The newest backup restored for a test, apart from all that runs."""

    schedule: Cron
    """When, as five fields of cron, in the time zone of the backups; `0 12 * * 0` is each Sunday at noon."""


class Backup(Model):
    """Backups of all stores together, each bound to one moment. See docs/backup.md."""

    destination: Destination
    """Where they lie."""
    encryption: Encryption
    """What they are encrypted with; there are none in plain."""
    schedule: Cron | None = None
    """When one is made, as five fields of cron: minute, hour, day of the month, month, day of the week; `0 3 * * *` is
    each night at three. Times that pass while no operator runs are made up for once. Left out: only ChatBackups that
    somebody makes."""
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(known_zone)] = "Etc/UTC"
    """Time zone of the schedule by its name in the IANA database, such as Europe/Berlin."""
    retention: KeepBackups | None = None
    """Which stay; what is older is removed after the next backup that succeeds. Left out: all."""
    timeout_minutes: Annotated[int, Field(ge=10, le=10_080)] = 1440
    """How long one may take before it is given up, and how long a verification."""
    verification: Verification | None = None
    """When the newest one is restored for a test: all of it is read, PostgreSQL started from it, and every table
    checked. Left out: never."""
