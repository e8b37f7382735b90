"""A restore: how PostgreSQL begins with its backup, and the Jobs of the rest.

The first Job finds the backup and brings its keys into a Secret, the only one that it may write; the operator takes
them from there. PostgreSQL is restored by its own first member. The last Job fills the message store and the object
store, and has erasures asked for again that crossed the backup's moment. All of this is gone once the restore is over:
then a ChatCluster is as any other.
"""

from collections.abc import Sequence
from typing import Any, Final

from chatcluster_operator.api import ChatCluster, RecoveryPhase
from chatcluster_operator.api.constants import RECOVERY
from chatcluster_operator.api.spec import Workload
from chatcluster_operator.desired import stores
from chatcluster_operator.desired.backup import DRAINED, RESOURCES, named, s3_env, s3_files
from chatcluster_operator.desired.common import checksum, manifest, object_name, rights, secret
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.pods import SECRETS_PATH, Task, env, run_once, secrets_volume
from chatcluster_operator.desired.types import Inputs, Manifest, RecoveryRun

COMPONENT: Final = RECOVERY
"""Component of the Jobs' pods."""
ABOUT: Final = "about"
"""Key of the Secret with the backup's keys under which it says what the backup is."""
SOURCE_PATH: Final = "/run/secrets/chatcluster-recovery"
"""Where PostgreSQL's pods find how to reach the backup."""
BOOTSTRAP: Final[dict[str, Any]] = {
    "method": COMPONENT,
    COMPONENT: {"command": "/usr/local/bin/backups restore", "keep_existing_recovery_conf": True},
    "post_init": "/usr/local/bin/backups restored",
}
"""How Patroni makes the database."""

_HOLDERS: Final = ("gateway", "message", "file", "notification", "presence")
"""Services that hold data of people, and are asked to erase it."""
_RETRIES: Final = 6
"""After 10 s, and then twice as long each time: ten minutes in all."""


def find_name(cluster: ChatCluster) -> str:
    """Name of the Job that finds the backup."""
    return object_name(cluster, COMPONENT, "find")


def fill_name(cluster: ChatCluster) -> str:
    """Name of the Job that fills the stores."""
    return object_name(cluster, COMPONENT, "fill")


def keys_name(cluster: ChatCluster) -> str:
    """Name of the Secret with the backup's keys, and of who may write it."""
    return object_name(cluster, COMPONENT, "keys")


def stores_of(cluster: ChatCluster, phase: RecoveryPhase, managed: Sequence[str]) -> list[str]:
    """The stores that run in a phase. None does until it is sure that there is a backup.

    Where members of the object store keep their list of files in PostgreSQL, they come once that is restored, and the
    list that came with it, of files of another store, is gone.
    """
    if phase is RecoveryPhase.FINDING:
        return []
    late = {"objects"} if phase is RecoveryPhase.POSTGRES and stores.files_in_postgres(cluster) else set[str]()
    return [name for name in managed if name not in late]


def manifests(cluster: ChatCluster, inputs: Inputs, run: RecoveryRun) -> list[Manifest]:
    """The Jobs of the phase, and what they need."""
    if cluster.spec.hibernated:
        return []
    if run.status.phase is RecoveryPhase.FINDING:
        return [*_rights(cluster), _find(cluster, run)]
    if run.filling:
        own = secret(cluster, object_name(cluster, COMPONENT), COMPONENT, _secrets(cluster, inputs))
        return [own, _fill(cluster, inputs, run)]
    return []


def variables(inputs: Inputs) -> list[dict[str, Any]]:
    """What PostgreSQL's member is told of the backup that it is restored from."""
    run = inputs.recovery
    if run is None or run.status.postgres is None:
        return []
    source, target = run.status.source, run.status.postgres
    return [
        *s3_env(source, source.path, SOURCE_PATH, "CHAT_RECOVERY"),
        env("CHAT_RECOVERY_SECRETS_DIR", SOURCE_PATH),
        env("CHAT_RECOVERY_LABEL", target.label),
        env("CHAT_RECOVERY_POINT", target.point),
        *([env("CHAT_RECOVERY_TIME", target.time)] if target.time else []),
    ]


def volumes(inputs: Inputs) -> list[tuple[dict[str, Any], str]]:
    """The Secrets that open it."""
    if inputs.recovery is None:
        return []
    source = inputs.recovery.status.source
    volume, _ = secrets_volume(*s3_files(source, source.encryption))
    return [({**volume, "name": COMPONENT}, SOURCE_PATH)]


def _rights(cluster: ChatCluster) -> list[Manifest]:
    name = keys_name(cluster)
    rules = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["patch"]}]
    return [
        # Its content is the Job's, and no part of what is applied.
        manifest("v1", "Secret", cluster, name, COMPONENT, type="Opaque"),
        *rights(cluster, name, COMPONENT, rules),
    ]


def _find(cluster: ChatCluster, run: RecoveryRun) -> Manifest:
    given = cluster.spec.bootstrap
    target = given.recovery.target_time if given else None
    asked = {"BACKUP": run.status.source.backup_id, "BEFORE": target, "KEYS_SECRET": keys_name(cluster)}
    variables = [env(f"CHAT_BACKUP_{name}", value) for name, value in asked.items() if value]
    return _job(cluster, run, find_name(cluster), [_task(run, "find", variables)], account=keys_name(cluster))


def _fill(cluster: ChatCluster, inputs: Inputs, run: RecoveryRun) -> Manifest:
    """The steps go one after the other, each with the secrets that it needs."""
    own = object_name(cluster, COMPONENT)

    def mine(*names: str) -> tuple[str, dict[str, str]]:
        return own, {name: f"chat_backup_{name}" for name in names}

    messages, files = stores.access(cluster, inputs, "mongodb", "message"), _files(cluster, inputs)
    mongodb = (messages.brought.secret, {"url": "chat_backup_mongodb_url"}) if messages.brought else mine("mongodb_url")
    database = [env("CHAT_BACKUP_MONGODB_DATABASE", stores.MONGODB_DATABASE), env("CHAT_BACKUP_TARGET", cluster.uid)]
    steps = [_task(run, "restore-messages", database, mongodb)]
    running = running_services(cluster)
    if "file" in running:
        bucket = [{**item, "name": item["name"].replace("CHAT_S3_", "CHAT_BACKUP_SOURCE_")} for item in files.env]
        names = (
            {key: name.replace("chat_s3_", "source_") for key, name in files.brought.files.items()}
            if files.brought
            else {}
        )
        opened = (
            (files.brought.secret, {key: f"chat_backup_{name}" for key, name in names.items()})
            if files.brought
            else mine("source_access_key", "source_secret_key")
        )
        steps.append(_task(run, "restore-objects", bucket, opened))
    holders = ",".join(f'"{name}"' for name in running if name in _HOLDERS)
    steps.append(_task(run, "reconcile", [env("CHAT_BACKUP_HOLDERS", f"[{holders}]")], mine("user_database_url")))
    return _job(cluster, run, fill_name(cluster), steps)


def _files(cluster: ChatCluster, inputs: Inputs) -> stores.Access:
    """With the rights of who keeps files there: backups may read alone."""
    return stores.access(cluster, inputs, "objects", "file")


def _secrets(cluster: ChatCluster, inputs: Inputs) -> dict[str, str]:
    """What steps need of the stores; external ones are opened by the user's own Secrets."""
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    values = {"user_database_url": url.replace("+asyncpg", "")}
    if messages := stores.access(cluster, inputs, "mongodb", "message").secrets:
        values["mongodb_url"] = messages["chat_mongodb_url"]
    files = _files(cluster, inputs).secrets
    return values | {name.replace("chat_s3_", "source_"): value for name, value in files.items()}


def _task(run: RecoveryRun, step: str, variables: Sequence[dict[str, Any]], *needs: tuple[str, dict[str, str]]) -> Task:
    source = run.status.source
    opened = s3_files(source, source.encryption, "chat_backup_")
    common = s3_env(source, source.path, SECRETS_PATH)
    if run.status.phase is not RecoveryPhase.FINDING:
        common.append(env("CHAT_BACKUP_ID", source.backup_id))
    return Task(
        component=COMPONENT,
        name=step,
        image=run.image,
        args=(step,),
        resources=RESOURCES,
        checksum=checksum(""),
        volumes=(named(step, secrets_volume(*opened, *needs)),),
        env=[*common, *variables],
    )


def _job(
    cluster: ChatCluster, run: RecoveryRun, name: str, steps: Sequence[Task], *, account: str | None = None
) -> Manifest:
    given = cluster.spec.bootstrap
    minutes = given.recovery.timeout_minutes if given else 0
    *before, last = steps
    body: dict[str, Any] = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": minutes * 60,
        "podFailurePolicy": DRAINED,
        "template": run_once(cluster, last, Workload(), before=before, service_account=account),
    }
    return manifest("batch/v1", "Job", cluster, name, COMPONENT, spec=body)
