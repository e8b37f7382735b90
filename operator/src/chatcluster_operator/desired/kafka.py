"""Kafka in KRaft mode: nodes that are broker and controller, from the fourth on broker alone. Each service signs in as
itself, by SASL PLAIN.

Two files are read while it runs (`stores/kafka/src`) and roll no pod: the users and their passwords, at each sign-in,
and `cluster.json`, what the cluster should be. By the second, whichever node's controller is active makes topics and
partitions, lets controllers in, and moves copies to brokers that come and off brokers that are to go.
"""

import json
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
    env_from_pod,
    env_from_secret,
    http_get,
    memory_limit_mib,
    secrets_volume,
    stateful_set,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "kafka"
CONTROLLER_PORT: Final = 9093
STATE_PORT: Final = 9094
"""Where each node says by HTTP how it is and how the cluster is."""
TOPIC: Final = "chat.messages.v1"
BROKER: Final = "broker"
USERS: Final = ("message", "notification")

_USERS_FILE: Final = "dev.chatcluster.kafka.UsersFile"
"""The class in the image that reads the users, for both sides of a sign-in."""


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of Kafka."""
    name = object_name(cluster, NAME)
    ports = {"kafka": stores.PORTS[NAME], "controller": CONTROLLER_PORT, "state": STATE_PORT}
    chosen = sizing(cluster)[NAME].resources
    # The rest is for the page cache, threads and the runtime itself.
    heap = max(128, memory_limit_mib(chosen) // 3)
    config = _properties()
    secrets = {"users.properties": _users(inputs), "cluster_id": inputs.credentials.kafka_cluster_id}
    pod = Pod(
        component=NAME,
        ports=ports,
        probes=Probes(live=http_get("state", "/live"), ready=http_get("state", "/ready")),
        resources=chosen,
        checksum=common.checksum(config, secrets["cluster_id"]),
        volumes=(config_volume(name), secrets_volume((name, {"users.properties": "users.properties"}))),
        claims=(("data", DATA_PATH),),
        env=(
            env_from_secret("KAFKA_CLUSTER_ID", name, "cluster_id"),
            env("KAFKA_HEAP_OPTS", f"-Xms{heap}m -Xmx{heap}m"),
            # Kubernetes gives pods the zone of their node from 1.35 on; before, and without zones, it is empty.
            env_from_pod("KAFKA_RACK", "metadata.labels['topology.kubernetes.io/zone']"),
        ),
        # Waits, up to a minute, while a copy elsewhere is out of step and writes would be refused without this one.
        pre_stop=http_get("state", "/stop"),
        # After that a controlled shutdown hands partitions over and closes the logs.
        grace_seconds=120,
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.config_map(cluster, name, NAME, {"server.properties": config, "cluster.json": _wished(cluster)}),
        common.service(cluster, name, NAME, {"kafka": stores.PORTS[NAME]}),
        # Found before they are ready: the nodes need each other to become so.
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, ports, headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.kafka),
        disruption_budget(cluster, NAME),
    ]


def copies(cluster: ChatCluster) -> int:
    """How many brokers hold each partition."""
    return min(stores.KAFKA_COPIES, sizing(cluster)[NAME].replicas.value)


def node_address(cluster: ChatCluster, node: object) -> str:
    """Where a node is found, by its own name."""
    nodes = object_name(cluster, NAME, "nodes")
    return f"{object_name(cluster, NAME)}-{node}.{nodes}.{cluster.namespace}.svc"


def _wished(cluster: ChatCluster) -> str:
    """cluster.json: what the cluster should be."""
    sizes = sizing(cluster)
    wished = {
        "host": node_address(cluster, "%d"),
        "members": sizes[NAME].replicas.value,
        "replication": copies(cluster),
        "topics": {TOPIC: sizes.partitions.value},
        "ports": {"client": stores.PORTS[NAME], "controller": CONTROLLER_PORT, "state": STATE_PORT},
    }
    return json.dumps(wished, indent=2) + "\n"


def _properties() -> str:
    """server.properties, without what depends on the node: the image adds that by the pod's name and cluster.json. The
    same however many members there are, so that no broker restarts because others come or go."""
    properties = {
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
        # A broker that says nothing for so long leads nothing any more. Clients wait as long, and so does a write that
        # needs its copy.
        "broker.session.timeout.ms": "6000",
        "broker.heartbeat.interval.ms": "1000",
        "replica.lag.time.max.ms": "6000",
        # A node whose controllers are away waits for them; ending instead, it would be started ever more rarely.
        "initial.broker.registration.timeout.ms": "600000",
        # Who came back leads again what it should, within half a minute.
        "leader.imbalance.check.interval.seconds": "30",
        # A few consumer groups need few partitions, each of which is an open file.
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.num.partitions": "5",
        # Takes half of the heap by itself otherwise; what is compacted here are the offsets of a few groups.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
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
