"""The Job of a backup: its steps are containers that run one after the other, each with the secrets that it needs.

The pod shares /tmp among them: what steps tell each other lies there. A step that fails ends the pod, and the Job makes
another, which finds what the first has brought to the destination. The Job follows from a ChatBackup that runs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.constants import BACKUP
from chatcluster_operator.api.spec import Workload
from chatcluster_operator.api.spec.backup import S3, Backup, Encryption
from chatcluster_operator.api.spec.bootstrap import RecoverySource
from chatcluster_operator.desired import stores
from chatcluster_operator.desired.common import checksum, manifest, object_name, secret
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.credentials import login
from chatcluster_operator.desired.pods import SECRETS_PATH, Task, env, run_once, secrets_volume
from chatcluster_operator.desired.types import BackupRun, Inputs, Manifest

COMPONENT: Final = BACKUP
"""Component of a backup's pods, and the name of their image in the catalogue."""
LABEL_RUN: Final = "chatcluster.dev/backup"
"""Label of a Job and its pods: the ChatBackup that they are of."""

DESTINATION_PATH: Final = "/run/secrets/chatcluster-backup"
"""Where PostgreSQL's pods find how to reach the destination."""
KEYS: Final = ("token_key", "internal_token", "encryption_key", "vapid_key", "links_key")
"""Generated values that belong to the data: without them second factors cannot be read, devices hear nothing more,
links in mails are dead and people must sign in again."""

_DESTINATION: Final = ("access_key", "secret_key")
DRAINED: Final = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
"""A node that is drained is nobody's failure."""
_RETRIES: Final = 3
RESOURCES: Final[dict[str, Any]] = {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}}
"""Each step's. Measured: an upload of unknown length holds a part of it, 32 MiB, twice."""


@dataclass(frozen=True)
class _Step:
    name: str
    needs: Sequence[tuple[str, Mapping[str, str]]] = ()
    """Secrets, and their keys → names of files, beside the destination's."""
    env: Sequence[Mapping[str, Any]] = ()


def location(cluster: ChatCluster, spec: Backup) -> str:
    """Folder of the ChatCluster in the bucket."""
    prefix = spec.destination.prefix or f"{cluster.namespace}/{cluster.name}"
    return f"{prefix}/{cluster.uid}"


def source(cluster: ChatCluster, spec: Backup) -> RecoverySource:
    """Where its backups lie, as one says it that is restored from them."""
    given = spec.destination.model_dump(exclude={"prefix"})
    return RecoverySource(**given, path=location(cluster, spec), encryption=spec.encryption)


def job_name(cluster: ChatCluster, id_: str) -> str:
    """Name of the Job that makes the backup of this id."""
    return object_name(cluster, COMPONENT, id_.rpartition("-")[2])


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """The Secret of backups, and the Job of the one that runs."""
    spec = cluster.spec.backup
    if spec is None:
        return []
    made = [secret(cluster, object_name(cluster, COMPONENT), COMPONENT, _secrets(cluster, inputs))]
    return (
        made
        if inputs.backup is None or cluster.spec.hibernated
        else [*made, _job(cluster, inputs, inputs.backup, spec)]
    )


def s3_env(given: S3, path: str, folder: str, prefix: str = "CHAT_BACKUP") -> list[dict[str, Any]]:
    """Where backups lie, without secrets. `folder` is where the S3's Secret is mounted."""
    return [
        env(f"{prefix}_ENDPOINT", given.endpoint),
        env(f"{prefix}_BUCKET", given.bucket),
        env(f"{prefix}_REGION", given.region),
        env(f"{prefix}_PATH", path),
        *([env(f"{prefix}_CA_FILE", f"{folder}/ca.crt")] if given.private_authority else []),
    ]


def s3_files(given: S3, encryption: Encryption, prefix: str = "") -> list[tuple[str, dict[str, str]]]:
    """The user's Secrets that open backups, and their keys → names of files."""
    files = {key: f"{prefix}{key}" for key in _DESTINATION}
    authority = {"ca.crt": "ca.crt"} if given.private_authority else {}
    return [(given.secret_name, files | authority), (encryption.secret_name, {"passphrase": f"{prefix}passphrase"})]


def _secrets(cluster: ChatCluster, inputs: Inputs) -> dict[str, str]:
    """What steps need of the stores; external ones are opened by the user's own Secrets."""
    keys = inputs.credentials
    role = stores.postgres_role(COMPONENT)
    password, host = keys.postgres_backup_password, object_name(cluster, "postgres")
    values = {
        "keys": json.dumps({name: getattr(keys, name) for name in KEYS}),
        "database_url": f"postgresql://{login(role, keys.slot)}:{password}@{host}:{stores.PORTS['postgres']}/{role}",
    }
    messages, files = (stores.access(cluster, inputs, *pair).secrets for pair in _ACCESS)
    if messages:
        values["mongodb_url"] = messages["chat_mongodb_url"]
    return values | {name.replace("chat_s3_", "source_"): value for name, value in files.items()}


_ACCESS: Final = (("mongodb", "backup"), ("objects", "backup"))
"""Users of its own, who may read and list."""


def _steps(cluster: ChatCluster, inputs: Inputs, spec: Backup) -> list[_Step]:
    own = object_name(cluster, COMPONENT)

    def mine(*names: str) -> tuple[str, dict[str, str]]:
        return own, {name: f"chat_backup_{name}" for name in names}

    messages, files = (stores.access(cluster, inputs, *pair) for pair in _ACCESS)
    mongodb = (messages.brought.secret, {"url": "chat_backup_mongodb_url"}) if messages.brought else mine("mongodb_url")
    source = (
        (files.brought.secret, {key: f"chat_backup_source_{key}" for key in files.brought.files})
        if files.brought
        else mine("source_access_key", "source_secret_key")
    )
    bucket = [{**item, "name": item["name"].replace("CHAT_S3_", "CHAT_BACKUP_SOURCE_")} for item in files.env]
    database = [env("CHAT_BACKUP_MONGODB_DATABASE", stores.MONGODB_DATABASE)]
    keep = spec.retention
    limits = {"KEEP_LAST": keep.keep_last, "KEEP_DAYS": keep.days} if keep else {}
    with_files = "file" in running_services(cluster)
    return [
        _Step("postgres", [mine("database_url")]),
        *([_Step("objects", [source], bucket)] if with_files else []),
        _Step("messages", [mongodb], database),
        *([_Step("index", [source], bucket)] if with_files else []),
        _Step(
            "seal",
            [mine("database_url", "keys")],
            [env(f"CHAT_BACKUP_{name}", value) for name, value in limits.items() if value is not None],
        ),
    ]


def _job(cluster: ChatCluster, inputs: Inputs, run: BackupRun, spec: Backup) -> Manifest:
    common = [
        *s3_env(spec.destination, location(cluster, spec), SECRETS_PATH),
        env("CHAT_BACKUP_ID", run.id),
        env("CHAT_BACKUP_NAMESPACE", cluster.namespace),
        env("CHAT_BACKUP_CLUSTER", cluster.name),
        env("CHAT_BACKUP_RELEASE", run.release),
        env("CHAT_BACKUP_WORK", "/tmp"),  # noqa: S108 - the pod's own
    ]
    opened = s3_files(spec.destination, spec.encryption, "chat_backup_")
    *before, last = [
        Task(
            component=COMPONENT,
            name=step.name,
            image=run.image,
            args=(step.name,),
            resources=RESOURCES,
            checksum=checksum(""),
            volumes=(named(step.name, secrets_volume(*opened, *step.needs)),),
            env=[*common, *step.env],
            extra_labels={LABEL_RUN: run.name},
        )
        for step in _steps(cluster, inputs, spec)
    ]
    body: dict[str, Any] = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": spec.timeout_minutes * 60,
        "podFailurePolicy": DRAINED,
        "template": run_once(cluster, last, Workload(), before=before),
    }
    job = manifest("batch/v1", "Job", cluster, job_name(cluster, run.id), COMPONENT, spec=body)
    job["metadata"]["labels"] |= {LABEL_RUN: run.name}
    return job


def named(step: str, volume: tuple[dict[str, Any], str]) -> tuple[dict[str, Any], str]:
    """Each step has secrets of its own."""
    return {**volume[0], "name": f"secrets-{step}"}, volume[1]
