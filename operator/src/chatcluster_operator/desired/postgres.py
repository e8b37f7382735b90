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
    DATA_PATH,
    Figures,
    Pod,
    Probes,
    config_volume,
    disruption_budget,
    env,
    env_from_pod,
    env_from_secret,
    http_get,
    memory_limit_mib,
    resources,
    secrets_volume,
    stateful_set,
)
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "postgres"
PATRONI_PORT: Final = 8008
MEMBERS: Final = 1
ROLE_LABEL: Final = "chatcluster.dev/role"
"""Label by which Patroni says which member leads."""
SCOPE_LABEL: Final = "chatcluster.dev/scope"
"""Label by which Patroni finds its members and its state."""

_FIGURES = Figures(cpu="100m", memory="192Mi", memory_limit="512Mi")
_STATE = ("config", "leader", "failover", "sync")


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of PostgreSQL."""
    name = object_name(cluster, NAME)
    scope = {SCOPE_LABEL: name}
    chosen = resources(cluster.spec.postgres.resources, _FIGURES)
    config = _config(cluster, memory_limit_mib(chosen))
    keys = inputs.credentials
    users = [
        {
            "role": stores.postgres_role(service),
            "database": stores.postgres_role(service),
            "password": getattr(keys, f"postgres_{service}_password"),
        }
        for service in stores.POSTGRES_USERS
    ]
    secrets = {
        "superuser_password": keys.postgres_superuser_password,
        "replication_password": keys.postgres_replication_password,
        "rest_password": keys.postgres_rest_password,
        "users.json": json.dumps(users),
    }
    pod = Pod(
        component=NAME,
        ports={"postgres": stores.PORTS[NAME], "patroni": PATRONI_PORT},
        probes=Probes(live=http_get("patroni", "/liveness"), ready=http_get("patroni", "/readiness")),
        resources=chosen,
        checksum=common.checksum(config, secrets),
        volumes=(config_volume(name), secrets_volume((name, {"users.json": "users.json"}))),
        claims=(("data", DATA_PATH),),
        env=(
            env_from_pod("PATRONI_NAME", "metadata.name"),
            env_from_pod("POD_IP", "status.podIP"),
            env("PATRONI_POSTGRESQL_CONNECT_ADDRESS", f"$(POD_IP):{stores.PORTS[NAME]}"),
            env("PATRONI_RESTAPI_CONNECT_ADDRESS", f"$(POD_IP):{PATRONI_PORT}"),
            env("PATRONI_RESTAPI_USERNAME", "patroni"),
            env_from_secret("PATRONI_RESTAPI_PASSWORD", name, "rest_password"),
            env("PATRONI_SUPERUSER_USERNAME", "postgres"),
            env_from_secret("PATRONI_SUPERUSER_PASSWORD", name, "superuser_password"),
            env("PATRONI_REPLICATION_USERNAME", "replicator"),
            env_from_secret("PATRONI_REPLICATION_PASSWORD", name, "replication_password"),
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
        stateful_set(cluster, inputs, pod, cluster.spec.postgres, replicas=MEMBERS),
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


def _config(cluster: ChatCluster, memory_mib: int) -> str:
    """patroni.yml, without what differs between members and without passwords: those are in the environment."""
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
                "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 200}},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            "post_init": "/usr/local/bin/post-init",
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
            "pg_hba": [
                "local all all scram-sha-256",
                "host all all all scram-sha-256",
                "host replication replicator all scram-sha-256",
            ],
        },
    }
    return yaml.safe_dump(config, sort_keys=False)
