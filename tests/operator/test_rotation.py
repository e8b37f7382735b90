"""Rotations against a real API server, on which the test plays the workloads' controllers."""

import base64
import json
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.api import FIELD_MANAGER, ROTATE_CREDENTIALS, ROTATE_TOKEN_KEY, SERVICES, STORES
from chatcluster_operator.decide.rotation import CLOCKS_SECONDS
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.kube import CHATCLUSTER
from chatcluster_operator.reconcile.rotation import TOKEN_SECONDS
from chatcluster_testing.control_plane import until

TURNS = [name for name in ORDER if name in SERVICES]
PAST = "2026-01-01T00:00:00Z"


@pytest.fixture
def running(room: Any) -> Any:
    """A room whose ChatCluster runs."""
    room.create()
    until(room.settled, "everything applied", 60)
    room.run_everything()
    until(lambda: (room.get()["status"] or {}).get("version") == install.RELEASE, "the version that runs", 60)
    return room


def secret(room: Any, name: str) -> dict[str, str]:
    found = room.child("Secret", f"demo-{name}")
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def rotation(room: Any) -> dict[str, Any]:
    return room.get()["status"].get("rotation") or {}


def ask(room: Any, annotation: str) -> None:
    room.change({"metadata": {"annotations": {annotation: PAST}}})


def take_turns(room: Any, phase: str) -> None:
    """Each service's pods are replaced in its turn."""
    for name in TURNS:
        until(lambda name=name: (rotation(room).get("phase"), rotation(room).get("step")) == (phase, name), name, 120)
        room.say_ready("Deployment", f"demo-{name}", room.child("Deployment", f"demo-{name}"))


def time_passes(room: Any, seconds: int) -> None:
    """The present phase of the rotation began so long ago, as if the operator had written so: it takes it out again."""
    body = room.get()
    status = {**body["status"], "rotation": {**rotation(room), "since": rotation(room)["since"] - seconds}}
    written = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"name": "demo"}, "status": status}
    room.api.apply(CHATCLUSTER.path(room.namespace, "demo") + "/status", written, FIELD_MANAGER)


def checksum(room: Any, kind: str, name: str) -> str:
    template = room.child(kind, f"demo-{name}")["spec"]["template"]
    return template["metadata"]["annotations"]["chatcluster.dev/checksum"]


def test_passwords_overlap_across_a_restart_of_the_operator(running: Any, operator: Any) -> None:
    before = secret(running, "credentials")
    stores = {name: checksum(running, "StatefulSet", name) for name in STORES}
    ask(running, ROTATE_CREDENTIALS)
    until(lambda: rotation(running).get("step") == TURNS[0], "the first turn", 60)
    both = secret(running, "credentials")
    assert both["redis_user_password"] == before["redis_user_password"]
    coming = both["redis_user_password.next"]
    assert secret(running, "kafka")["users.properties"].count(",") == 3
    assert len(json.loads(secret(running, "objects")["s3.json"])["identities"][0]["credentials"]) == 2
    assert coming in secret(running, "user")["chat_redis_url"]
    assert "chat_user_b:" in secret(running, "user")["chat_database_url"]
    assert before["redis_gateway_password"] in secret(running, "gateway")["chat_redis_url"]

    operator.program.stop()
    operator.program.start()
    until(lambda: operator.leading, "the operator to lead again", 60)
    assert secret(running, "credentials") == both
    take_turns(running, "Rolling")
    until(lambda: not rotation(running), "the end", 120)

    after = secret(running, "credentials")
    assert after["redis_user_password"] == coming
    assert not [key for key in after if key.endswith(".next")]
    assert secret(running, "kafka")["users.properties"].count(",") == 0
    users = json.loads(secret(running, "postgres")["users.json"])
    assert [user["logins"][user["role"]] for user in users] == [None] * 3
    assert {name: checksum(running, "StatefulSet", name) for name in stores} == stores, "no store was restarted"
    assert running.get()["status"]["rotated"]["passwords"] > 0
    until(lambda: running.events("Rotated"), "an event")
    values = [value for key, value in (before | after).items() if "password" in key]
    assert not [value for value in values if value in json.dumps([running.get(), running.events("Rotated")])]


def test_keys_are_known_before_they_are_used_and_used_until_they_expire(running: Any) -> None:
    before = secret(running, "credentials")
    ask(running, ROTATE_TOKEN_KEY)
    until(lambda: rotation(running).get("phase") == "Publishing", "the first pass", 60)
    assert len(json.loads(running.child("ConfigMap", "demo-jwks")["data"]["jwks.json"])["keys"]) == 2
    take_turns(running, "Publishing")
    assert secret(running, "user")["token_key.pem"] == before["token_key"]
    assert secret(running, "message")["chat_internal_token"].split()[0] == before["internal_token"]
    take_turns(running, "Signing")
    until(lambda: rotation(running).get("phase") == "Expiring", "the tokens to run out", 120)
    assert secret(running, "user")["token_key.pem"] != before["token_key"]
    assert secret(running, "message")["chat_internal_token"].split()[1] == before["internal_token"]
    used = {name: checksum(running, "Deployment", name) for name in TURNS}
    time_passes(running, TOKEN_SECONDS + CLOCKS_SECONDS)
    until(lambda: not rotation(running), "the end", 120)
    assert len(json.loads(running.child("ConfigMap", "demo-jwks")["data"]["jwks.json"])["keys"]) == 1
    until(
        lambda: before["internal_token"] not in secret(running, "message")["chat_internal_token"], "the old one to go"
    )
    assert {name: checksum(running, "Deployment", name) for name in TURNS} == used, "to forget needs no restart"


def test_a_service_that_does_not_become_ready_takes_it_back(running: Any) -> None:
    running.change({"spec": {"upgrade": {"stepTimeoutSeconds": 10}}})
    until(running.settled, "everything applied", 60)
    before = secret(running, "credentials")
    ask(running, ROTATE_CREDENTIALS)
    until(lambda: rotation(running).get("phase") == "RollingBack", "it to be taken back", 60)
    running.run_everything()
    until(lambda: running.condition("Rotating")["reason"] == "RotationFailed", "the failure to be told", 40)
    assert secret(running, "credentials") == before
    assert "ask again" in running.condition("Rotating")["message"]
