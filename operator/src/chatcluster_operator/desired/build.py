"""All manifests of a ChatCluster, in the order in which they are applied."""

from chatcluster_operator.api import ChatCluster, DeletionPolicy
from chatcluster_operator.desired.common import JWKS, config_map, object_name, secret
from chatcluster_operator.desired.credentials import FIELDS
from chatcluster_operator.desired.names import credentials_name
from chatcluster_operator.desired.types import Inputs, Manifest


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """Every object of the cluster, ordered so that what others lean on comes first."""
    return [*_shared(cluster, inputs)]


def _shared(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """The credentials, which outlive the ChatCluster as long as the volumes they open do, and the public token keys."""
    values = {name: getattr(inputs.credentials, name) for name in FIELDS}
    owned = cluster.spec.deletion_policy is DeletionPolicy.DELETE
    return [
        secret(cluster, credentials_name(cluster), None, values, owned=owned),
        config_map(cluster, object_name(cluster, JWKS), None, {"jwks.json": inputs.credentials.jwks}),
    ]
