"""Redis with an append-only file, and a user for each service that may touch that service's keys and channels alone."""

import hashlib
from typing import Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    SECRETS_PATH,
    Pod,
    Probes,
    command,
    config_volume,
    disruption_budget,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
    tcp,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "redis"
USERS: Final = ("gateway", "user", "message", "file", "notification", "presence")


_CONFIG = """\
bind 0.0.0.0
port {port}
# Every client is asked for its name; the default user may only PING (see the ACL file).
protected-mode no
aclfile {secrets}/users.acl
dir {data}
# At most a second of writes is lost with the node, none with the process.
appendonly yes
appendfsync everysec
save ""
# Leaves room for the copy-on-write of a rewrite. Nothing vanishes silently: beyond this, writes fail.
maxmemory {max_memory}mb
maxmemory-policy noeviction
# A subscriber that does not keep up is closed before it takes the memory of all.
client-output-buffer-limit pubsub 32mb 8mb 30
tcp-keepalive 30
"""


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of Redis."""
    name = object_name(cluster, NAME)
    ports = {"redis": stores.PORTS[NAME]}
    chosen = sizing(cluster)[NAME].resources
    config = _CONFIG.format(
        port=stores.PORTS[NAME],
        secrets=SECRETS_PATH,
        data=DATA_PATH,
        max_memory=memory_limit_mib(chosen) * 6 // 10,
    )
    secrets = {"users.acl": _users(inputs), "admin_password": inputs.credentials.redis_admin_password}
    pod = Pod(
        component=NAME,
        ports=ports,
        probes=Probes(live=tcp("redis"), ready=command("healthcheck", "ready")),
        resources=chosen,
        # The secrets are left out: Redis takes up another ACL file while it runs.
        checksum=common.checksum(config),
        volumes=(config_volume(name), secrets_volume((name, {key: key for key in secrets}))),
        claims=(("data", DATA_PATH),),
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.config_map(cluster, name, NAME, {"redis.conf": config}),
        common.service(cluster, name, NAME, ports),
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.redis, replicas=1),
        disruption_budget(cluster, NAME),
    ]


def _users(inputs: Inputs) -> str:
    """The ACL file, with digests in place of passwords: of each that is good for now."""

    def digests(user: str) -> str:
        accepted = inputs.credentials.accepted(f"redis_{user}_password")
        return " ".join("#" + hashlib.sha256(password.encode()).hexdigest() for password in accepted)

    return "\n".join(
        [
            "user default on nopass -@all +ping",
            f"user admin on {digests('admin')} ~* &* +@all",
            # What everybody must hear of at once, such as sessions that are over, is written by the user service and
            # read by all.
            *(
                f"user {user} on {digests(user)} ~{user}:* &{user}:* {'~' if user == 'user' else '%R~'}auth:*"
                " +@all -@dangerous +info"
                for user in USERS
            ),
            "",
        ]
    )
