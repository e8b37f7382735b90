"""Three ChatClusters that between them use every field: the smallest, one with all set, one with all external."""

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from chatcluster_operator.api import COMPONENTS, ChatCluster
from chatcluster_operator.desired import Inputs, Manifest, generate, manifests, resolve_images

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
  publicUrl: https://chat.example.com/
  service: {type: LoadBalancer, nodePort: 30080, annotations: {example.com/scheme: internal}}
  resources: {limits: {cpu: '1', memory: 128Mi}}
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
postgres: {external: {secretName: my-postgres}}
mongodb: {external: {secretName: my-mongodb}}
redis: {external: {secretName: my-redis}}
kafka: {external: {secretName: my-kafka}}
objects: {external: {secretName: my-objects}}
notification: {smtp: {host: mail, port: 25, security: none, from: chat@example.com}}
"""

SPECS = {"minimal": MINIMAL, "everything": EVERYTHING, "external": EXTERNAL}


def body(spec: str | dict[str, Any], name: str = "demo") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "chat",
            "uid": "0f5fd2a4-5a5c-4a3c-9d52-3f8b9b1f9c11",
            "generation": 3,
        },
        "spec": yaml.safe_load(spec) if isinstance(spec, str) else spec,
    }


@pytest.fixture
def chatcluster() -> Callable[..., ChatCluster]:
    """Makes a ChatCluster of a spec, given as YAML or as a dict."""
    return lambda spec=MINIMAL, name="demo": ChatCluster.from_body(body(spec, name))


@pytest.fixture
def rand() -> Callable[[int], bytes]:
    """Randomness that is the same in each run, and differs from call to call."""
    numbers = itertools.count(1)
    return lambda size: hashlib.shake_128(str(next(numbers)).encode()).digest(size)


@pytest.fixture
def inputs(rand: Callable[[int], bytes]) -> Callable[[ChatCluster], Inputs]:
    """Makes the inputs for a ChatCluster: the same credentials for each, images of version 1.0."""
    credentials = generate(None, rand)
    catalogue = {component: f"chatcluster/{component}:1.0" for component in COMPONENTS}
    return lambda cluster: Inputs(resolve_images(cluster, catalogue), credentials, {"my-redis": "digest", "smtp": "d"})


@pytest.fixture(params=SPECS)
def cluster(request: pytest.FixtureRequest, chatcluster: Callable[..., ChatCluster]) -> ChatCluster:
    """Each of the three."""
    return chatcluster(SPECS[request.param])


@pytest.fixture
def made(cluster: ChatCluster, inputs: Callable[[ChatCluster], Inputs]) -> list[Manifest]:
    """All manifests of each of the three."""
    return manifests(cluster, inputs(cluster))
