"""The object store: SeaweedFS behind its S3 interface, with one bucket and one identity, the file service's."""

import json
from typing import Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    Pod,
    Probes,
    command,
    disruption_budget,
    env,
    http_get,
    secrets_volume,
    stateful_set,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "objects"


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the object store."""
    name = object_name(cluster, NAME)
    ports = {"s3": stores.PORTS[NAME]}
    secrets = {"s3.json": _identities(inputs)}
    pod = Pod(
        component=NAME,
        ports=ports,
        probes=Probes(live=http_get("s3", "/healthz"), ready=command("healthcheck", "ready")),
        resources=sizing(cluster)[NAME].resources,
        # It takes up other identities while it runs.
        checksum=common.checksum(""),
        volumes=(secrets_volume((name, {"s3.json": "s3.json"})),),
        claims=(("data", DATA_PATH),),
        env=(env("CHAT_BUCKET", stores.BUCKET),),
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.service(cluster, name, NAME, ports),
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.objects),
        disruption_budget(cluster, NAME),
    ]


def _identities(inputs: Inputs) -> str:
    """Who may do what: the file service reads, writes, lists and tags in its bucket."""
    keys = inputs.credentials
    pairs = zip(keys.accepted("objects_access_key"), keys.accepted("objects_secret_key"), strict=True)
    identity = {
        "name": "file",
        "credentials": [{"accessKey": access, "secretKey": secret} for access, secret in pairs],
        "actions": [f"{action}:{stores.BUCKET}" for action in ("Read", "Write", "List", "Tagging")],
    }
    return json.dumps({"identities": [identity]})
