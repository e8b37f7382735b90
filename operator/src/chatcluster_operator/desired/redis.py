"""Redis with an append-only file, and a user for each service that may touch that service's keys and channels alone.

With several members one is the master and the others copy it; a Sentinel beside each of them elects another master when
that one is gone. Sentinel is a container of its own: a Redis that is ended at its memory limit must not take with it
the vote that its successor needs. Each member has a Service of its own, so that its address stays the same whatever pod
it is: what only a name server's cache knows is found half a minute late.
"""

import hashlib
from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    SECRETS_PATH,
    Companion,
    Pod,
    Probes,
    command,
    config_volume,
    disruption_budget,
    env,
    env_from_pod,
    members_of,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
    tcp,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "redis"
SENTINEL: Final = "sentinel"
USERS: Final = ("gateway", "user", "message", "file", "notification", "presence")
POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
"""Label by which Kubernetes tells the pods of a StatefulSet apart."""

DOWN_AFTER_SECONDS: Final = 4
"""How long a member must be silent before a Sentinel takes it for gone."""
COPIED_WITHIN_SECONDS: Final = 2
"""How old a replica's last word may be for it to count as one that copies. With fewer that do than half of the members,
the master takes no writes. Shorter than Sentinels take, so a master that is cut off stops before there is another."""

_SENTINEL_RESOURCES: Final[dict[str, Any]] = {
    "requests": {"cpu": "20m", "memory": "16Mi"},
    "limits": {"memory": "64Mi"},
}
_GRACE_SECONDS: Final = 45
"""Ten for handing over, ten for Redis to let its replicas catch up, and time for a busy node."""

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

_REPLICATION = """
masteruser replication
# A write is only taken while so many replicas copy: with the master they are the majority of the members.
min-replicas-to-write {copies}
min-replicas-max-lag {lag}
repl-ping-replica-period 2
repl-timeout 10
# A replica that was away for a moment goes on from where it was; one that needs everything does not wait for others.
repl-backlog-size {backlog}mb
repl-diskless-sync-delay 0
client-output-buffer-limit replica {buffer}mb {buffer}mb 60
"""

_SENTINEL_CONFIG = """\
bind 0.0.0.0
port {port}
protected-mode no
aclfile {secrets}/sentinel.acl
dir /tmp
sentinel down-after-milliseconds @group {down_after}
# One that has started again and takes long to load its data is gone as well.
sentinel master-reboot-down-after-period @group {down_after}
# Half of the time after which another Sentinel tries when one has failed.
sentinel failover-timeout @group 6000
# Nobody reads from replicas: all copy the new master at once, so that it may take writes soon.
sentinel parallel-syncs @group {replicas}
"""


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of Redis."""
    name = object_name(cluster, NAME)
    ports = {"redis": stores.PORTS[NAME]}
    chosen = sizing(cluster)[NAME].resources
    members = members_of(cluster, inputs, NAME)
    config = _configuration(members, memory_limit_mib(chosen) * 6 // 10)
    secrets = {"users.acl": _users(inputs, members), "admin_password": inputs.credentials.redis_admin_password}
    if members > 1:
        secrets |= {"sentinel.acl": _sentinel_users(inputs), "member_password": _member_passwords(inputs)}
    pod = Pod(
        component=NAME,
        ports=ports,
        probes=Probes(live=tcp("redis"), ready=command("healthcheck", "ready")),
        resources=chosen,
        # The secrets are left out: Redis takes up another ACL file while it runs.
        checksum=common.checksum(*config.values()),
        volumes=(config_volume(name), secrets_volume((name, {key: key for key in secrets}))),
        claims=(("data", DATA_PATH),),
        **_of_several(cluster, members),
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.config_map(cluster, name, NAME, config),
        *_services(cluster, members, ports),
        stateful_set(cluster, inputs, pod, cluster.spec.redis),
        disruption_budget(cluster, NAME),
    ]


def _configuration(members: int, max_memory: int) -> dict[str, str]:
    """Files by name. `max_memory` is in MiB."""
    config = _CONFIG.format(port=stores.PORTS[NAME], secrets=SECRETS_PATH, data=DATA_PATH, max_memory=max_memory)
    if members == 1:
        return {"redis.conf": config}
    replication = _REPLICATION.format(
        copies=members // 2, lag=COPIED_WITHIN_SECONDS, backlog=max(max_memory // 16, 1), buffer=max_memory // 4
    )
    sentinel = _SENTINEL_CONFIG.format(
        port=stores.SENTINEL_PORT,
        secrets=SECRETS_PATH,
        down_after=DOWN_AFTER_SECONDS * 1000,
        replicas=members - 1,
    )
    return {"redis.conf": config + replication, "sentinel.conf": sentinel}


def _of_several(cluster: ChatCluster, members: int) -> dict[str, Any]:
    """What the pod of one of several members has besides."""
    if members == 1:
        return {}
    ports = {"sentinel": stores.SENTINEL_PORT}
    probes = Probes(live=tcp("sentinel"), ready=command("healthcheck", "sentinel-ready"))
    return {
        "env": (
            env("REDIS_MEMBERS", " ".join(member_name(cluster, ordinal) for ordinal in range(members))),
            env_from_pod("REDIS_MEMBER", "metadata.name"),
            # Redis and Sentinel stand still while they look a name up.
            env("RES_OPTIONS", "timeout:1 attempts:2"),
        ),
        "companions": (Companion(SENTINEL, ("/usr/local/bin/sentinel",), ports, probes, _SENTINEL_RESOURCES),),
        "pre_stop": command("handover"),
        "grace_seconds": _GRACE_SECONDS,
    }


def member_name(cluster: ChatCluster, ordinal: int) -> str:
    """Name of a member: of its pod, and of its own Service."""
    return object_name(cluster, NAME, str(ordinal))


def _services(cluster: ChatCluster, members: int, ports: dict[str, int]) -> list[Manifest]:
    name, nodes = object_name(cluster, NAME), object_name(cluster, NAME, "nodes")
    if members == 1:
        return [
            # There is no other to lead to: who waits for it hears at once when it has loaded its data.
            common.service(cluster, name, NAME, ports, publish_not_ready=True),
            common.service(cluster, nodes, NAME, ports, headless=True, publish_not_ready=True),
        ]
    ports = {**ports, "sentinel": stores.SENTINEL_PORT}
    alone, *others = (
        common.service(
            cluster, own, NAME, ports, publish_not_ready=True, extra_selector={POD_NAME: member_name(cluster, ordinal)}
        )
        # Whoever knows of a single member still finds that one, until they have heard of the others.
        for own, ordinal in [(name, 0), *((member_name(cluster, number), number) for number in range(members))]
    )
    return [alone, common.service(cluster, nodes, NAME, ports, headless=True, publish_not_ready=True), *others]


def _member_passwords(inputs: Inputs) -> str:
    """A line each; the first is good everywhere already."""
    return "".join(f"{password}\n" for password in inputs.credentials.accepted("redis_member_password"))


def _digests(inputs: Inputs, user: str) -> str:
    """In place of the passwords: of each that is good for now."""
    accepted = inputs.credentials.accepted(f"redis_{user}_password")
    return " ".join("#" + hashlib.sha256(password.encode()).hexdigest() for password in accepted)


def _users(inputs: Inputs, members: int) -> str:
    """Redis' ACL file."""
    lines = [
        "user default on nopass -@all +ping",
        f"user admin on {_digests(inputs, 'admin')} ~* &* +@all",
        # What everybody must hear of at once, such as sessions that are over, is written by the user service and
        # read by all.
        *(
            f"user {user} on {_digests(inputs, user)} ~{user}:* &{user}:* {'~' if user == 'user' else '%R~'}auth:*"
            " +@all -@dangerous +info"
            for user in USERS
        ),
    ]
    if members > 1:
        digests = _digests(inputs, "member")
        lines += [
            f"user replication on {digests} -@all +ping +psync +replconf",
            # What Redis' documentation lists, on the one channel that Sentinels meet on.
            f"user sentinel on {digests} resetchannels &__sentinel__:hello -@all +ping +info +role +multi +exec"
            " +replicaof +slaveof +subscribe +publish +config|rewrite +client|setname +client|kill +script|kill",
        ]
    return "\n".join([*lines, ""])


def _sentinel_users(inputs: Inputs) -> str:
    """Sentinel's ACL file: services ask who is master, and nothing else."""
    return "\n".join(
        [
            "user default on nopass -@all +ping",
            f"user admin on {_digests(inputs, 'admin')} ~* &* +@all",
            f"user sentinel on {_digests(inputs, 'member')} ~* &* +@all",
            *(
                f"user {user} on {_digests(inputs, user)} resetchannels -@all +auth +hello +ping"
                " +sentinel|master +sentinel|get-master-addr-by-name"
                for user in USERS
            ),
            "",
        ]
    )
