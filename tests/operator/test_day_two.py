"""Pausing, hibernating and waking, against a real API server."""

from typing import Any

from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import until

WORKLOADS = {"Deployment", "StatefulSet"}


def replicas(room: Any) -> dict[str, int]:
    return {name: item["spec"]["replicas"] for (kind, name), item in room.children().items() if kind in WORKLOADS}


def test_paused_it_says_what_it_would_do_and_does_nothing(demo: Any) -> None:
    demo.change({"spec": {"paused": True}})
    until(lambda: demo.condition("Paused").get("status") == "True", "the condition Paused")
    path = KINDS["ConfigMap"].path(demo.namespace, "demo-jwks")
    demo.api.merge(path, {"data": {"jwks.json": "mine for now"}})
    until(lambda: "ConfigMap demo-jwks" in demo.condition("Paused")["message"], "what waits to be told")
    assert demo.child("ConfigMap", "demo-jwks")["data"]["jwks.json"] == "mine for now"

    demo.change({"spec": {"paused": False}})
    until(lambda: demo.child("ConfigMap", "demo-jwks")["data"]["jwks.json"] != "mine for now", "the mend")
    until(lambda: demo.condition("Paused")["status"] == "False", "the condition to end")


def test_hibernated_nothing_runs_and_awake_again_all_is_as_it_was(demo: Any) -> None:
    before = demo.contents()
    # As its autoscaler would.
    demo.api.merge(f"{KINDS['Deployment'].path(demo.namespace, 'demo-message')}/scale", {"spec": {"replicas": 5}})
    # A pod of the message service, as its Deployment's controller would make it; none runs here.
    template = demo.child("Deployment", "demo-message")["spec"]["template"]
    pod = {**template, "metadata": {**template["metadata"], "name": "demo-message-x"}}
    pod["spec"]["serviceAccountName"] = "demo-postgres"
    pods = f"/api/v1/namespaces/{demo.namespace}/pods"
    demo.api.create(pods, pod)
    demo.change({"spec": {"hibernated": True}})

    def services_asleep() -> bool:
        now = replicas(demo)
        return all(count == 0 for name, count in now.items() if not is_store(name))

    until(services_asleep, "services and edge at zero")
    assert all(count > 0 for name, count in replicas(demo).items() if is_store(name)), "stores wait for their users"
    until(lambda: demo.condition("Hibernated").get("reason") == "Hibernating", "the condition Hibernated")
    until(lambda: not [key for key in demo.children() if key[0] == "HorizontalPodAutoscaler"], "no autoscaler")

    demo.api.delete(f"{pods}/demo-message-x")
    until(lambda: set(replicas(demo).values()) == {0}, "the stores at zero", 60)
    until(lambda: demo.condition("Hibernated").get("status") == "True", "the condition Hibernated")
    assert demo.child("Secret", "demo-credentials")

    demo.run_everything()
    demo.change({"spec": {"hibernated": False}})
    until(lambda: demo.contents().keys() == before.keys(), "every object", 60)
    until(demo.settled, "everything applied", 60)
    kinds = {*WORKLOADS, "HorizontalPodAutoscaler"}
    specs = {key: item.get("spec") for key, item in before.items() if key[0] in kinds}
    assert {key: item.get("spec") for key, item in demo.contents().items() if key[0] in kinds} == specs
    written = demo.child("Deployment", "demo-message")["metadata"]["managedFields"]
    ours = next(entry["fieldsV1"] for entry in written if entry["manager"] == "chatcluster-operator")
    assert "f:replicas" not in ours["f:spec"], "the number of replicas is the autoscaler's again"


def is_store(name: str) -> bool:
    return name.removeprefix("demo-") in {"postgres", "mongodb", "redis", "kafka", "objects"}
