"""Every manifest is one that Kubernetes takes: by the API server itself, and by its schemas, to the letter."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatcluster_operator import install
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import manifests
from chatcluster_operator.desired.tls import OwnTls, make_authority, make_leaf
from chatcluster_operator.kube import KINDS
from chatcluster_testing.kubeconform import conform, write_schemas
from chatcluster_testing.specs import SPECS, body, inputs_maker

FILES = sorted(install.COMMITTED.parent.glob("*.yaml"), key=lambda file: file.name)


def _made(name: str, namespace: str) -> str:
    """The manifests of one ChatCluster, apart from kinds that this API server does not serve."""
    cluster = ChatCluster.from_body(body(SPECS[name], namespace=namespace))
    inputs = inputs_maker()(cluster)
    if inputs.tls is not None:
        # The API server looks into Secrets of certificates.
        now = int(time.time())
        authority = make_authority("demo", now=now)
        inputs = replace(inputs, tls=OwnTls(make_leaf(["chat.example.com"], authority, now=now), (authority,)))
    made = manifests(cluster, inputs)
    return yaml.safe_dump_all([item for item in made if not KINDS[item["kind"]].optional])


@pytest.fixture(scope="module")
def schemas(plane: Any) -> str:
    """Where the schemas of the API server's kinds are."""
    return write_schemas(plane.api, plane.folder / "schemas")


@pytest.mark.parametrize("name", SPECS)
def test_the_api_server_takes_what_is_made_without_a_warning(kubectl: Any, room: Any, name: str) -> None:
    room.api.merge(
        f"/api/v1/namespaces/{room.namespace}",
        {"metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}},
    )
    given = _made(name, room.namespace)
    said = kubectl("apply", "--dry-run=server", "-f", "-", given=given)
    assert (said.code, said.err) == (0, "")
    assert said.out.count("(server dry run)") == given.count("\nkind: ")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_api_server_takes_what_is_installed(kubectl: Any, plane: Any, file: Path) -> None:
    del plane
    said = kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(file))
    assert (said.code, [line for line in said.err.splitlines() if line]) == (0, [])


@pytest.mark.parametrize("name", SPECS)
def test_what_is_made_conforms_to_the_schemas(schemas: str, name: str) -> None:
    given = _made(name, "chat")
    assert conform(schemas, given) == (given.count("\nkind: "), [])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_installed_conforms_to_the_schemas(schemas: str, file: Path) -> None:
    valid, wrong = conform(schemas, file.read_text())
    assert wrong == []
    assert valid > 0


def test_a_field_that_nobody_knows_does_not_conform(schemas: str) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selecter": {"a": "b"}}}
    _, [wrong] = conform(schemas, yaml.safe_dump(service))
    assert wrong["status"] == "statusInvalid"
    assert "selecter" in wrong["msg"]
