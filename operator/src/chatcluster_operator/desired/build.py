"""All manifests of a ChatCluster, in the order in which they are applied."""

from collections.abc import Callable, Mapping
from typing import Final

from chatcluster_operator.api import STORES, ChatCluster, DeletionPolicy
from chatcluster_operator.desired import (
    backup,
    edge,
    kafka,
    migrations,
    mongodb,
    network,
    objects,
    postgres,
    recovery,
    redis,
    services,
    verification,
)
from chatcluster_operator.desired.common import JWKS, config_map, manifest, object_name
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.names import credentials_name
from chatcluster_operator.desired.types import Inputs, Manifest

_STORES: Final[Mapping[str, Callable[[ChatCluster, Inputs], list[Manifest]]]] = {
    "postgres": postgres.manifests,
    "mongodb": mongodb.manifests,
    "redis": redis.manifests,
    "kafka": kafka.manifests,
    "objects": objects.manifests,
}


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """Every object of the cluster, ordered so that what others lean on comes first."""
    managed = [name for name in STORES if cluster.spec.store(name).external is None]
    if inputs.recovery is not None:
        return [
            *_shared(cluster, inputs),
            *network.manifests(cluster, restoring=inputs.recovery.status.source),
            *(
                item
                for name in recovery.stores_of(cluster, inputs.recovery.status.phase, managed)
                for item in _STORES[name](cluster, inputs)
            ),
            *recovery.manifests(cluster, inputs, inputs.recovery),
        ]
    return [
        *_shared(cluster, inputs),
        *network.manifests(cluster),
        *migrations.jobs(cluster, inputs),
        *(item for name in managed for item in _STORES[name](cluster, inputs)),
        *(item for name in running_services(cluster) for item in services.manifests(cluster, inputs, name)),
        *edge.manifests(cluster, inputs),
        *backup.manifests(cluster, inputs),
        *verification.manifests(cluster, inputs),
    ]


def _shared(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """The credentials, which outlive the ChatCluster as long as the volumes they open do, and the public token keys."""
    return [
        manifest(
            "v1",
            "Secret",
            cluster,
            credentials_name(cluster),
            owned=cluster.spec.deletion_policy is DeletionPolicy.DELETE,
            type="Opaque",
            data=inputs.credentials.to_secret(),
        ),
        config_map(cluster, object_name(cluster, JWKS), None, {"jwks.json": inputs.credentials.jwks}),
    ]
