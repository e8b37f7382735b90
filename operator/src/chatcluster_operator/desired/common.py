"""What every object shares: its name, its labels, its owner, and how small ones are put together."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chatcluster_operator.api import (
    APP_NAME,
    FIELD_MANAGER,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    ChatCluster,
)
from chatcluster_operator.desired.credentials import encode
from chatcluster_operator.desired.types import Manifest

CREDENTIALS: Final = "credentials"
"""Suffix of the Secret that keeps all generated values."""
JWKS: Final = "jwks"
"""Suffix of the ConfigMap with the public token keys."""


def object_name(cluster: ChatCluster, *parts: str) -> str:
    """Name of an object of the cluster: `demo-gateway`, `demo-kafka-nodes`."""
    return "-".join((cluster.name, *parts))


def selector(cluster: ChatCluster, component: str | None = None) -> dict[str, str]:
    """Labels that single out the cluster's pods, or those of one component. They never change."""
    labels = {LABEL_NAME: APP_NAME, LABEL_INSTANCE: cluster.name}
    return labels | ({LABEL_COMPONENT: component} if component else {})


def labels(cluster: ChatCluster, component: str | None = None) -> dict[str, str]:
    """Labels of every object."""
    return selector(cluster, component) | {LABEL_MANAGED_BY: FIELD_MANAGER}


def manifest(
    api_version: str,
    kind: str,
    cluster: ChatCluster,
    name: str,
    component: str | None = None,
    *,
    owned: bool = True,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """One object with its metadata. An object that is not `owned` outlives the ChatCluster."""
    metadata: dict[str, Any] = {"name": name, "namespace": cluster.namespace, "labels": labels(cluster, component)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owned:
        metadata["ownerReferences"] = [cluster.owner_reference]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def config_map(cluster: ChatCluster, name: str, component: str | None, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap."""
    return manifest("v1", "ConfigMap", cluster, name, component, data=dict(data))


def secret(
    cluster: ChatCluster, name: str, component: str | None, values: Mapping[str, str], *, owned: bool = True
) -> Manifest:
    """A Secret of plain texts."""
    return manifest("v1", "Secret", cluster, name, component, owned=owned, type="Opaque", data=encode(values))


def rights(
    cluster: ChatCluster, name: str, component: str, rules: Sequence[Mapping[str, Sequence[str]]]
) -> list[Manifest]:
    """A ServiceAccount, and what it may do in its namespace. Its token is in the pods that ask for it alone."""
    group = "rbac.authorization.k8s.io"
    return [
        manifest("v1", "ServiceAccount", cluster, name, component, automountServiceAccountToken=False),
        manifest(f"{group}/v1", "Role", cluster, name, component, rules=rules),
        manifest(
            f"{group}/v1",
            "RoleBinding",
            cluster,
            name,
            component,
            roleRef={"apiGroup": group, "kind": "Role", "name": name},
            subjects=[{"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}],
        ),
    ]


def service(
    cluster: ChatCluster,
    name: str,
    component: str,
    ports: Mapping[str, int],
    *,
    headless: bool = False,
    publish_not_ready: bool = False,
    extra_selector: Mapping[str, str] | None = None,
) -> Manifest:
    """A Service inside the cluster. `ports` maps a port's name to its number, which is the pods' own.

    Each port's `targetPort` is the name, so that the Service and the container cannot disagree on the number.
    """
    spec: dict[str, Any] = {
        "selector": selector(cluster, component) | dict(extra_selector or {}),
        "ports": [
            {"name": port, "port": number, "targetPort": port, "protocol": "TCP"} for port, number in ports.items()
        ],
    }
    if headless:
        spec["clusterIP"] = "None"
    if publish_not_ready:
        spec["publishNotReadyAddresses"] = True
    return manifest("v1", "Service", cluster, name, component, spec=spec)


def checksum(*contents: object) -> str:
    """A digest of contents, short enough to read. It changes whenever any of them does."""
    text = json.dumps(contents, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
