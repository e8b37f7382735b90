"""The message store. The one managed engine is the embedded stand-in, for development and tests."""

import json
from typing import Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    Pod,
    Probes,
    disruption_budget,
    env,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
    tcp,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "mongodb"


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the message store."""
    name = object_name(cluster, NAME)
    ports = {"mongodb": stores.PORTS[NAME]}
    chosen = sizing(cluster)[NAME].resources
    users = inputs.credentials.logins(stores.MONGODB_USER, "mongodb_password")
    secrets = {"users.json": json.dumps(users)}
    pod = Pod(
        component=NAME,
        ports=ports,
        # It listens once it knows its user, so that one answer says both.
        probes=Probes(live=tcp("mongodb"), ready=tcp("mongodb")),
        resources=chosen,
        # It takes up other passwords while it runs.
        checksum=common.checksum(""),
        volumes=(secrets_volume((name, {"users.json": "users.json"})),),
        claims=(("data", DATA_PATH),),
        env=(env("CHAT_MONGODB_CACHE", f"{max(64, memory_limit_mib(chosen) // 3)}M"),),
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.service(cluster, name, NAME, ports),
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.mongodb),
        disruption_budget(cluster, NAME),
    ]
