"""The Job that restores a backup for a test: in a pod of its own, which can reach the destination and nothing else.

Messages and files are read to their end by the image of backups; then PostgreSQL is restored into the pod's scratch
folder, by PostgreSQL's own image, started from it and checked. The folder may grow as large as PostgreSQL's volume.
"""

from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.constants import VERIFICATION
from chatcluster_operator.api.spec import Workload
from chatcluster_operator.desired.backup import LABEL_RUN, location, named, s3_env, s3_files
from chatcluster_operator.desired.common import checksum, manifest, object_name
from chatcluster_operator.desired.pods import SECRETS_PATH, Task, env, run_once, secrets_volume
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

COMPONENT: Final = VERIFICATION
_WORK: Final = "/tmp"  # noqa: S108 - the pod's own
_RETRIES: Final = 1
_BROKEN: Final = 3
"""Exit code of a step that found the backup broken: another try would find the same."""
_RESOURCES: Final[dict[str, Any]] = {
    "requests": {"cpu": "50m", "memory": "192Mi"},
    # Nobody waits for it, so it takes what others leave, and never more than one core.
    "limits": {"cpu": "1", "memory": "512Mi"},
}


def job_name(cluster: ChatCluster, id_: str, started: str) -> str:
    """Name of the Job that verifies the backup of this id, begun at this time: each time is another."""
    return object_name(cluster, COMPONENT, checksum([id_, started])[:8])


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """The Job, while a backup is being verified."""
    run, spec = inputs.verification, cluster.spec.backup
    if run is None or spec is None or cluster.spec.hibernated:
        return []
    given = spec.destination
    read = Task(
        component=COMPONENT,
        name="verify",
        image=run.image,
        args=("verify",),
        resources=_RESOURCES,
        checksum=checksum(""),
        volumes=(named("verify", secrets_volume(*s3_files(given, spec.encryption, "chat_backup_"))),),
        env=[
            *s3_env(given, location(cluster, spec), SECRETS_PATH),
            env("CHAT_BACKUP_ID", run.id),
            env("CHAT_BACKUP_WORK", _WORK),
        ],
        extra_labels={LABEL_RUN: run.name},
    )
    restore = Task(
        component=COMPONENT,
        name="postgres",
        image=inputs.images["postgres"],
        args=("verify", f"{_WORK}/base.json"),
        resources=_RESOURCES,
        checksum=checksum(""),
        volumes=(named("postgres", secrets_volume(*s3_files(given, spec.encryption))),),
        env=[
            *s3_env(given, location(cluster, spec), SECRETS_PATH, "CHAT_RECOVERY"),
            env("CHAT_RECOVERY_SECRETS_DIR", SECRETS_PATH),
            env("CHAT_POSTGRES_DATA", f"{_WORK}/pgdata"),
        ],
        extra_labels={LABEL_RUN: run.name},
    )
    template = run_once(cluster, restore, Workload(), before=[read])
    [container] = template["spec"]["containers"]
    container["command"] = ["/usr/local/bin/backups"]
    scratch = next(volume for volume in template["spec"]["volumes"] if volume["name"] == "tmp")
    scratch["emptyDir"] = {"sizeLimit": _scratch(cluster, inputs)}
    body: dict[str, Any] = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": spec.timeout_minutes * 60,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": name, "operator": "In", "values": [_BROKEN]},
                }
                for name in (read.name, restore.name)
            ]
        },
        "template": template,
    }
    job = manifest("batch/v1", "Job", cluster, job_name(cluster, run.id, run.started), COMPONENT, spec=body)
    job["metadata"]["labels"] |= {LABEL_RUN: run.name}
    return [job]


def _scratch(cluster: ChatCluster, inputs: Inputs) -> str:
    """As much as PostgreSQL has."""
    chosen = sizing(cluster)["postgres"].volume
    return inputs.volumes.get("postgres") or (chosen.value if chosen else "8Gi")
