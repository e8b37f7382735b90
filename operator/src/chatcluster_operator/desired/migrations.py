"""The Jobs that migrate the schemas: one for each service that keeps rows, run by the service's own image.

A Job cannot change, so its name carries a digest of all that it says: another image, or another database, is another
Job, and the one before is removed. It stays once it has ended: that it is there says that its migration is done.
"""

from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import stores
from chatcluster_operator.desired.common import checksum, labels, manifest, object_name
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.pods import Task, env, run_once, secrets_volume
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest, Migrations

COMPONENT: Final = "migration"
"""Component by which these pods are labelled: no Service, no budget and no workload counts them in."""
LABEL_SERVICE: Final = "chatcluster.dev/service"
"""The service whose schema a Job migrates."""

_RETRIES: Final = 5
_FINAL: Final = (65, 78)
"""Exit codes that no other try would change: the database is beyond this release; the settings are wrong."""


def jobs(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """The Jobs; none while everything sleeps, as the database does too."""
    if cluster.spec.hibernated:
        return []
    wanted = inputs.migrations or Migrations(inputs.images, contract=True)
    return [_job(cluster, inputs, service, wanted) for service in services(cluster) if service in wanted.images]


def services(cluster: ChatCluster) -> list[str]:
    """The services that have a schema."""
    return [name for name in running_services(cluster) if name in stores.POSTGRES_USERS]


def _job(cluster: ChatCluster, inputs: Inputs, service: str, wanted: Migrations) -> Manifest:
    access, given = stores.access(cluster, inputs, "postgres", service), cluster.spec.service(service)
    brought = access.brought
    secrets = [(object_name(cluster, service), {key: key for key in access.secrets})]
    secrets += [(brought.secret, brought.files)] if brought else []
    task = Task(
        component=COMPONENT,
        name="migrate",
        image=wanted.images[service],
        args=("migrate", "--contract") if wanted.contract else ("migrate",),
        resources=sizing(cluster)[service].resources,
        # Another address may be another database. The password of a managed one is no part of what is migrated.
        checksum=checksum(inputs.digests.get(brought.secret, "") if brought else ""),
        volumes=(secrets_volume(*secrets),),
        env=[env("CHAT_LOG_LEVEL", "INFO"), *(env(item.name, item.value) for item in given.env)],
        extra_labels={LABEL_SERVICE: service},
    )
    spec: dict[str, Any] = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": cluster.spec.upgrade.migration_timeout_seconds,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": task.name, "operator": "In", "values": list(_FINAL)},
                },
                # A node that is drained is nobody's failure.
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": run_once(cluster, task, given),
    }
    name = object_name(cluster, service, "db", checksum(spec)[:6])
    job = manifest("batch/v1", "Job", cluster, name, COMPONENT, spec=spec)
    job["metadata"]["labels"] = labels(cluster, COMPONENT) | {LABEL_SERVICE: service}
    return job
