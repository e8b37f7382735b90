"""The message store. The one managed engine is the embedded stand-in, for development and tests."""

from typing import Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    Figures,
    Pod,
    Probes,
    disruption_budget,
    env,
    memory_limit_mib,
    resources,
    secrets_volume,
    stateful_set,
    tcp,
)
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "mongodb"

_FIGURES = Figures(cpu="200m", memory="256Mi", memory_limit="768Mi")


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the message store."""
    name = object_name(cluster, NAME)
    ports = {"mongodb": stores.PORTS[NAME]}
    chosen = resources(cluster.spec.mongodb.resources, _FIGURES)
    secrets = {"password": inputs.credentials.mongodb_password}
    pod = Pod(
        component=NAME,
        ports=ports,
        # It listens once it knows its user, so that one answer says both.
        probes=Probes(live=tcp("mongodb"), ready=tcp("mongodb")),
        resources=chosen,
        checksum=common.checksum(secrets),
        volumes=(secrets_volume((name, {"password": "password"})),),
        claims=(("data", DATA_PATH),),
        env=(env("CHAT_MONGODB_CACHE", f"{max(64, memory_limit_mib(chosen) // 3)}M"),),
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.service(cluster, name, NAME, ports),
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.mongodb, replicas=1),
        disruption_budget(cluster, NAME),
    ]
