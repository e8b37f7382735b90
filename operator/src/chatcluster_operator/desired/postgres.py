"""PostgreSQL under Patroni, which elects its leader through Kubernetes: the data plane needs no operator to fail over.

What is acknowledged is on as many members as a majority of all, so whoever is elected has it. docs/failover.md has the
arithmetic of the times below, and what happens in which failure.

Patroni keeps its state in annotations of ConfigMaps. They are made here, empty, so that they belong to the ChatCluster:
left behind, they would tell a new cluster of the same name that it was initialized already. It also spares Patroni the
right to create any.
"""

import json
from typing import Any, Final

import yaml

from chatcluster_operator.api import ChatCluster, RecoveryPhase
from chatcluster_operator.desired import backup, common, recovery, stores
from chatcluster_operator.desired.common import manifest, object_name, selector
from chatcluster_operator.desired.pods import (
    CONFIG_PATH,
    DATA_PATH,
    READ_ONLY_BY_GROUP,
    Companion,
    Pod,
    Probes,
    command,
    disruption_budget,
    env,
    env_from_pod,
    http_get,
    members_of,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "postgres"
MAJOR: Final = 17
"""Major version of PostgreSQL in the image; data of another one does not start."""
PATRONI_PORT: Final = 8008
SUPERUSER: Final = "postgres"
REST_USER: Final = "patroni"
"""Whom Patroni lets change something."""
ROLE_LABEL: Final = "chatcluster.dev/role"
"""Label by which Patroni says which member leads."""
SCOPE_LABEL: Final = "chatcluster.dev/scope"
"""Label by which Patroni finds its members and its state."""

TTL: Final = 20
"""Seconds after which the others take a leader for gone that has not renewed its lock; Patroni takes no fewer."""
LOOP_WAIT: Final = 3
"""Seconds between two looks of a member, and so between two renewals of the lock."""
RETRY_TIMEOUT: Final = 4
"""Seconds that a call to the API server may take in all; a leader that cannot renew its lock then gives up."""
STOP_TIMEOUT: Final = 8
"""Seconds for PostgreSQL to stop when its member leads no more; it takes no statements from the first one on."""

_STATE = ("config", "leader", "failover", "sync")
_LOST_CLIENT: Final = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A client that has gone without a word is noticed within 25 s, and its locks go; milliseconds in the last one."""
_GUARD: Final = {"requests": {"cpu": "1m", "memory": "24Mi"}, "limits": {"memory": "64Mi"}}
"""An interpreter that sleeps."""


def patroni_url(address: str, path: str) -> str:
    """A path of a member's Patroni, at its pod's IP address."""
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{PATRONI_PORT}{path}"


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of PostgreSQL."""
    name = object_name(cluster, NAME)
    scope = {SCOPE_LABEL: name}
    chosen = sizing(cluster)[NAME].resources
    several = sizing(cluster)[NAME].replicas.value > 1
    members = members_of(cluster, inputs, NAME)
    restoring = inputs.recovery is not None and inputs.recovery.status.phase is RecoveryPhase.POSTGRES
    config = {
        "patroni.yml": _config(cluster, memory_limit_mib(chosen), restoring=restoring),
        "settings.json": _settings(cluster),
    }
    secrets = {"secrets.yml": _passwords(inputs), "users.json": _users(cluster, inputs)}
    pod = Pod(
        component=NAME,
        ports={"postgres": stores.PORTS[NAME], "patroni": PATRONI_PORT},
        probes=Probes(
            live=http_get("patroni", "/liveness"),
            # Of several, the next is only taken from service when the last one could stand in for it.
            # One that is restored is ready once all of that is done, and it leads.
            ready=command("/usr/local/bin/healthcheck") if several or restoring else http_get("patroni", "/readiness"),
        ),
        resources=chosen,
        # The secrets are left out: what they say is taken up while PostgreSQL runs.
        checksum=common.checksum(config),
        volumes=(
            # Patroni reads every file of the folder as one configuration.
            (_configuration(name), CONFIG_PATH),
            secrets_volume((name, {"users.json": "users.json", "secrets.yml": "secrets.yml"})),
            *(recovery.volumes(inputs) if restoring else _backup_secrets(cluster)),
        ),
        claims=(("data", DATA_PATH),),
        env=(
            # Until it is restored, nothing of it goes to a repository.
            *(recovery.variables(inputs) if restoring else _backup_env(cluster)),
            env_from_pod("PATRONI_NAME", "metadata.name"),
            env_from_pod("POD_IP", "status.podIP"),
            env("PATRONI_POSTGRESQL_CONNECT_ADDRESS", f"$(POD_IP):{stores.PORTS[NAME]}"),
            env("PATRONI_RESTAPI_CONNECT_ADDRESS", f"$(POD_IP):{PATRONI_PORT}"),
            *((env("CHAT_MEMBERS", sizing(cluster)[NAME].replicas.value),) if several else ()),
        ),
        pre_stop=command("/usr/local/bin/member", "handover") if several else None,
        # Handing over takes half of it at most, and a fast shutdown still writes a checkpoint.
        grace_seconds=60,
        service_account=name,
        extra_labels=scope,
        companions=(Companion("guard", ("/usr/local/bin/member", "guard"), {}, None, _GUARD),) if several else (),
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.config_map(cluster, name, NAME, config),
        *(_state(cluster, part, scope) for part in _STATE),
        *_rights(cluster, name, members),
        # The one address for clients: whichever member leads.
        common.service(cluster, name, NAME, {"postgres": stores.PORTS[NAME]}, extra_selector={ROLE_LABEL: "primary"}),
        common.service(
            cluster,
            object_name(cluster, NAME, "nodes"),
            NAME,
            {"postgres": stores.PORTS[NAME], "patroni": PATRONI_PORT},
            headless=True,
            publish_not_ready=True,
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.postgres),
        disruption_budget(cluster, NAME),
    ]


def _state(cluster: ChatCluster, part: str, scope: dict[str, str]) -> Manifest:
    """One of Patroni's ConfigMaps. Its annotations are Patroni's alone."""
    state = manifest("v1", "ConfigMap", cluster, object_name(cluster, NAME, part), NAME)
    state["metadata"]["labels"] |= scope
    return state


def _rights(cluster: ChatCluster, name: str, members: int) -> list[Manifest]:
    """What Patroni may do: see pods and ConfigMaps, and write its own state and the labels of its own members."""
    rules: list[dict[str, Any]] = [
        {"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["list", "watch"]},
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [object_name(cluster, NAME, part) for part in _STATE],
            "verbs": ["get", "patch", "update"],
        },
        {
            "apiGroups": [""],
            "resources": ["pods"],
            "resourceNames": [f"{name}-{ordinal}" for ordinal in range(members)],
            "verbs": ["get", "patch"],
        },
    ]
    return common.rights(cluster, name, NAME, rules)


def _configuration(name: str) -> dict[str, Any]:
    sources = [
        {"configMap": {"name": name}},
        {"secret": {"name": name, "items": [{"key": "secrets.yml", "path": "secrets.yml"}]}},
    ]
    return {"name": "config", "projected": {"sources": sources, "defaultMode": READ_ONLY_BY_GROUP}}


def _passwords(inputs: Inputs) -> str:
    """The part of Patroni's configuration that holds passwords."""
    keys = inputs.credentials
    return yaml.safe_dump(
        {
            "restapi": {"authentication": {"username": REST_USER, "password": keys.postgres_rest_password}},
            "postgresql": {
                "authentication": {
                    "superuser": {"username": SUPERUSER, "password": keys.postgres_superuser_password},
                    "replication": {"username": "replicator", "password": keys.postgres_replication_password},
                    "rewind": {"username": "rewinder", "password": keys.postgres_rewind_password},
                }
            },
        },
        sort_keys=False,
    )


def _users(cluster: ChatCluster, inputs: Inputs) -> str:
    """Each service's role, which owns its database, and the names under which one may sign in as it."""
    users: list[dict[str, Any]] = []
    for service in stores.postgres_users(cluster):
        role = stores.postgres_role(service)
        logins = inputs.credentials.logins(role, f"postgres_{service}_password")
        users.append({"role": role, "database": role, "logins": logins})
    return json.dumps(users)


def _backup_env(cluster: ChatCluster) -> list[dict[str, Any]]:
    """By which `backups` knows where the write-ahead log and base backups go."""
    spec = cluster.spec.backup
    where = backup.location(cluster, spec) if spec else ""
    return backup.s3_env(spec.destination, where, backup.DESTINATION_PATH) if spec else []


def _backup_secrets(cluster: ChatCluster) -> list[tuple[dict[str, Any], str]]:
    spec = cluster.spec.backup
    if spec is None:
        return []
    volume, _ = secrets_volume(*backup.s3_files(spec.destination, spec.encryption))
    return [({**volume, "name": "backup"}, backup.DESTINATION_PATH)]


def _archiving(cluster: ChatCluster, *, restoring: bool) -> dict[str, Any]:
    """The write-ahead log goes to the repository as it fills, and once a minute at the least while there are writes."""
    if cluster.spec.backup is None or restoring:
        return {}
    return {
        "archive_mode": "on",
        "archive_command": "/usr/local/bin/backups pgbackrest-push %p",
        "archive_timeout": 60,
    }


def _settings(cluster: ChatCluster) -> str:
    """The settings that all members share; Patroni keeps them in Kubernetes, where each member puts these at its start.

    A commit waits for so many members that a majority has it, whichever are the fastest; one that goes is soon not
    waited for any more. So one that is away stops nobody, and the election, which needs to hear of as many members as
    may not have a commit and one more, never loses one.
    """
    members = sizing(cluster)[NAME].replicas.value
    settings: dict[str, Any] = {
        "ttl": TTL,
        "loop_wait": LOOP_WAIT,
        "retry_timeout": RETRY_TIMEOUT,
        # While the API server is away a leader goes on, provided that it reaches all members, who then elect nobody.
        "failsafe_mode": True,
        "synchronous_mode": "quorum",
        "synchronous_node_count": max(1, members // 2),
        # The quorum says who has all that was acknowledged. By how much others are behind is no reason to wait.
        "maximum_lag_on_failover": 1 << 40,
        # Another is ready at once, where crash recovery takes its time.
        "primary_start_timeout": 0 if members > 1 else 300,
        "primary_stop_timeout": STOP_TIMEOUT,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {"max_connections": sizing(cluster).database_connections.value},
        },
    }
    return json.dumps(settings, indent=2)


def _config(cluster: ChatCluster, memory_mib: int, *, restoring: bool) -> str:
    """patroni.yml, without what differs between members and without passwords: those are in secrets.yml."""
    config: dict[str, Any] = {
        "scope": object_name(cluster, NAME),
        "kubernetes": {
            "namespace": cluster.namespace,
            "labels": selector(cluster, NAME),
            "scope_label": SCOPE_LABEL,
            "role_label": ROLE_LABEL,
            "leader_label_value": "primary",
            "follower_label_value": "replica",
            "use_endpoints": False,
        },
        "restapi": {"listen": f"0.0.0.0:{PATRONI_PORT}"},
        "bootstrap": {
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            "post_init": "/usr/local/bin/roles apply",
            **(recovery.BOOTSTRAP if restoring else {}),
        },
        "postgresql": {
            "listen": f"0.0.0.0:{stores.PORTS[NAME]}",
            "data_dir": f"{DATA_PATH}/pgdata",
            "pgpass": "/tmp/pgpass",  # noqa: S108 - the container's own
            "parameters": {
                "shared_buffers": f"{max(32, memory_mib // 4)}MB",
                "effective_cache_size": f"{max(64, memory_mib // 2)}MB",
                "unix_socket_directories": "/tmp",  # noqa: S108 - the container's own
                "password_encryption": "scram-sha-256",
                "log_min_duration_statement": 1000,
                **_archiving(cluster, restoring=restoring),
                # What is kept for a member that is behind or away, in all: beyond that it is made anew.
                "wal_keep_size": "128MB",
                "max_slot_wal_keep_size": "1GB",
                "wal_sender_timeout": "10s",
                "wal_receiver_timeout": "10s",
                **_LOST_CLIENT,
            },
            "callbacks": {"on_role_change": "/usr/local/bin/member"},
            # A copy begins at once, not with the next checkpoint in its time.
            "basebackup": [{"checkpoint": "fast"}],
            # What has come apart and cannot be wound back is copied anew: what was acknowledged, the leader has.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            # Within the container nothing needs a password to be the superuser: so none can get lost.
            "use_unix_socket": True,
            "pg_ident": [f"superuser chatcluster {SUPERUSER}"],
            "pg_hba": [
                f"local all {SUPERUSER} peer map=superuser",
                "local all all scram-sha-256",
                f"host all {SUPERUSER} all reject",
                "host all all all scram-sha-256",
                "host replication replicator all scram-sha-256",
            ],
        },
    }
    return yaml.safe_dump(config, sort_keys=False)
