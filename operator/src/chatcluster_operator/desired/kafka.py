"""Kafka in KRaft mode: one node that is broker and controller. Each service signs in as itself, by SASL PLAIN.

Users and passwords are a file that the broker reads at each sign-in (`stores/kafka/src`), so they change while it runs.
"""

from typing import Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    Pod,
    Probes,
    config_volume,
    disruption_budget,
    env,
    env_from_secret,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
    tcp,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "kafka"
CONTROLLER_PORT: Final = 9093
BROKER: Final = "broker"
USERS: Final = ("message", "notification")

_USERS_FILE: Final = "dev.chatcluster.kafka.UsersFile"
"""The class in the image that reads the users, for both sides of a sign-in."""


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of Kafka."""
    name = object_name(cluster, NAME)
    ports = {"kafka": stores.PORTS[NAME], "controller": CONTROLLER_PORT}
    chosen = sizing(cluster)[NAME].resources
    # The rest is for the page cache, threads and the runtime itself.
    heap = max(128, memory_limit_mib(chosen) // 3)
    config = _properties(cluster)
    secrets = {"users.properties": _users(inputs), "cluster_id": inputs.credentials.kafka_cluster_id}
    pod = Pod(
        component=NAME,
        ports=ports,
        # The controller listens first; the clients' port opens once the broker may take requests.
        probes=Probes(live=tcp("controller"), ready=tcp("kafka")),
        resources=chosen,
        checksum=common.checksum(config, secrets["cluster_id"]),
        volumes=(config_volume(name), secrets_volume((name, {"users.properties": "users.properties"}))),
        claims=(("data", DATA_PATH),),
        env=(
            env_from_secret("KAFKA_CLUSTER_ID", name, "cluster_id"),
            env("KAFKA_HEAP_OPTS", f"-Xms{heap}m -Xmx{heap}m"),
        ),
        # A controlled shutdown hands partitions over and closes the logs.
        grace_seconds=60,
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.config_map(cluster, name, NAME, {"server.properties": config}),
        common.service(cluster, name, NAME, {"kafka": stores.PORTS[NAME]}),
        # Found before they are ready: the nodes need each other to become so.
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.kafka, replicas=1),
        disruption_budget(cluster, NAME),
    ]


def _properties(cluster: ChatCluster) -> str:
    """server.properties, without node.id: the image takes that from the pod's name."""
    node = f"{object_name(cluster, NAME)}-0.{object_name(cluster, NAME, 'nodes')}.{cluster.namespace}.svc"
    properties = {
        "process.roles": "broker,controller",
        "controller.quorum.voters": f"0@{node}:{CONTROLLER_PORT}",
        "listeners": f"CLIENT://:{stores.PORTS[NAME]},CONTROLLER://:{CONTROLLER_PORT}",
        "advertised.listeners": f"CLIENT://{node}:{stores.PORTS[NAME]}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        **_sign_in("CLIENT"),
        **_sign_in("CONTROLLER"),
        "sasl.client.callback.handler.class": _USERS_FILE,
        "log.dirs": f"{DATA_PATH}/kafka",
        # Topics are made on purpose, with the partitions that their service wants.
        "auto.create.topics.enable": "false",
        # One node holds each partition once.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        # A few consumer groups need few partitions, each of which is an open file.
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.num.partitions": "5",
        # Events are read within seconds; three days leave time to mend a consumer.
        "log.retention.hours": "72",
        "log.segment.bytes": str(64 * 1024 * 1024),
        "group.initial.rebalance.delay.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "4",
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def _sign_in(listener: str) -> dict[str, str]:
    prefix = f"listener.name.{listener.lower()}.plain.sasl"
    return {
        f"{prefix}.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required;",
        f"{prefix}.server.callback.handler.class": _USERS_FILE,
    }


def _users(inputs: Inputs) -> str:
    """The users that the broker knows, itself among them: a line each, with all passwords that are good for now."""
    keys = inputs.credentials
    lines = [f"{user}={','.join(keys.accepted(f'kafka_{user}_password'))}" for user in (BROKER, *USERS)]
    return "\n".join([*lines, ""])
