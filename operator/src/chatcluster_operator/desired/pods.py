"""What all pods share: security, probes, resources, placement, volumes and rollout. A component module says only what
is its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_operator.api import ChatCluster, DeletionPolicy
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.api.spec import Placement, Resources, Store, Workload
from chatcluster_operator.api.strategic import merge
from chatcluster_operator.desired.common import labels, manifest, object_name, selector
from chatcluster_operator.desired.types import Inputs, Manifest

CONFIG_PATH: Final = "/etc/chatcluster"
SECRETS_PATH: Final = "/run/secrets/chatcluster"
DATA_PATH: Final = "/var/lib/chatcluster"
CHECKSUM: Final = "chatcluster.dev/checksum"
"""Annotation of pods: a digest of their configuration and secrets, so that a change of those rolls them."""

_USER: Final = 10001
_READ_ONLY_BY_GROUP: Final = 0o440


@dataclass(frozen=True)
class Figures:
    """A component's resources where the spec gives none."""

    cpu: str
    """Processor share requested, in cores."""
    memory: str
    """Memory requested."""
    memory_limit: str
    """Memory at most."""


@dataclass(frozen=True)
class Probes:
    """How the kubelet asks a container. Each is a probe's action: `httpGet`, `tcpSocket` or `exec`."""

    live: Mapping[str, Any]
    """Whether the process works at all; when not it is started again."""
    ready: Mapping[str, Any]
    """Whether it takes requests."""
    start_seconds: int = 300
    """How long it may take to come alive: on a node where all pods start at once it is minutes."""


@dataclass(frozen=True)
class Pod:
    """A component's pod, as far as components differ."""

    component: str
    ports: Mapping[str, int]
    probes: Probes
    resources: dict[str, Any]
    checksum: str
    volumes: Sequence[tuple[Mapping[str, Any], str]] = ()
    """Pairs of a volume and where it is mounted, besides /tmp."""
    claims: Sequence[tuple[str, str]] = ()
    """Pairs of a volume claim template's name and where it is mounted."""
    env: Sequence[Mapping[str, Any]] = ()
    args: Sequence[str] = ()
    init_args: Sequence[str] = ()
    """Arguments of a first run of the same image that must succeed before the container starts."""
    pre_stop: Mapping[str, Any] | None = None
    grace_seconds: int = 30
    """Time from SIGTERM to SIGKILL."""
    service_account: str | None = None
    """ServiceAccount whose token the pod gets; none: no token."""
    rollout_label: str | None = None
    """Label by which spreading tells the pods of one rollout from those of another."""
    extra_labels: Mapping[str, str] = field(default_factory=dict[str, str])


def http_get(port: str, path: str) -> dict[str, Any]:
    """A probe's action."""
    return {"httpGet": {"port": port, "path": path}}


def tcp(port: str) -> dict[str, Any]:
    """A probe's action."""
    return {"tcpSocket": {"port": port}}


def command(*words: str) -> dict[str, Any]:
    """A probe's action, or a hook's."""
    return {"exec": {"command": list(words)}}


def env(name: str, value: object) -> dict[str, Any]:
    """A plain environment variable."""
    return {"name": name, "value": str(value)}


def env_from_secret(name: str, secret: str, key: str) -> dict[str, Any]:
    """An environment variable with a Secret's value."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def env_from_pod(name: str, path: str) -> dict[str, Any]:
    """An environment variable with a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def config_volume(name: str) -> tuple[dict[str, Any], str]:
    """A ConfigMap's files where components look for configuration."""
    return {"name": "config", "configMap": {"name": name}}, CONFIG_PATH


def secrets_volume(*sources: tuple[str, Mapping[str, str]]) -> tuple[dict[str, Any], str]:
    """Values of Secrets as files where components look for secrets. A source is a Secret and its keys → file names."""
    projected = [
        {"secret": {"name": name, "items": [{"key": key, "path": path} for key, path in items.items()]}}
        for name, items in sources
        if items
    ]
    return {"name": "secrets", "projected": {"sources": projected, "defaultMode": _READ_ONLY_BY_GROUP}}, SECRETS_PATH


def resources(given: Resources | None, figures: Figures) -> dict[str, Any]:
    """A container's resources: what the spec gives, and for the rest the component's figures.

    A limit given without a request lowers the request to it where it must.
    """
    requests, limits = (given.requests, given.limits) if given else (None, None)
    memory_limit = (limits and limits.memory) or _larger(figures.memory_limit, requests and requests.memory)
    cpu_limit = limits and limits.cpu
    asked = {
        "cpu": (requests and requests.cpu) or _smaller(figures.cpu, cpu_limit),
        "memory": (requests and requests.memory) or _smaller(figures.memory, memory_limit),
    }
    return {"requests": asked, "limits": {"memory": memory_limit} | ({"cpu": cpu_limit} if cpu_limit else {})}


def memory_limit_mib(chosen: Mapping[str, Any]) -> int:
    """The memory limit of a container's resources, in MiB."""
    return int(parse_quantity(chosen["limits"]["memory"]) / 1024**2)


def _larger(figure: str, other: str | None) -> str:
    return other if other and parse_quantity(other) > parse_quantity(figure) else figure


def _smaller(figure: str, other: str | None) -> str:
    return other if other and parse_quantity(other) < parse_quantity(figure) else figure


def _template(cluster: ChatCluster, inputs: Inputs, pod: Pod, given: Workload) -> dict[str, Any]:
    spec = cluster.spec
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}, *(dict(volume) for volume, _ in pod.volumes)]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - the container's own
    mounts += [{"name": volume["name"], "mountPath": path, "readOnly": True} for volume, path in pod.volumes]
    mounts += [{"name": name, "mountPath": path} for name, path in pod.claims]
    base: dict[str, Any] = {
        "image": inputs.images[pod.component],
        "imagePullPolicy": spec.images.pull_policy.value,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "resources": pod.resources,
        "volumeMounts": mounts,
    }
    if pod.env:
        base["env"] = [dict(item) for item in pod.env]
    container: dict[str, Any] = {
        "name": pod.component,
        **base,
        "ports": [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in pod.ports.items()],
        # Once a second until it lives: what waits for it need not wait longer than that.
        "startupProbe": {
            **pod.probes.live,
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": pod.probes.start_seconds,
        },
        "readinessProbe": {
            **pod.probes.ready,
            # A command costs a process each time.
            "periodSeconds": 5 if "exec" in pod.probes.ready else 2,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
        # Patient: on a node that is short of processor time, restarts would only make it worse.
        "livenessProbe": {**pod.probes.live, "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6},
    }
    if pod.args:
        container["args"] = list(pod.args)
    if pod.pre_stop:
        container["lifecycle"] = {"preStop": dict(pod.pre_stop)}
    body: dict[str, Any] = {
        "automountServiceAccountToken": pod.service_account is not None,
        # Variables for other Services could be mistaken for settings: a ChatCluster may be called "chat".
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": pod.grace_seconds,
        "topologySpreadConstraints": [_spread(cluster, pod)],
        "containers": [container],
        "volumes": volumes,
    }
    if pod.init_args:
        body["initContainers"] = [{"name": pod.init_args[0], **base, "args": list(pod.init_args)}]
    if pod.service_account:
        body["serviceAccountName"] = pod.service_account
    if spec.images.pull_secrets:
        body["imagePullSecrets"] = [{"name": name} for name in spec.images.pull_secrets]
    body |= _placement(given.placement)
    template = {
        "metadata": {
            "labels": labels(cluster, pod.component) | dict(pod.extra_labels),
            "annotations": {CHECKSUM: pod.checksum},
        },
        "spec": body,
    }
    return merge(template, given.pod_override) if given.pod_override else template


def _spread(cluster: ChatCluster, pod: Pod) -> dict[str, Any]:
    spread: dict[str, Any] = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(cluster, pod.component)},
    }
    return spread | ({"matchLabelKeys": [pod.rollout_label]} if pod.rollout_label else {})


def _placement(placement: Placement) -> dict[str, Any]:
    """The pod's fields that say where it may run, of those that are given."""
    fields: dict[str, Any] = {
        "nodeSelector": placement.node_selector,
        "tolerations": [
            {
                name: value
                for name, value in item.model_dump(mode="json", by_alias=True, exclude_none=True).items()
                if value != ""  # an empty text is what Kubernetes takes an absent field for
            }
            for item in placement.tolerations
        ],
        "affinity": placement.affinity,
        "priorityClassName": placement.priority_class_name,
    }
    return {name: value for name, value in fields.items() if value}


def deployment(cluster: ChatCluster, inputs: Inputs, pod: Pod, given: Workload, *, replicas: int | None) -> Manifest:
    """A Deployment that never has fewer pods than wanted. `replicas` is None where an autoscaler sets the number.

    Asleep, it has none.
    """
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector(cluster, pod.component)},
        "revisionHistoryLimit": 3,
        # A new pod must be known to name servers and proxies before an old one goes.
        "minReadySeconds": 5,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": _template(cluster, inputs, pod, given),
    }
    if cluster.spec.hibernated:
        spec["replicas"] = 0
    elif replicas is not None:
        spec["replicas"] = replicas
    return manifest("apps/v1", "Deployment", cluster, object_name(cluster, pod.component), pod.component, spec=spec)


def stateful_set(cluster: ChatCluster, inputs: Inputs, pod: Pod, store: Store, *, replicas: int) -> Manifest:
    """A store's members, each with a volume of its own. Whether those go with it is the deletion policy's to say."""
    retention = "Retain" if cluster.spec.deletion_policy is DeletionPolicy.RETAIN else "Delete"
    volume = store.volume
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class_name:
        claim["storageClassName"] = volume.storage_class_name
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector(cluster, pod.component)},
        "serviceName": object_name(cluster, pod.component, "nodes"),
        "replicas": 0 if cluster.spec.hibernated else replicas,
        "revisionHistoryLimit": 3,
        # The members of a store find a quorum together; none waits for another to start.
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": retention, "whenScaled": "Retain"},
        "template": _template(cluster, inputs, pod, store),
        "volumeClaimTemplates": [
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim_name, "labels": selector(cluster, pod.component)},
                "spec": claim,
            }
            for claim_name, _ in pod.claims
        ],
    }
    return manifest("apps/v1", "StatefulSet", cluster, object_name(cluster, pod.component), pod.component, spec=spec)


def disruption_budget(cluster: ChatCluster, component: str) -> Manifest:
    """One pod of a component at a time may be evicted.

    That holds for a component of one pod too: a drained node costs a short gap then, where a stricter budget would keep
    the node from ever being drained. A pod that does not work anyway may always be evicted.
    """
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        cluster,
        object_name(cluster, component),
        component,
        spec={
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(cluster, component)},
        },
    )
