"""The message store: a replica set of MongoDB, or the embedded stand-in, a single node for development and tests.

The members of a replica set elect their primary themselves, and clients are told by them which it is. The operator
begins the set, makes its users, and puts members in and out (`decide.members.mongodb`): so it needs no operator to fail
over. Members know each other by a key file, which also lets in the operator: it is the one secret that is there before
any user is.
"""

import json
from importlib.resources import files
from typing import Any, Final

import yaml

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.spec.stores import MongoEngine
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    CONFIG_PATH,
    DATA_PATH,
    Pod,
    Probes,
    command,
    config_volume,
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
_KEY_FILE: Final = "/tmp/keyfile"  # noqa: S108 - the container's own
_SCRIPTS: Final = ("start", "ready", "handover.js")


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the message store."""
    name = object_name(cluster, NAME)
    ports = {"mongodb": stores.PORTS[NAME]}
    replicated = cluster.spec.mongodb.engine is MongoEngine.REPLICA_SET
    made = _member(cluster, inputs, name, ports) if replicated else _embedded(cluster, inputs, name, ports)
    pod, secrets, config = made
    return [
        common.secret(cluster, name, NAME, secrets),
        *([common.config_map(cluster, name, NAME, config)] if config else []),
        common.service(cluster, name, NAME, ports),
        # Members are found before they are ready: they need each other to become so.
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.mongodb),
        disruption_budget(cluster, NAME),
    ]


_Made = tuple[Pod, dict[str, str], dict[str, str]]
"""The pod, and the files of its Secret and of its ConfigMap."""


def _embedded(cluster: ChatCluster, inputs: Inputs, name: str, ports: dict[str, int]) -> _Made:
    chosen = sizing(cluster)[NAME].resources
    secrets = {"users.json": json.dumps(inputs.credentials.logins(stores.MONGODB_USER, "mongodb_password"))}
    if cluster.spec.backup is not None:
        readers = inputs.credentials.logins(stores.MONGODB_READER, "mongodb_backup_password")
        secrets["readers.json"] = json.dumps(readers)
    pod = Pod(
        component=NAME,
        ports=ports,
        # It listens once it knows its user, so that one answer says both.
        probes=Probes(live=tcp("mongodb"), ready=tcp("mongodb")),
        resources=chosen,
        # It takes up other passwords while it runs.
        checksum=common.checksum(""),
        volumes=(secrets_volume((name, {file: file for file in secrets})),),
        claims=(("data", DATA_PATH),),
        env=(env("CHAT_MONGODB_CACHE", f"{max(64, memory_limit_mib(chosen) // 3)}M"),),
    )
    return pod, secrets, {}


def _member(cluster: ChatCluster, inputs: Inputs, name: str, ports: dict[str, int]) -> _Made:
    chosen = sizing(cluster)[NAME].resources
    config = {"mongod.conf": _config(memory_limit_mib(chosen))} | {script: _script(script) for script in _SCRIPTS}
    pod = Pod(
        component=NAME,
        ports=ports,
        probes=Probes(live=tcp("mongodb"), ready=command("bash", f"{CONFIG_PATH}/ready")),
        resources=chosen,
        # Users and passwords are the operator's to change, in the database.
        checksum=common.checksum(config),
        volumes=(config_volume(name), secrets_volume((name, {"keyfile": "keyfile"}))),
        claims=(("data", DATA_PATH),),
        # The published image's own entry runs as it is what is none of its own programs.
        args=("bash", f"{CONFIG_PATH}/start"),
        pre_stop=command("mongosh", "--quiet", "--norc", "--nodb", "--file", f"{CONFIG_PATH}/handover.js"),
        # Ten seconds for a successor to catch up, as much for open transactions, and a checkpoint.
        grace_seconds=60,
        env=(env("HOME", "/tmp"),),  # noqa: S108 - the container's own; mongosh keeps its settings there
        # Its members say so themselves, when the operator asks them how they are.
        tells_volume=False,
    )
    return pod, {"keyfile": inputs.credentials.mongodb_keyfile}, config


def _script(name: str) -> str:
    return (files("chatcluster_operator.desired") / "mongodb_scripts" / name).read_text(encoding="utf-8")


def _config(memory_mib: int) -> str:
    """mongod.conf, the same for all members."""
    config: dict[str, Any] = {
        "net": {"port": stores.PORTS[NAME], "bindIpAll": True, "unixDomainSocket": {"pathPrefix": "/tmp"}},  # noqa: S108
        "replication": {"replSetName": stores.MONGODB_SET},
        "security": {"authorization": "enabled", "keyFile": _KEY_FILE},
        "storage": {
            "dbPath": f"{DATA_PATH}/mongodb",
            # The rest is for connections, sorts and the file cache. WiredTiger takes no less than a quarter of a GiB.
            "wiredTiger": {"engineConfig": {"cacheSizeGB": max(0.25, round(memory_mib / 2 / 1024, 2))}},
        },
    }
    return yaml.safe_dump(config, sort_keys=False)
