"""PostgreSQL under Patroni, which elects its leader through Kubernetes: the data plane needs no operator to fail over.

Patroni keeps its state in annotations of ConfigMaps. They are made here, empty, so that they belong to the ChatCluster:
left behind, they would tell a new cluster of the same name that it was initialized already. It also spares Patroni the
right to create any.
"""

import json
from typing import Any, Final

import yaml

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import manifest, object_name, selector
from chatcluster_operator.desired.pods import (
    CONFIG_PATH,
    DATA_PATH,
    READ_ONLY_BY_GROUP,
    Pod,
    Probes,
    disruption_budget,
    env,
    env_from_pod,
    http_get,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "postgres"
PATRONI_PORT: Final = 8008
MEMBERS: Final = 1
SUPERUSER: Final = "postgres"
ROLE_LABEL: Final = "chatcluster.dev/role"
"""Label by which Patroni says which member leads."""
SCOPE_LABEL: Final = "chatcluster.dev/scope"
"""Label by which Patroni finds its members and its state."""

_STATE = ("config", "leader", "failover", "sync")


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of PostgreSQL."""
    name = object_name(cluster, NAME)
    scope = {SCOPE_LABEL: name}
    chosen = sizing(cluster)[NAME].resources
    config = _config(cluster, memory_limit_mib(chosen))
    secrets = {"secrets.yml": _passwords(inputs), "users.json": _users(inputs)}
    pod = Pod(
        component=NAME,
        ports={"postgres": stores.PORTS[NAME], "patroni": PATRONI_PORT},
        probes=Probes(live=http_get("patroni", "/liveness"), ready=http_get("patroni", "/readiness")),
        resources=chosen,
        # The secrets are left out: what they say is taken up while PostgreSQL runs.
        checksum=common.checksum(config),
        volumes=(
            # Patroni reads every file of the folder as one configuration.
            (_configuration(name), CONFIG_PATH),
            secrets_volume((name, {"users.json": "users.json", "secrets.yml": "secrets.yml"})),
        ),
        claims=(("data", DATA_PATH),),
        env=(
            env_from_pod("PATRONI_NAME", "metadata.name"),
            env_from_pod("POD_IP", "status.podIP"),
            env("PATRONI_POSTGRESQL_CONNECT_ADDRESS", f"$(POD_IP):{stores.PORTS[NAME]}"),
            env("PATRONI_RESTAPI_CONNECT_ADDRESS", f"$(POD_IP):{PATRONI_PORT}"),
        ),
        # A fast shutdown still writes a checkpoint.
        grace_seconds=60,
        service_account=name,
        extra_labels=scope,
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.config_map(cluster, name, NAME, {"patroni.yml": config}),
        *(_state(cluster, part, scope) for part in _STATE),
        *_rights(cluster, name),
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


def _rights(cluster: ChatCluster, name: str) -> list[Manifest]:
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
            "resourceNames": [f"{name}-{ordinal}" for ordinal in range(MEMBERS)],
            "verbs": ["get", "patch"],
        },
    ]
    return [
        manifest("v1", "ServiceAccount", cluster, name, NAME, automountServiceAccountToken=False),
        manifest("rbac.authorization.k8s.io/v1", "Role", cluster, name, NAME, rules=rules),
        manifest(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            cluster,
            name,
            NAME,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            subjects=[{"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}],
        ),
    ]


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
            "restapi": {"authentication": {"username": "patroni", "password": keys.postgres_rest_password}},
            "postgresql": {
                "authentication": {
                    "superuser": {"username": SUPERUSER, "password": keys.postgres_superuser_password},
                    "replication": {"username": "replicator", "password": keys.postgres_replication_password},
                }
            },
        },
        sort_keys=False,
    )


def _users(inputs: Inputs) -> str:
    """Each service's role, which owns its database, and the names under which one may sign in as it."""
    users: list[dict[str, Any]] = []
    for service in stores.POSTGRES_USERS:
        role = stores.postgres_role(service)
        logins = inputs.credentials.logins(role, f"postgres_{service}_password")
        users.append({"role": role, "database": role, "logins": logins})
    return json.dumps(users)


def _config(cluster: ChatCluster, memory_mib: int) -> str:
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
            # Settings that all members share. A leader that is gone is replaced within `ttl` seconds.
            "dcs": {
                "ttl": 20,
                "loop_wait": 5,
                "retry_timeout": 5,
                "maximum_lag_on_failover": 1024 * 1024,
                "postgresql": {
                    "use_pg_rewind": True,
                    "parameters": {"max_connections": sizing(cluster).database_connections.value},
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            "post_init": "/usr/local/bin/roles apply",
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
            },
            # Within the container nothing needs a password to be the superuser: so none can get lost.
            "use_unix_socket": True,
            "pg_ident": [f"superuser chatcluster {SUPERUSER}"],
            "pg_hba": [
                f"local all {SUPERUSER} peer map=superuser",
                "local all all scram-sha-256",
                "host all all all scram-sha-256",
                "host replication replicator all scram-sha-256",
            ],
        },
    }
    return yaml.safe_dump(config, sort_keys=False)
