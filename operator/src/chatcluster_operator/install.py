"""Everything that installs the operator, as one file for `kubectl apply -f`: for all namespaces, or for one.

`python -m chatcluster_operator.install --check | --write` compares or rewrites the committed files,
`operator/install.yaml` and `operator/install-namespaced.yaml`.
The rights are derived: from the table of kinds for what the operator does itself, and from the Roles it hands out,
since nobody may hand out a right without holding it.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

import yaml

from chatcluster_operator import generated
from chatcluster_operator.admission import CONFIGURATION, HOOK, PATH, SERVICE
from chatcluster_operator.api import (
    APP_NAME,
    COMPONENTS,
    GROUP,
    IMAGE_CATALOGUE,
    LABEL_COMPONENT,
    LABEL_NAME,
    PLURAL,
    VERSION,
    ChatCluster,
)
from chatcluster_operator.api.backup import BACKUP_PLURAL
from chatcluster_operator.api.constants import BACKUP
from chatcluster_operator.api.crd import backup_crd, crd
from chatcluster_operator.desired import Inputs, Manifest, generate, manifests
from chatcluster_operator.desired.components import SERVER
from chatcluster_operator.desired.pods import VOLUME_PORT
from chatcluster_operator.desired.stores import ADMIN_PORTS
from chatcluster_operator.kube import CHILD_KINDS
from chatcluster_operator.kube.kinds import CLAIM, EVENT, LEASE, NODE, STORAGE_CLASS, VALIDATING_WEBHOOK, VOLUME
from chatcluster_operator.leader import LEASE_NAME
from chatcluster_operator.observe.sockets import PORTS

COMMITTED: Final = Path(__file__).resolve().parents[2] / "install.yaml"
COMMITTED_NAMESPACED: Final = COMMITTED.with_name("install-namespaced.yaml")

NAMESPACE: Final = "chatcluster-system"
NAME: Final = "chatcluster-operator"
RELEASE: Final = "0.1.0"
IMAGE_NAMES: Final = {"objects": "seaweedfs", "mongodb": "mongodb-embedded", "edge": "haproxy"}
"""Images not named as their component."""
MONGODB_IMAGE: Final = "docker.io/library/mongo:8.0"
"""MongoDB's own server, as MongoDB publishes it."""

_LABELS: Final = {LABEL_NAME: NAME}
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_USER: Final = 10001
_PORT: Final = 8080
_WEBHOOK_PORT: Final = 9443

_HEADER: Final = """\
# Installs the ChatCluster operator: kubectl apply -f operator/install.yaml
# Generated; rewrite with: python -m chatcluster_operator.install --write
"""

_HEADER_NAMESPACED: Final = """\
# Installs the ChatCluster operator for the ChatClusters of its own namespace alone:
# kubectl apply -f operator/install-namespaced.yaml
# For another namespace than chatcluster-system replace that name throughout.
#
# Only the first two objects, the Namespace and the CustomResourceDefinition, need somebody with rights over the
# cluster; who administers the namespace can apply the rest. What is lacking beside install.yaml needs such rights:
# the validating webhook (the operator then says in conditions what the webhook would have refused), looking up whether
# a StorageClass that a spec names exists (volumes then wait, and kubectl describe says what for), and seeing nodes: a
# member of a store whose volume is lost with its node is made anew by kubectl chat rebuild alone.
# Generated; rewrite with: python -m chatcluster_operator.install --write
"""

Rule = dict[str, Any]
_OF_CLUSTER: Final = frozenset(kind.plural for kind in (STORAGE_CLASS, NODE, VOLUME))
"""What is in no namespace, of that which the operator looks at."""


def objects() -> list[Manifest]:
    """All objects, in an order in which they can be applied."""
    return [
        _namespace(),
        crd(),
        backup_crd(),
        _service_account(),
        *_rights(),
        catalogue(),
        _deployment(),
        _budget(),
        _network(_PORT, _WEBHOOK_PORT),
        *_webhook(),
    ]


def namespaced_objects() -> list[Manifest]:
    """The same for the ChatClusters of one namespace, which is the operator's own, with rights in no other."""
    return [
        _namespace(),
        crd(),
        backup_crd(),
        _service_account(),
        *_own_rights([rule for rule in cluster_rules() if not _OF_CLUSTER & set(rule["resources"])]),
        catalogue(),
        _deployment(namespaced=True),
        _budget(),
        _network(_PORT),
    ]


def text() -> str:
    """The file for all namespaces."""
    return _HEADER + _dump(objects())


def namespaced_text() -> str:
    """The file for one namespace."""
    return _HEADER_NAMESPACED + _dump(namespaced_objects())


def _dump(manifests: list[Manifest]) -> str:
    return yaml.dump_all(manifests, sort_keys=False, width=120, explicit_start=True)


def catalogue() -> Manifest:
    """The image catalogue of this release. Replace the map where images come from another registry."""
    images = {component: f"chatcluster/{IMAGE_NAMES.get(component, component)}:{RELEASE}" for component in COMPONENTS}
    # The one image that is not made here.
    images[SERVER] = MONGODB_IMAGE
    images[BACKUP] = f"chatcluster/{BACKUP}:{RELEASE}"
    manifest = _object("v1", "ConfigMap", IMAGE_CATALOGUE)
    return {**manifest, "data": {RELEASE: yaml.safe_dump(images, sort_keys=False)}}


def cluster_rules() -> list[Rule]:
    """What the operator may do in every namespace, since ChatClusters may be in any."""
    own = [
        _rule(GROUP, [PLURAL], ["get", "list", "watch"]),
        _rule(GROUP, [f"{PLURAL}/status"], ["patch"]),
        _rule(GROUP, [BACKUP_PLURAL], ["get", "list", "watch", "create", "delete"]),
        _rule(GROUP, [f"{BACKUP_PLURAL}/status"], ["patch"]),
        # Asked for by clusters that check who may block an owner's deletion.
        _rule(GROUP, [f"{PLURAL}/finalizers"], ["update"]),
        _rule(EVENT.group, [EVENT.plural], ["create", "get", "patch"]),
        _rule(STORAGE_CLASS.group, [STORAGE_CLASS.plural], ["get"]),
        # Members of stores whose node is lost: which nodes are, whose disk a volume is on, and giving it up.
        _rule(NODE.group, [NODE.plural], ["list", "watch"]),
        _rule(VOLUME.group, [VOLUME.plural], ["get"]),
        _rule(CLAIM.group, [CLAIM.plural], ["get", "delete"]),
        # Volumes that grow.
        _rule(CLAIM.group, [CLAIM.plural], ["list", "patch"]),
        _rule("", ["pods"], ["delete"]),
    ]
    children = [
        _rule(
            kind.group,
            [kind.plural],
            ["get", "list", "watch", "create", "patch", "delete"] if kind.made else ["list", "watch"],
        )
        for kind in CHILD_KINDS
    ]
    return _merged([*own, *children, *_handed_out()])


def _webhook_rule() -> Rule:
    """Telling the API server which authority signs the webhook's certificate."""
    kind = VALIDATING_WEBHOOK
    return _rule(kind.group, [kind.plural], ["get", "patch"], resourceNames=[CONFIGURATION])


def _handed_out() -> Iterable[Rule]:
    """The rules of the Roles that the operator makes."""
    body = {
        "metadata": {"name": "any", "namespace": "any", "uid": "00000000-0000-0000-0000-000000000000"},
        "spec": {"version": RELEASE},
    }
    inputs = Inputs(images=dict.fromkeys(COMPONENTS, "any:1"), credentials=generate(None, bytes))
    for manifest in manifests(ChatCluster.from_body(body), inputs):
        if manifest["kind"] == "Role":
            yield from cast(list[Rule], manifest["rules"])


def _merged(rules: Iterable[Rule]) -> list[Rule]:
    """One rule for each resource, all its verbs together. Names are dropped: they could be any ChatCluster's."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                known = verbs.setdefault((group, resource), [])
                known.extend(verb for verb in rule["verbs"] if verb not in known)
    return [_rule(group, [resource], allowed) for (group, resource), allowed in verbs.items()]


def _rule(group: str, resources: list[str], verbs: list[str], **more: Any) -> Rule:
    return {"apiGroups": [group], "resources": resources, **more, "verbs": verbs}


def _object(api_version: str, kind: str, name: str = NAME, *, namespaced: bool = True) -> Manifest:
    where = {"namespace": NAMESPACE} if namespaced else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where, "labels": dict(_LABELS)}}


def _namespace() -> Manifest:
    manifest = _object("v1", "Namespace", NAMESPACE, namespaced=False)
    manifest["metadata"]["labels"] |= {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")
    }
    return manifest


def _service_account() -> Manifest:
    return {**_object("v1", "ServiceAccount"), "automountServiceAccountToken": False}


def _rights() -> list[Manifest]:
    role = {**_object(_RBAC, "ClusterRole", namespaced=False), "rules": [*cluster_rules(), _webhook_rule()]}
    return [role, _bound(_object(_RBAC, "ClusterRoleBinding", namespaced=False), role), *_own_rights([])]


def _own_rights(rules: list[Rule]) -> list[Manifest]:
    """Rights in the operator's own namespace: the lease, and `rules`."""
    lease_rules = [
        # A name cannot be asked for when creating: there is none yet.
        _rule(LEASE.group, [LEASE.plural], ["create"]),
        _rule(LEASE.group, [LEASE.plural], ["get", "update"], resourceNames=[LEASE_NAME]),
    ]
    role = {**_object(_RBAC, "Role"), "rules": [*rules, *lease_rules]}
    return [role, _bound(_object(_RBAC, "RoleBinding"), role)]


def _bound(binding: Manifest, role: Manifest) -> Manifest:
    return {
        **binding,
        "roleRef": {"apiGroup": _RBAC.partition("/")[0], "kind": role["kind"], "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }


def _deployment(*, namespaced: bool = False) -> Manifest:
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    webhook: list[dict[str, Any]] = [{"name": "CHATCLUSTER_WEBHOOK_PORT", "value": str(_WEBHOOK_PORT)}]
    ports = {"http": _PORT, "webhook": _WEBHOOK_PORT}
    if namespaced:
        fields["CHATCLUSTER_WATCH_NAMESPACES"] = "metadata.namespace"
        del webhook[:], ports["webhook"]
    container = {
        "name": "operator",
        "image": f"chatcluster/operator:{RELEASE}",
        "imagePullPolicy": "IfNotPresent",
        "env": [
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
            *webhook,
        ],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        "livenessProbe": _probe("/livez", period=20, failures=3),
        "readinessProbe": _probe("/readyz", period=5, failures=2),
        "startupProbe": _probe("/livez", period=2, failures=60),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in the container
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(_LABELS)},
    }
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
    }
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(_PORT)}
    return {
        **_object("apps/v1", "Deployment"),
        "spec": {
            # Two: one leads, the other is warm and takes over within 15 s.
            "replicas": 2,
            "selector": {"matchLabels": dict(_LABELS)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
            "template": {"metadata": {"labels": dict(_LABELS), "annotations": annotations}, "spec": pod},
        },
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _budget() -> Manifest:
    spec = {"minAvailable": 1, "selector": {"matchLabels": dict(_LABELS)}}
    return {**_object("policy/v1", "PodDisruptionBudget"), "spec": spec}


def _network(*ports: int) -> Manifest:
    """In: health, metrics, reviews. Out: names, the API server, whose port is 443 or 6443 nearly everywhere, and the
    services that hold sockets, and the members of stores that have several."""
    dns = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    server = [{"port": port, "protocol": "TCP"} for port in (443, 6443)]
    return {
        **_object("networking.k8s.io/v1", "NetworkPolicy"),
        "spec": {
            "podSelector": {"matchLabels": dict(_LABELS)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": port, "protocol": "TCP"} for port in ports]}],
            "egress": [{"ports": dns}, {"ports": server}, *_inside()],
        },
    }


def _inside() -> Iterable[dict[str, Any]]:
    """The way to each service that says how many sockets it holds, and to each store, in whichever namespace."""
    services = {service: (port,) for service, port in PORTS.items()}
    members = {store: (*ports, VOLUME_PORT) for store, ports in ADMIN_PORTS.items()}
    for component, ports in {**services, **members}.items():
        pods = {"matchLabels": {LABEL_NAME: APP_NAME, LABEL_COMPONENT: component}}
        yield {
            "to": [{"namespaceSelector": {}, "podSelector": pods}],
            "ports": [{"port": port, "protocol": "TCP"} for port in ports],
        }


def _webhook() -> list[Manifest]:
    """The validating webhook. The operator itself adds the authority by which it is to be known."""
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["CREATE", "UPDATE"],
        "resources": [PLURAL],
        "scope": "Namespaced",
    }
    service = {"name": SERVICE, "namespace": NAMESPACE, "path": PATH, "port": 443}
    hook = {
        "name": HOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": service},
        "rules": [rule],
        "matchConditions": [
            {"name": "spec-changes", "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec"}
        ],
        "sideEffects": "None",
        # Without the operator everything is let through; conditions say the same as soon as it is back.
        "failurePolicy": "Ignore",
        "timeoutSeconds": 3,
    }
    port = {"name": "webhook", "port": 443, "targetPort": "webhook", "protocol": "TCP"}
    return [
        {**_object("v1", "Service", SERVICE), "spec": {"selector": dict(_LABELS), "ports": [port]}},
        {
            **_object(VALIDATING_WEBHOOK.api_version, VALIDATING_WEBHOOK.name, CONFIGURATION, namespaced=False),
            "webhooks": [hook],
        },
    ]


def main() -> int:
    """Check or write the committed files; 1 when a check finds one out of date."""
    wanted = {COMMITTED: text(), COMMITTED_NAMESPACED: namespaced_text()}
    return generated.main(wanted, command="python -m chatcluster_operator.install", description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
