"""The edge's certificate: of the operator's own authority, of a Secret, and of cert-manager by its real definitions."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from chatcluster_operator.desired.tls import DAY, Pair, authorities_data, check, make_authority, make_leaf, pair_of
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import Api, until
from chatcluster_testing.go_module import source

NOW = int(time.time())
HOST = "chat.example.com"
CERT_MANAGER = "github.com/cert-manager/cert-manager@v1.19.1"
SERVED_SECONDS = 150
"""The operator asks once a minute which kinds there are, and believes that one is gone only when told so twice."""


def encoded(values: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}


def pair_data(pair: Pair) -> dict[str, str]:
    return encoded({"tls.crt": pair.certificate, "tls.key": pair.key})


def put(room: Any, name: str, pair: Pair, **metadata: Any) -> None:
    """Write a Secret of the type kubernetes.io/tls, as a person or another controller would."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, **metadata},
        "type": "kubernetes.io/tls",
        "data": pair_data(pair),
    }
    room.api.apply(KINDS["Secret"].path(room.namespace, name), body)


def brought(*, left: int = 60, host: str = HOST) -> Pair:
    """A certificate that some other authority signed, good for `left` more days."""
    made = NOW - (90 - left) * DAY
    return make_leaf({host}, make_authority("elsewhere", now=made), now=made)


def leaf(room: Any) -> Pair:
    """The certificate that the edge is given."""
    return pair_of(room.child("Secret", "demo-edge-tls")["data"])


def ready(room: Any, reason: str, seconds: float = 30) -> dict[str, Any]:
    """The condition CertificateReady, once it has this reason."""
    return until(
        lambda: (found := room.condition("CertificateReady")).get("reason") == reason and found,
        f"CertificateReady to be {reason}",
        seconds,
    )


@pytest.fixture
def secured(room: Any) -> Any:
    """A ChatCluster with a certificate of the operator's own authority."""
    room.create({"edge": {"host": HOST, "tls": {}}})
    until(room.settled, "everything applied", 60)
    return room


def test_an_own_certificate_is_made_published_and_left_alone(secured: Any, operator: Any) -> None:
    said = ready(secured, "Valid")
    assert said["status"] == "True"
    assert HOST in said["message"]
    now = check(leaf(secured))
    assert HOST in now.names
    assert 89 * DAY < now.not_after - time.time() <= 90 * DAY
    bundle = secured.child("ConfigMap", "demo-edge-ca")["data"]["ca.crt"]
    assert check(pair_of(secured.child("Secret", "demo-edge-ca")["data"])).identity == now.authority
    assert "PRIVATE KEY" not in bundle
    assert secured.get()["status"]["url"] == f"https://{HOST}"

    before = secured.versions()
    looks = operator.metric("chatcluster_operator_reconciles_total")
    calls = operator.metric("chatcluster_operator_api_calls_total", method="PATCH")
    secured.change({"metadata": {"labels": {"example.com/look": "again"}}})
    until(lambda: operator.metric("chatcluster_operator_reconciles_total") > looks, "another look")
    assert operator.metric("chatcluster_operator_api_calls_total", method="PATCH") == calls
    assert secured.versions() == before


def test_a_certificate_near_its_end_is_renewed_and_no_pod_is_rolled(secured: Any) -> None:
    generation = secured.child("Deployment", "demo-edge")["metadata"]["generation"]
    authority = pair_of(secured.child("Secret", "demo-edge-ca")["data"])
    old = make_leaf(check(leaf(secured)).names, authority, now=NOW - 75 * DAY)
    secured.change({"spec": {"paused": True}})
    until(lambda: secured.condition("Paused").get("status") == "True", "the pause", 60)
    secured.api.merge(KINDS["Secret"].path(secured.namespace, "demo-edge-tls"), {"data": pair_data(old)})
    assert "while spec.paused is true" in ready(secured, "CertificateExpiring")["message"]

    secured.change({"spec": {"paused": False}})
    until(lambda: check(leaf(secured)).not_after > NOW + 80 * DAY, "a new certificate", 60)
    assert check(leaf(secured)).authority == check(authority).identity
    assert leaf(secured).key != old.key, "with a key of its own"
    assert secured.child("Deployment", "demo-edge")["metadata"]["generation"] == generation
    until(lambda: secured.events("CertificateRenewed"), "an event that says so", 60)


@pytest.mark.parametrize("name", ["demo-edge-tls", "demo-edge-ca"])
def test_what_is_deleted_or_spoilt_by_hand_is_mended(secured: Any, name: str) -> None:
    path = KINDS["Secret"].path(secured.namespace, name)
    before = secured.child("Secret", name)["data"]
    secured.api.delete(path)
    until(lambda: (secured.child("Secret", name) or {}).get("data") == before, "the same values", 60)
    secured.api.merge(path, {"data": {"tls.key": base64.b64encode(b"spoilt").decode()}})

    def mended() -> bool:
        authority = check(pair_of(secured.child("Secret", "demo-edge-ca")["data"]))
        return check(leaf(secured)).authority == authority.identity

    def usable() -> bool:
        spoilt = base64.b64decode(secured.child("Secret", name)["data"]["tls.key"]) == b"spoilt"
        return not spoilt and mended()

    until(usable, "values that fit each other", 60)


def test_a_new_authority_is_published_before_it_signs(secured: Any) -> None:
    made = NOW - 3400 * DAY
    old = make_authority("demo-edge", now=made)
    signed = make_leaf(check(leaf(secured)).names, old, now=NOW)
    secured.change({"spec": {"paused": True}})
    until(lambda: secured.condition("Paused").get("status") == "True", "the pause", 60)
    for name, data in (("demo-edge-ca", encoded(authorities_data([old]))), ("demo-edge-tls", pair_data(signed))):
        secured.api.merge(KINDS["Secret"].path(secured.namespace, name), {"data": data})
    secured.change({"spec": {"paused": False}})

    def published() -> str:
        return secured.child("ConfigMap", "demo-edge-ca")["data"]["ca.crt"]

    until(lambda: published().count("BEGIN CERTIFICATE") == 2, "both authorities to be published", 60)
    assert old.certificate in published()
    assert check(leaf(secured)).authority == check(old).identity, "the new one signs nothing yet"


def test_without_tls_what_was_made_for_it_goes(secured: Any) -> None:
    secured.change({"spec": {"edge": {"tls": None}}})
    until(lambda: secured.child("Secret", "demo-edge-ca") is None, "the authority to be removed", 60)
    until(lambda: secured.child("Secret", "demo-edge-tls") is None, "the certificate to be removed", 60)
    until(lambda: not secured.condition("CertificateReady"), "the condition to go", 60)


def test_a_certificate_of_the_users_is_watched_for_its_end(room: Any) -> None:
    room.create({"edge": {"host": HOST, "tls": {"secretName": "mine"}}})
    assert "create it" in ready(room, "CertificateMissing")["message"]
    assert room.condition("ConfigurationValid")["reason"] == "SecretNotFound"

    put(room, "mine", brought(left=10))
    assert ready(room, "CertificateExpiring")["status"] == "True"
    until(lambda: room.events("CertificateExpiring"), "an event that says so", 60)

    # A change of the spec is one of the things that have Secrets read again.
    put(room, "mine", brought())
    room.change({"spec": {"edge": {"tls": {"hstsSeconds": 0}}}})
    assert "yours to do" in ready(room, "Valid")["message"]

    put(room, "mine", brought(host="other.example.com"))
    room.change({"spec": {"edge": {"tls": {"hstsSeconds": 1}}}})
    assert "other.example.com" in ready(room, "CertificateNameMismatch")["message"]
    assert room.condition("Ready")["status"] == "False"

    put(room, "mine", Pair(brought().certificate, brought().key))
    room.change({"spec": {"edge": {"tls": {"hstsSeconds": 2}}}})
    assert "belongs to another certificate" in ready(room, "CertificateInvalid")["message"]


def test_an_ingress_is_made_and_removed(room: Any) -> None:
    room.create({"edge": {"host": HOST, "ingress": {"className": "nginx"}, "tls": {}}})
    until(room.settled, "everything applied", 60)
    spec = room.child("Ingress", "demo-edge")["spec"]
    assert spec["tls"] == [{"hosts": [HOST], "secretName": "demo-edge-tls"}]
    room.change({"spec": {"edge": {"ingress": None}}})
    until(lambda: room.child("Ingress", "demo-edge") is None, "the Ingress to be removed", 60)


def test_a_proxy_of_the_users_own_takes_the_edges_place(room: Any) -> None:
    room.create()
    until(room.settled, "everything applied", 60)
    peer = {"podSelector": {"matchLabels": {"app": "envoy"}}}
    room.change({"spec": {"edge": {"host": HOST, "external": {"peers": [peer]}}}})
    until(lambda: room.child("Deployment", "demo-edge") is None, "the edge to be removed", 60)
    rules = room.child("NetworkPolicy", "demo-message")["spec"]["ingress"]
    assert any(peer in rule.get("from", []) for rule in rules)


def test_an_edge_of_ones_own_and_settings_of_ours_exclude_each_other(room: Any) -> None:
    with pytest.raises(Exception, match="or remove external"):
        room.create(
            {"edge": {"host": HOST, "external": {"peers": [{"podSelector": {"matchLabels": {"a": "b"}}}]}, "tls": {}}}
        )
    with pytest.raises(Exception, match=r"set edge\.host"):
        room.create({"edge": {"tls": {"issuer": {"name": "x"}}}})


@pytest.fixture
def definitions(plane: Any) -> Iterator[Callable[[], None]]:
    """Installs cert-manager's CustomResourceDefinitions; they are removed when the test is over."""
    folder = source(CERT_MANAGER) / "deploy/crds"
    items = [
        item
        for name in ("certificates", "issuers", "clusterissuers")
        for item in yaml.safe_load_all((folder / f"cert-manager.io_{name}.yaml").read_text())
        if item
    ]
    api: Api = plane.api
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

    def install() -> None:
        for item in items:
            api.apply(f"{path}/{item['metadata']['name']}", item)

    yield install
    for item in items:
        api.delete(f"{path}/{item['metadata']['name']}")


@pytest.mark.timeout(600)
def test_cert_manager_is_used_once_it_is_there(room: Any, definitions: Callable[[], None]) -> None:
    room.create({"edge": {"host": HOST, "tls": {"issuer": {"name": "letsencrypt", "kind": "ClusterIssuer"}}}})
    assert "install it" in ready(room, "CertManagerMissing", 60)["message"]
    assert room.settled(), "the rest is made all the same"

    definitions()
    path = KINDS["Certificate"].path(room.namespace, "demo-edge")
    until(lambda: room.api.get(path), "the Certificate", SERVED_SECONDS)
    spec = room.api.get(path)["spec"]
    assert (spec["secretName"], spec["dnsNames"]) == ("demo-edge-issued", [HOST])
    condition = {"type": "Ready", "status": "False", "reason": "Pending", "message": "waiting for the DNS challenge"}
    room.api.merge(
        f"{path}/status", {"status": {"conditions": [{**condition, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}
    )
    until(lambda: "DNS challenge" in ready(room, "Issuing")["message"], "cert-manager's own words", 60)

    # As cert-manager does it.
    put(room, spec["secretName"], brought(), labels=spec["secretTemplate"]["labels"])
    assert "renewed by cert-manager" in ready(room, "Valid")["message"]
    first = room.condition("CertificateReady")["message"]
    put(room, spec["secretName"], brought(left=80), labels=spec["secretTemplate"]["labels"])
    until(lambda: room.condition("CertificateReady")["message"] != first, "the renewed one to be noticed", 60)

    room.change({"spec": {"edge": {"tls": {"issuer": None}}}})
    until(lambda: room.api.get(path) is None, "the Certificate to be removed", 60)
    assert room.child("Secret", spec["secretName"]), "cert-manager's Secret is not the operator's to remove"
