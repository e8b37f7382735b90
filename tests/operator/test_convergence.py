"""The world becomes what the spec asks, also where it cannot be changed to that, and where one part of it is broken."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatcluster_operator.kube import KINDS, Kind
from chatcluster_testing.control_plane import ApiRefusalError, until

Object = dict[str, Any]

POLICY = Kind(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
BINDING = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")


@pytest.fixture
def refuse(room: Any) -> Iterator[Callable[[str, str], Callable[[], None]]]:
    """Has the API server refuse writes of one object of the room. Returns what ends that."""
    made: list[tuple[Kind, str]] = []

    def forget() -> None:
        while made:
            kind, name = made.pop()
            room.api.delete(kind.path(None, name))

    def refuse(plural: str, name: str) -> Callable[[], None]:
        policy = f"{room.namespace}-{name}"
        rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
        spec = {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": room.namespace}},
                "resourceRules": [rule],
            },
            "validations": [{"expression": f"object.metadata.name != '{name}'", "message": "not on a Monday"}],
        }
        room.api.create(POLICY.path(), {"metadata": {"name": policy}, "spec": spec})
        made.append((POLICY, policy))
        bound = {"policyName": policy, "validationActions": ["Deny"]}
        room.api.create(BINDING.path(), {"metadata": {"name": policy}, "spec": bound})
        made.append((BINDING, policy))
        return forget

    yield refuse
    forget()


def test_what_is_refused_stops_nothing_else(room: Any, refuse: Callable[[str, str], Callable[[], None]]) -> None:
    allow = refuse("deployments", "demo-message")
    # A policy is in force some moments after it was made: until then the object would be taken.
    trial = {
        "metadata": {"name": "demo-message"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}},
        },
    }
    deployments = f"{KINDS['Deployment'].path(room.namespace)}?dryRun=All"
    until(lambda: not _taken(room.api, deployments, trial), "the policy to be in force", 60)
    room.create()
    applied = until(lambda: (c := room.condition("Applied")).get("reason") == "ApplyFailed" and c, "what failed", 60)
    assert "Deployment demo-message" in applied["message"]
    assert "not on a Monday" in applied["message"]
    assert room.condition("Ready")["reason"] == "ApplyFailed"
    made = {name for kind, name in room.children() if kind in {"Deployment", "StatefulSet"}}
    assert "demo-message" not in made
    assert {"demo-postgres", "demo-gateway", "demo-edge"} <= made
    path = KINDS["ConfigMap"].path(room.namespace, "demo-jwks")
    before = room.child("ConfigMap", "demo-jwks")["data"]
    room.api.merge(path, {"data": {"jwks.json": "{}"}})
    until(lambda: room.child("ConfigMap", "demo-jwks")["data"] == before, "drift elsewhere to be mended", 90)
    allow()
    until(room.settled, "recovery", 90)
    assert room.child("Deployment", "demo-message")


def _taken(api: Any, path: str, body: Object) -> bool:
    try:
        api.create(path, body)
    except ApiRefusalError:
        return False
    return True


# What cannot be changed once it is there, as somebody, or an earlier release, may have made it.


def _stateful_set(body: Object) -> None:
    body["spec"] |= {"serviceName": "another", "podManagementPolicy": "OrderedReady"}
    body["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "1Mi"


def _deployment(body: Object) -> None:
    body["spec"]["selector"]["matchLabels"]["example.com/earlier"] = "yes"
    body["spec"]["template"]["metadata"]["labels"]["example.com/earlier"] = "yes"


def _service(body: Object) -> None:
    for field in ("clusterIP", "clusterIPs"):
        body["spec"].pop(field)


def _role_binding(body: Object) -> None:
    body["roleRef"]["name"] = "another"


def _secret(body: Object) -> None:
    body["type"] = "example.com/another"


def _config_map(body: Object) -> None:
    body |= {"immutable": True, "data": {"jwks.json": "{}"}}


def _job(body: Object) -> None:
    """Its controller has named its pods by its uid."""
    body["spec"].pop("selector")
    labels = body["spec"]["template"]["metadata"]["labels"]
    for name in [name for name in labels if name.split("/")[-1] in {"controller-uid", "job-name"}]:
        labels.pop(name)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/earlier"


EARLIER: dict[tuple[str, str], Callable[[Object], None]] = {
    ("StatefulSet", "demo-postgres"): _stateful_set,
    ("Deployment", "demo-presence"): _deployment,
    ("Service", "demo-message-pods"): _service,
    ("RoleBinding", "demo-postgres"): _role_binding,
    ("Secret", "demo-presence"): _secret,
    ("ConfigMap", "demo-jwks"): _config_map,
}


def test_what_cannot_change_is_made_anew(room: Any, operator: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    # Where a service does not run what it should, its schema is not narrowed, and that Job not made again.
    room.run_everything()
    room.change({"spec": {"paused": True}})
    until(lambda: room.condition("Paused").get("status") == "True", "the pause", 60)
    # A Job is named after all that it says.
    jobs: dict[tuple[str, str], Callable[[Object], None]] = {key: _job for key in room.children() if key[0] == "Job"}
    assert jobs
    changes = EARLIER | jobs
    wanted = {key: _essence(room.child(*key)) for key in changes}
    earlier = {key: _swap(room, *key, change) for key, change in changes.items()}
    size = wanted["StatefulSet", "demo-postgres"]["spec"]["volumeClaimTemplates"][0]["spec"]
    pod, claim = _running(room, earlier["StatefulSet", "demo-postgres"], size)

    room.change({"spec": {"paused": False}})
    for key in changes:

        def anew(key: tuple[str, str] = key) -> bool:
            body = room.child(*key)
            return body is not None and body["metadata"]["uid"] != earlier[key]["metadata"]["uid"]

        until(anew, f"{key} made anew", 60)
    until(room.settled, "everything applied", 60)
    assert {key: _essence(room.child(*key)) for key in changes} == wanted
    assert operator.metric("chatcluster_operator_replaced_total", kind="StatefulSet") >= 1
    assert until(lambda: room.events("Replaced"), "an event")[0]["type"] == "Normal"
    # A store's pods and volumes wait for the next StatefulSet of its name.
    for kind, before in ((KINDS["Pod"], pod), (CLAIM, claim)):
        now = room.api.get(kind.path(room.namespace, before["metadata"]["name"]))
        assert now["metadata"]["uid"] == before["metadata"]["uid"]
        assert "deletionTimestamp" not in now["metadata"]
        assert "ownerReferences" not in now["metadata"]


def test_what_can_change_is_changed_in_place(demo: Any) -> None:
    path = KINDS["HorizontalPodAutoscaler"].path(demo.namespace, "demo-gateway")
    before = demo.child("HorizontalPodAutoscaler", "demo-gateway")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "another"}
    demo.api.merge(path, {"spec": {"scaleTargetRef": target, "minReplicas": None}})

    def mended() -> bool:
        return demo.child("HorizontalPodAutoscaler", "demo-gateway")["spec"] == before["spec"]

    until(mended, "the autoscaler as it was", 60)
    after = demo.child("HorizontalPodAutoscaler", "demo-gateway")["metadata"]["uid"]
    assert after == before["metadata"]["uid"]


def test_nothing_is_deleted_that_could_not_be_made_again(demo: Any) -> None:
    before = demo.child("Deployment", "demo-presence")
    broken = {"spec": {"hostAliases": [{"ip": "not an address"}]}}
    demo.change({"spec": {"services": {"presence": {"podOverride": broken}}}})
    applied = until(lambda: (c := demo.condition("Applied")).get("reason") == "ApplyFailed" and c, "what failed", 60)
    assert "hostAliases" in applied["message"]
    assert demo.child("Deployment", "demo-presence")["metadata"]["uid"] == before["metadata"]["uid"]
    demo.change({"spec": {"services": {"presence": {"podOverride": None}}}})
    until(demo.settled, "recovery", 60)
    assert demo.child("Deployment", "demo-presence")["metadata"]["uid"] == before["metadata"]["uid"]


def test_what_takes_its_time_to_go_is_told_and_made_anew(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    path = KINDS["ConfigMap"].path(room.namespace, "demo-jwks")
    room.api.merge(path, {"metadata": {"finalizers": ["example.com/slow"]}})
    room.api.delete(path)
    applied = until(lambda: (c := room.condition("Applied")).get("reason") == "BeingDeleted" and c, "what leaves", 60)
    assert "ConfigMap demo-jwks" in applied["message"]
    before = room.child("ConfigMap", "demo-jwks")["metadata"]["uid"]
    room.api.merge(path, {"metadata": {"finalizers": None}})
    until(
        lambda: (room.child("ConfigMap", "demo-jwks") or {}).get("metadata", {}).get("uid") not in {None, before}, "it"
    )
    until(room.settled, "recovery", 60)


def _essence(body: Object) -> Object:
    """What an object says, apart from what the server gave it."""
    spec = {name: value for name, value in body.get("spec", {}).items() if name not in {"clusterIP", "clusterIPs"}}
    if body.get("spec", {}).get("clusterIP") == "None":
        spec["clusterIP"] = "None"
    if body["kind"] == "Job":
        spec = {"containers": spec["template"]["spec"]["containers"]}
    rest = {key: body[key] for key in ("data", "immutable", "roleRef", "type") if key in body}
    return {"spec": spec, "labels": body["metadata"]["labels"], **rest}


def _swap(room: Any, kind: str, name: str, change: Callable[[Object], None]) -> Object:
    """Make an object anew that differs from what it was in what can never change."""
    path = KINDS[kind].path(room.namespace, name)
    body = copy.deepcopy(room.child(kind, name))
    metadata = {field: body["metadata"][field] for field in ("name", "labels", "ownerReferences")}
    body = {field: value for field, value in body.items() if field != "status"} | {"metadata": metadata}
    change(body)
    room.api.call("DELETE", path, {"propagationPolicy": "Background"})
    return room.api.create(KINDS[kind].path(room.namespace), body)


def _running(room: Any, owner: Object, asked: Object) -> tuple[Object, Object]:
    """A pod of a StatefulSet, as its controller makes it, and its claim, with a volume as large as is asked for."""
    reference = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    template = owner["spec"]["template"]
    name = f"{owner['metadata']['name']}-0"
    metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": [reference]}
    spec = copy.deepcopy(template["spec"])
    # No volume and no service account of its own: nothing runs it, and admission would look for them.
    spec.pop("serviceAccountName", None)
    spec["automountServiceAccountToken"] = False
    spec["volumes"].append({"name": "data", "emptyDir": {}})
    pod = room.api.create(KINDS["Pod"].path(room.namespace), {"metadata": metadata, "spec": spec})
    claim = room.api.create(
        CLAIM.path(room.namespace),
        {
            "metadata": {
                "name": f"data-{name}",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [reference],
            },
            "spec": asked,
        },
    )
    bound = {"phase": "Bound", "accessModes": asked["accessModes"], "capacity": asked["resources"]["requests"]}
    room.api.merge(f"{CLAIM.path(room.namespace, f'data-{name}')}/status", {"status": bound})
    return pod, claim
