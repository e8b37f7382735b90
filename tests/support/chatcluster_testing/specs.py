"""ChatClusters that between them use every field of the spec, and what is needed to make manifests of them."""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import yaml

from chatcluster_operator.api import COMPONENTS, ChatCluster, RecoveryPhase, RecoveryStatus, RecoveryTarget
from chatcluster_operator.desired import Inputs, generate, resolve_images
from chatcluster_operator.desired.tls import OwnTls, Pair
from chatcluster_operator.desired.types import RecoveryRun

MINIMAL = "version: '1.0'"

EVERYTHING = """
version: '1.0'
deletionPolicy: Delete
images:
  overrides: {gateway: 'registry.example.com:5000/chat/gateway:patched'}
  pullPolicy: Always
  pullSecrets: [registry]
edge:
  replicas: 3
  host: chat.example.com
  publicUrl: https://chat.example.com:8443/
  service:
    type: LoadBalancer
    nodePort: 30080
    httpsNodePort: 30443
    annotations: {example.com/scheme: internal}
    externalTrafficPolicy: Local
    loadBalancerSourceRanges: [198.51.100.0/24]
  resources: {limits: {cpu: '3', memory: 128Mi}}
  tls: {hstsSeconds: 60}
  trustedProxies: {addresses: [10.0.0.0/8, '2001:db8::/32'], header: ProxyProtocol}
  tuning: {maxConnections: 20000, tunnelTimeoutSeconds: 7200, maxUploadBytes: 1073741824, requestsPerAddress: 5000}
services:
  message:
    autoscaling: {minReplicas: 3, maxReplicas: 20, targetCPUUtilization: 50}
    resources: {requests: {cpu: 1, memory: 1Gi}}
    env: [{name: CHAT_LOG_LEVEL, value: DEBUG}, {name: CHAT_MAX_MEMBERS, value: '500'}]
    placement:
      nodeSelector: {pool: chat}
      tolerations: [{key: pool, value: chat, effect: NoSchedule}]
      priorityClassName: chat
    podOverride:
      metadata: {annotations: {example.com/team: chat}}
      spec: {hostAliases: [{ip: 10.0.0.1, hostnames: [legacy]}], containers: [{name: message, tty: false}]}
postgres:
  storage: {size: 20Gi, storageClassName: fast}
  resources: {limits: {memory: 4Gi}}
  placement: {tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 10}]}
mongodb: {engine: Embedded, storage: {size: 5Gi}}
redis: {resources: {limits: {memory: 1Gi}}}
kafka: {resources: {requests: {memory: 2Gi}, limits: {memory: 3Gi}}}
objects: {storage: {size: 100Gi, storageClassName: slow}}
files: {scanner: {host: clamd.security.svc}}
notification:
  smtp: {host: smtp.example.com, port: 465, security: tls, from: chat@example.com, secretName: smtp}
"""

EXTERNAL = """
version: '1.0'
edge:
  publicUrl: https://chat.example.com
  external:
    peers:
    - {namespaceSelector: {matchLabels: {name: proxies}}, podSelector: {matchLabels: {app: envoy}}}
    - {podSelector: {matchLabels: {app: debug}}}
postgres: {external: {secretName: my-postgres}}
mongodb: {external: {secretName: my-mongodb}}
redis: {external: {secretName: my-redis}}
kafka: {external: {secretName: my-kafka}}
objects: {external: {secretName: my-objects}}
notification: {smtp: {host: mail, port: 25, security: none, from: chat@example.com}}
"""

INGRESS = """
version: '1.0'
edge:
  host: chat.example.com
  ingress: {className: nginx, annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: '3600'}}
  tls: {issuer: {name: letsencrypt, kind: ClusterIssuer}}
  trustedProxies: {addresses: [10.244.0.0/16]}
"""

HIBERNATED = """
version: '1.0'
hibernated: true
services: {file: {enabled: false}, notification: {enabled: false}}
"""

LARGE = """
version: '1.0'
capacity: {concurrentUsers: 100000}
postgres: {external: {secretName: my-postgres}}
mongodb: {external: {secretName: my-mongodb}}
edge: {host: chat.example.com, tls: {secretName: my-certificate}}
"""

REPLICATED = """
version: '1.0'
postgres: {members: 3}
mongodb: {engine: ReplicaSet}
redis: {members: 3}
kafka: {members: 3}
objects: {members: 3}
"""

SPECS = {
    "minimal": MINIMAL,
    "everything": EVERYTHING,
    "external": EXTERNAL,
    "ingress": INGRESS,
    "hibernated": HIBERNATED,
    "large": LARGE,
    "replicated": REPLICATED,
}

RESTORED = """
version: '1.0'
bootstrap:
  recovery:
    source:
      endpoint: https://s3.example.com:8443
      bucket: backups
      region: eu-central-1
      secretName: backup-s3
      privateAuthority: true
      path: team/demo/3c1e
      encryption: {secretName: backup-passphrase}
    targetTime: '2026-11-23T05:00:00Z'
postgres: {members: 3}
objects: {members: 3}
backup:
  destination: {endpoint: 'https://s3.example.com', bucket: backups, secretName: backup-s3}
  encryption: {secretName: backup-passphrase}
"""
RESTORING = {"recovery-finding": "Finding", "recovery-postgres": "Postgres", "recovery-filling": "Filling"}
"""Phases of its restore, by name."""

UID = "0f5fd2a4-5a5c-4a3c-9d52-3f8b9b1f9c11"


def body(spec: str | dict[str, Any], name: str = "demo", namespace: str = "chat") -> dict[str, Any]:
    """A ChatCluster as the API server returns it, of a spec given as YAML or as a dict."""
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": UID, "generation": 3},
        "spec": yaml.safe_load(spec) if isinstance(spec, str) else spec,
    }


def even_randomness() -> Callable[[int], bytes]:
    """Randomness that is the same in each run, and differs from call to call."""
    numbers = itertools.count(1)
    return lambda size: hashlib.shake_128(str(next(numbers)).encode()).digest(size)


def inputs_maker() -> Callable[[ChatCluster], Inputs]:
    """Makes the inputs for a ChatCluster: the same credentials for each, images of version 1.0, every optional kind."""
    credentials = generate(None, even_randomness())
    catalogue = {component: f"chatcluster/{component}:1.0" for component in COMPONENTS}
    catalogue["mongodb-server"] = "mongo:8.0"
    digests = {"my-redis": "digest", "smtp": "d"}
    own = OwnTls(Pair("(a certificate)", "(its key)"), (Pair("(an authority)", "(the key of the authority)"),))
    return lambda cluster: Inputs(
        resolve_images(cluster, catalogue),
        credentials,
        digests,
        apis=frozenset({"Certificate", "ScaledObject"}),
        tls=own if cluster.spec.edge.tls else None,
    )


def restoring(phase: str, **more: Any) -> tuple[ChatCluster, Inputs]:
    """A ChatCluster in a phase of its restore, with `more` fields in its spec, and its inputs."""
    cluster = ChatCluster.from_body(body({**yaml.safe_load(RESTORED), **more}))
    assert cluster.spec.bootstrap is not None
    source = cluster.spec.bootstrap.recovery.source
    assert source is not None
    known: dict[str, Any] = {"phase": RecoveryPhase(phase), "source": source, "started": 0, "since": 0}
    if phase != "Finding":
        known["source"] = source.model_copy(update={"backup_id": "20261123T042549Z-0a1b2c3d"})
        point = "20261123T042549Z-0a1b2c3d-042600"
        known["postgres"] = RecoveryTarget(label="20261123-042550F", point=point, time="2026-11-23T05:00:00Z")
    run = RecoveryRun(RecoveryStatus(**known), "chatcluster/backup:1.0", filling=phase == "Filling")
    alone = {"postgres": 1} if phase == "Postgres" else {}
    return cluster, dataclasses.replace(inputs_maker()(cluster), recovery=run, members=alone)
