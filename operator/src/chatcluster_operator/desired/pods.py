"""What all pods share: security, probes, resources, placement, volumes and rollout. A component module says only what
is its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chatcluster_operator.api import STORES, ChatCluster, DeletionPolicy
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.api.spec import Placement, Store, Workload
from chatcluster_operator.api.strategic import merge
from chatcluster_operator.desired.common import labels, manifest, object_name, selector
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

CONFIG_PATH: Final = "/etc/chatcluster"
SECRETS_PATH: Final = "/run/secrets/chatcluster"
DATA_PATH: Final = "/var/lib/chatcluster"
DATA_CLAIM: Final = "data"
"""Name of the claim template of a store's volume: the claim of demo-redis-0 is data-demo-redis-0."""
VOLUME_PORT: Final = 9095
"""Where each store's member says how full its volume is, in Prometheus' format (`stores/common/volume`)."""
LOST_SECONDS: Final = 15
"""How long a pod that keeps nothing stays on a node that is lost, where Kubernetes' own default is 300. Others take its
place then; less would move pods for a kubelet that is only being restarted."""
CHECKSUM: Final = "chatcluster.dev/checksum"
"""Annotation of pods: a digest of their configuration and secrets, so that a change of those rolls them."""
RESTARTED_AT: Final = "chatcluster.dev/restarted-at"
"""Annotation of pods: when somebody last asked for their restart, so that asking rolls them."""

_OF_CONTAINERS: Final = frozenset({"containers", "initContainers"})
_USER: Final = 10001
_ZONE: Final = "topology.kubernetes.io/zone"
_NODE: Final = "kubernetes.io/hostname"
READ_ONLY_BY_GROUP: Final = 0o440


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
class Companion:
    """Another container of the pod, of the same image and with the same volumes and variables."""

    name: str
    command: Sequence[str]
    ports: Mapping[str, int]
    probes: Probes | None
    """None for one that serves nobody, and whose end is its only failure."""
    resources: Mapping[str, Any]


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
    pre_stop: Mapping[str, Any] | None = None
    grace_seconds: int = 30
    """Time from SIGTERM to SIGKILL."""
    service_account: str | None = None
    """ServiceAccount whose token the pod gets; none: no token."""
    rollout_label: str | None = None
    """Label by which spreading tells the pods of one rollout from those of another."""
    extra_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    companions: Sequence[Companion] = ()
    tells_volume: bool = True
    """Of a store: whether its image is one of ours, which says on `VOLUME_PORT` how full the volume is."""


@dataclass(frozen=True)
class Task:
    """A pod that runs to its end, as far as such pods differ."""

    component: str
    name: str
    """Name of its container."""
    image: str
    args: Sequence[str]
    resources: dict[str, Any]
    checksum: str
    volumes: Sequence[tuple[Mapping[str, Any], str]] = ()
    """Pairs of a volume and where it is mounted, besides /tmp."""
    env: Sequence[Mapping[str, Any]] = ()
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
    return {"name": "secrets", "projected": {"sources": projected, "defaultMode": READ_ONLY_BY_GROUP}}, SECRETS_PATH


def memory_limit_mib(chosen: Mapping[str, Any]) -> int:
    """The memory limit of a container's resources, in MiB."""
    return int(parse_quantity(chosen["limits"]["memory"]) / 1024**2)


def _template(cluster: ChatCluster, inputs: Inputs, pod: Pod, given: Workload) -> dict[str, Any]:
    container = _serving(cluster, inputs, pod, Companion(pod.component, (), pod.ports, pod.probes, pod.resources))
    if pod.args:
        container["args"] = list(pod.args)
    if pod.pre_stop:
        container["lifecycle"] = {"preStop": dict(pod.pre_stop)}
    companions = [_serving(cluster, inputs, pod, other) for other in pod.companions]
    body: dict[str, Any] = {
        **_body(cluster, given.placement, [volume for volume, _ in pod.volumes]),
        "automountServiceAccountToken": pod.service_account is not None,
        "terminationGracePeriodSeconds": pod.grace_seconds,
        "topologySpreadConstraints": _spread(cluster, pod),
        "containers": [container, *companions],
    }
    if pod.component not in STORES:
        body["tolerations"] = _leaving_lost_nodes(body.get("tolerations", []))
    if pod.service_account:
        body["serviceAccountName"] = pod.service_account
    annotations = {CHECKSUM: pod.checksum}
    if restarted := inputs.restarts.get(pod.component):
        annotations[RESTARTED_AT] = restarted
    template = {
        "metadata": {"labels": labels(cluster, pod.component) | dict(pod.extra_labels), "annotations": annotations},
        "spec": body,
    }
    return merge(template, given.pod_override) if given.pod_override else template


def _serving(cluster: ChatCluster, inputs: Inputs, pod: Pod, own: Companion) -> dict[str, Any]:
    """A container that goes on for as long as its pod."""
    mounts = [(volume["name"], path) for volume, path in pod.volumes]
    container: dict[str, Any] = {
        **_container(cluster, own.name, inputs.images[pod.component], own.resources, mounts, pod.env),
        "ports": [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in own.ports.items()],
        **(_probes(own.probes) if own.probes else {}),
    }
    container["volumeMounts"] += [{"name": name, "mountPath": path} for name, path in pod.claims]
    return container | ({"command": list(own.command)} if own.command else {})


def _probes(probes: Probes) -> dict[str, Any]:
    return {
        # Once a second until it lives: what waits for it need not wait longer than that.
        "startupProbe": {
            **probes.live,
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": probes.start_seconds,
        },
        "readinessProbe": {
            **probes.ready,
            # A command costs a container runtime about 100 ms of processor time.
            "periodSeconds": 10 if "exec" in probes.ready else 2,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
        # Patient: on a node that is short of processor time, restarts would only make it worse.
        "livenessProbe": {**probes.live, "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6},
    }


def run_once(
    cluster: ChatCluster,
    task: Task,
    given: Workload,
    *,
    before: Sequence[Task] = (),
    service_account: str | None = None,
) -> dict[str, Any]:
    """The pod template of something that runs to its end; `before` it run others in the same pod, one after the other.

    `service_account`: whose token the pod gets; none: no token.

    Of the pod override it takes what concerns the pod, not what concerns containers: a container put in beside it would
    keep it from ending.
    """
    first = {"initContainers": [_one_of(cluster, item) for item in before]} if before else {}
    volumes = [volume for item in (*before, task) for volume, _ in item.volumes]
    template = {
        "metadata": {
            "labels": labels(cluster, task.component) | dict(task.extra_labels),
            "annotations": {CHECKSUM: task.checksum},
        },
        "spec": {
            **_body(cluster, given.placement, volumes),
            "automountServiceAccountToken": service_account is not None,
            **({"serviceAccountName": service_account} if service_account else {}),
            "restartPolicy": "Never",
            **first,
            "containers": [_one_of(cluster, task)],
        },
    }
    override = given.pod_override or {}
    spec = {name: value for name, value in override.get("spec", {}).items() if name not in _OF_CONTAINERS}
    return merge(template, {**override, "spec": spec})


def _one_of(cluster: ChatCluster, task: Task) -> dict[str, Any]:
    mounts = [(volume["name"], path) for volume, path in task.volumes]
    return {
        **_container(cluster, task.name, task.image, task.resources, mounts, task.env),
        "args": list(task.args),
    }


def _container(  # noqa: PLR0917 - the fields of a container
    cluster: ChatCluster,
    name: str,
    image: str,
    resources: Mapping[str, Any],
    mounts: Sequence[tuple[str, str]],
    variables: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "imagePullPolicy": cluster.spec.images.pull_policy.value,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "resources": resources,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
            *({"name": volume, "mountPath": path, "readOnly": True} for volume, path in mounts),
        ],
    }
    return container | ({"env": [dict(item) for item in variables]} if variables else {})


def _body(cluster: ChatCluster, placement: Placement, volumes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {
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
        "volumes": [{"name": "tmp", "emptyDir": {}}, *(dict(volume) for volume in volumes)],
    }
    if cluster.spec.images.pull_secrets:
        body["imagePullSecrets"] = [{"name": name} for name in cluster.spec.images.pull_secrets]
    return body | _placement(placement)


def _spread(cluster: ChatCluster, pod: Pod) -> list[dict[str, Any]]:
    """Over nodes; members of a store over zones too. Never at the price of a pod that runs nowhere: a cluster that has
    lost a node must still hold all members."""
    members = pod.component in STORES and sizing(cluster)[pod.component].replicas.value > 1
    rollout = {"matchLabelKeys": [pod.rollout_label]} if pod.rollout_label else {}
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(cluster, pod.component)},
            **rollout,
        }
        for key in ((_ZONE, _NODE) if members else (_NODE,))
    ]


def _leaving_lost_nodes(given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tolerations by which a pod leaves a lost node soon, after those that are given, which win."""
    own = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_SECONDS}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        if not any(item.get("key", key) == key and item.get("effect", "NoExecute") == "NoExecute" for item in given)
    ]
    return [*given, *own]


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


def members_of(cluster: ChatCluster, inputs: Inputs, store: str) -> int:
    """How many members a store's StatefulSet has: what `sizing` says, but for one that is still giving members up."""
    return inputs.members.get(store, sizing(cluster)[store].replicas.value)


def stateful_set(cluster: ChatCluster, inputs: Inputs, pod: Pod, store: Store) -> Manifest:
    """A store's members (see `members_of`), each with a volume of its own. Whether those go with it is the deletion
    policy's to say."""
    if pod.tells_volume:
        pod = replace(pod, ports={**pod.ports, "volume": VOLUME_PORT})
    retention = "Retain" if cluster.spec.deletion_policy is DeletionPolicy.RETAIN else "Delete"
    chosen = sizing(cluster)[pod.component].volume
    # One that exists says another size once its volumes have it: see `decide.volumes`.
    size = inputs.volumes.get(pod.component) or (chosen.value if chosen else "")
    claim: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if store.storage and store.storage.storage_class_name:
        claim["storageClassName"] = store.storage.storage_class_name
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector(cluster, pod.component)},
        "serviceName": object_name(cluster, pod.component, "nodes"),
        "replicas": 0 if cluster.spec.hibernated else members_of(cluster, inputs, pod.component),
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
