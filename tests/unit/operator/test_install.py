"""What is installed: the committed file, the least rights, the restricted profile."""

import importlib
from typing import Any

import pytest
import yaml

from chatcluster_operator import install
from chatcluster_operator.api import COMPONENTS, ChatCluster
from chatcluster_operator.api.constants import BACKUP
from chatcluster_operator.desired import Inputs, generate, manifests
from chatcluster_operator.desired.components import SERVER
from chatcluster_operator.kube import KINDS
from chatcluster_operator.settings import Settings, SettingsError


def one(kind: str) -> dict[str, Any]:
    return next(item for item in install.objects() if item["kind"] == kind)


def test_the_committed_file_is_what_the_code_generates() -> None:
    remedy = "run: python -m chatcluster_operator.install --write"
    assert install.COMMITTED.read_text() == install.text(), remedy
    assert install.COMMITTED_NAMESPACED.read_text() == install.namespaced_text(), remedy


def test_installed_for_one_namespace_only_the_definition_is_of_the_whole_cluster() -> None:
    objects = install.namespaced_objects()
    assert {item["kind"] for item in objects if "namespace" not in item["metadata"]} == {
        "Namespace",
        "CustomResourceDefinition",
    }
    container = next(item for item in objects if item["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {item["name"] for item in container[0]["env"]} == {
        "POD_NAME",
        "POD_NAMESPACE",
        "CHATCLUSTER_WATCH_NAMESPACES",
    }


def test_no_right_is_a_wildcard_or_reaches_further_than_needed() -> None:
    for rule in install.cluster_rules():
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
        assert "pods/exec" not in rule["resources"]
        # Seen, so that lost ones are known; never changed.
        assert not {"nodes", "persistentvolumes"} & set(rule["resources"]) or set(rule["verbs"]) <= {
            "get",
            "list",
            "watch",
        }


def test_every_kind_that_is_made_is_known_and_its_rights_are_held() -> None:
    body = {"metadata": {"name": "demo", "namespace": "chat", "uid": "0" * 32}, "spec": {"version": "1"}}
    inputs = Inputs(images=dict.fromkeys(COMPONENTS, "any:1"), credentials=generate(None, bytes))
    held = {
        (group, resource): set(rule["verbs"])
        for rule in install.cluster_rules()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for manifest in manifests(ChatCluster.from_body(body), inputs):
        kind = KINDS[manifest["kind"]]
        assert kind.api_version == manifest["apiVersion"]
        assert kind.made
        assert {"get", "create", "patch", "delete"} <= held[kind.group, kind.plural]
        for rule in manifest.get("rules", []):
            for resource in rule["resources"]:
                assert set(rule["verbs"]) <= held[rule["apiGroups"][0], resource], resource


def test_the_operator_keeps_to_the_restricted_profile() -> None:
    assert one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = one("Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"livenessProbe", "readinessProbe", "startupProbe", "resources"} <= set(container)


def test_the_catalogue_has_an_image_of_every_component() -> None:
    images = yaml.safe_load(install.catalogue()["data"][install.RELEASE])
    assert set(images) == {*COMPONENTS, SERVER, BACKUP}
    ours = {name: image for name, image in images.items() if name != SERVER}
    assert all(image.endswith(f":{install.RELEASE}") for image in ours.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHATCLUSTER_PORT", "http"),
        ("CHATCLUSTER_RESYNC_SECONDS", "0"),
        ("CHATCLUSTER_CONCURRENCY", "1000"),
        ("CHATCLUSTER_LOG_LEVEL", "loud"),
        ("CHATCLUSTER_WATCH_NAMESPACES", "chat,Not A Name"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is '{value}'; use"):
        Settings.from_environment({name: value})


def test_the_program_can_be_imported_without_a_warning() -> None:
    assert importlib.import_module("chatcluster_operator.main").main


@pytest.mark.parametrize(("text", "names"), [("", ()), (" , ", ()), ("chat", ("chat",)), ("a, b,a", ("a", "b"))])
def test_namespaces_to_watch(text: str, names: tuple[str, ...]) -> None:
    assert Settings.from_environment({"CHATCLUSTER_WATCH_NAMESPACES": text}).watch_namespaces == names
