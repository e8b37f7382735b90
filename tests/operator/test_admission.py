"""The validating webhook, asked by a real API server: refusals and warnings, and that it never stands in the way."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.admission import CONFIGURATION, HOOK, PATH
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_operator.kube.kinds import VALIDATING_WEBHOOK
from chatcluster_testing.control_plane import ApiRefusalError, until
from chatcluster_testing.kubectl import Said

Object = dict[str, Any]

EXTERNAL: Object = {"redis": {"external": {"secretName": "my-redis"}}}


@pytest.fixture(scope="module", autouse=True)
def webhook(plane: Any, operator: Any, webhook_port: int) -> Iterator[str]:
    """Has the API server ask the operator, once that has said by which authority it is known. Yields where it is."""
    del operator
    (body,) = [item for item in install.objects() if item["kind"] == VALIDATING_WEBHOOK.name]
    # Nothing routes the addresses of Services here.
    body["webhooks"][0]["clientConfig"] = {"url": f"https://127.0.0.1:{webhook_port}{PATH}"}
    path = VALIDATING_WEBHOOK.path(None, CONFIGURATION)
    plane.api.apply(path, body)
    until(lambda: _bundle(plane.api.get(path)), "the authority to be told", 90, every=0.3)
    yield path
    plane.api.delete(path)


def _bundle(configuration: Object) -> str:
    (hook,) = [item for item in configuration["webhooks"] if item["name"] == HOOK]
    return base64.b64decode(hook["clientConfig"].get("caBundle") or "").decode()


def create(kubectl: Any, room: Any, spec: Object | None = None, name: str = "demo", *options: str) -> Said:
    body = {
        "apiVersion": CHATCLUSTER.api_version,
        "kind": CHATCLUSTER.name,
        "metadata": {"name": name, "namespace": room.namespace},
        "spec": {"version": install.RELEASE, **(spec or {})},
    }
    return kubectl("apply", "-f", "-", *options, given=json.dumps(body))


def asked(kubectl: Any, room: Any) -> None:
    """Wait until the API server asks: it hears of a changed configuration some moments later."""
    until(
        lambda: create(kubectl, room, {"version": "no-such-release"}, "trial", "--dry-run=server").code,
        "the API server to ask",
        30,
        every=0.3,
    )


def test_a_good_spec_is_taken_without_a_word(kubectl: Any, room: Any) -> None:
    asked(kubectl, room)
    said = create(kubectl, room)
    assert (said.code, said.err) == (0, "")


def test_an_unknown_release_is_refused_with_those_that_there_are(kubectl: Any, room: Any) -> None:
    asked(kubectl, room)
    said = create(kubectl, room, {"version": "no-such-release"})
    assert said.code != 0
    assert "spec.version is 'no-such-release'" in said.err
    assert install.RELEASE in said.err
    assert room.get() is None


def test_what_is_not_there_yet_is_a_warning(kubectl: Any, room: Any) -> None:
    asked(kubectl, room)
    storage = {"size": "1Gi", "storageClassName": "no-such-class"}
    said = create(kubectl, room, {**EXTERNAL, "postgres": {"storage": storage}})
    assert said.code == 0
    assert "Warning: spec.redis.external.secretName names the Secret 'my-redis'" in said.err
    assert "Warning: spec.postgres.storage.storageClassName names the StorageClass 'no-such-class'" in said.err


def test_a_name_that_is_taken_is_refused(kubectl: Any, room: Any) -> None:
    asked(kubectl, room)
    room.api.create(
        KINDS["Service"].path(room.namespace),
        {"metadata": {"name": "demo-gateway"}, "spec": {"ports": [{"port": 80}]}},
    )
    said = create(kubectl, room)
    assert said.code != 0
    assert "Service demo-gateway exists in this namespace" in said.err
    assert "choose another metadata.name" in said.err
    assert create(kubectl, room, name="other").code == 0


def test_a_store_that_two_would_share_is_a_warning(kubectl: Any, room: Any) -> None:
    asked(kubectl, room)
    room.api.create(
        KINDS["Secret"].path(room.namespace),
        {"metadata": {"name": "my-redis"}, "stringData": {"url": "redis://redis.example.com"}},
    )
    assert "uses too" not in create(kubectl, room, EXTERNAL).err
    said = create(kubectl, room, EXTERNAL, "other")
    assert said.code == 0
    assert "which the ChatCluster 'demo' uses too" in said.err


def test_what_only_the_operator_understands_is_refused(kubectl: Any, room: Any) -> None:
    asked(kubectl, room)
    override = {"metadata": {"labels": {"app.kubernetes.io/name": "mine"}}}
    said = create(kubectl, room, {"redis": {"podOverride": override}})
    assert said.code != 0
    assert "spec.redis: podOverride changes a label" in said.err


def test_going_back_to_an_older_release_is_a_warning(kubectl: Any, room: Any, plane: Any) -> None:
    asked(kubectl, room)
    catalogue = KINDS["ConfigMap"].path(install.NAMESPACE, "chatcluster-images")
    images = plane.api.get(catalogue)["data"][install.RELEASE]
    plane.api.merge(catalogue, {"data": {"0.0.9": images}})
    create(kubectl, room)
    until(room.settled, "everything applied", 60)
    room.run_everything()
    until(lambda: room.get()["status"].get("version") == install.RELEASE, "the version that runs", 60)

    def warned() -> bool:
        said = create(kubectl, room, {"version": "0.0.9"}, "demo", "--dry-run=server")
        return said.code == 0 and f"goes back from {install.RELEASE} to 0.0.9" in said.err

    until(warned, "the warning", 30, every=0.3)
    plane.api.merge(catalogue, {"data": {"0.0.9": None}})


def test_a_defect_of_the_operator_keeps_nobody_from_working(kubectl: Any, room: Any, webhook: str, plane: Any) -> None:
    asked(kubectl, room)
    said = create(kubectl, room)
    assert said.code == 0
    # What does not change the spec is never asked about, a finalizer that goes least of all.
    room.change({"metadata": {"labels": {"example.com/a": "b"}}})
    # An authority that has signed nothing: the connection fails, and the API server goes on without.
    body = plane.api.get(webhook)
    own = _bundle(body)
    body["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(plane.ca.read_bytes()).decode()
    plane.api.call("PUT", webhook, body)

    def let_through() -> bool:
        return create(kubectl, room, {"version": "no-such-release"}, "trial", "--dry-run=server").code == 0

    until(let_through, "the API server to go on without", 30, every=0.3)
    until(lambda: _bundle(plane.api.get(webhook)) == own, "the operator to put its authority back", 90, every=0.5)
    asked(kubectl, room)


def test_certificates_are_kept_for_all_replicas(plane: Any) -> None:
    secrets = KINDS["Secret"].path(install.NAMESPACE)
    leaf = plane.api.get(f"{secrets}/chatcluster-webhook")["data"]
    assert set(leaf) == {"tls.crt", "tls.key"}
    assert plane.api.get(f"{secrets}/chatcluster-webhook-authority")


def test_a_spec_that_is_refused_by_the_schema_still_is(room: Any) -> None:
    with pytest.raises(ApiRefusalError, match=r"spec\.deletionPolicy"):
        room.create({"deletionPolicy": "Perhaps"})
