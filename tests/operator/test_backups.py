"""ChatBackups against a real API server, apart from what runs in their Jobs."""

from typing import Any

import pytest

from chatcluster_operator.kube import KINDS
from chatcluster_operator.kube.kinds import CHATBACKUP
from chatcluster_testing.control_plane import until

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(300)


def ask(room: Any, name: str, cluster: str = "demo") -> None:
    """Make a ChatBackup as a person does."""
    body = {
        "apiVersion": CHATBACKUP.api_version,
        "kind": CHATBACKUP.name,
        "metadata": {"name": name},
        "spec": {"clusterName": cluster},
    }
    room.api.create(CHATBACKUP.path(room.namespace), body)


def status(room: Any, name: str) -> Object:
    """What a ChatBackup says."""
    return room.api.get(CHATBACKUP.path(room.namespace, name)).get("status", {})


def reason(room: Any, name: str) -> str:
    """Why it is not whole."""
    return next((item["reason"] for item in status(room, name).get("conditions", [])), "")


def test_one_that_names_no_chatcluster_says_so_and_mends_itself(room: Any) -> None:
    ask(room, "early")
    until(lambda: reason(room, "early") == "NoChatCluster", "the condition")
    room.create()
    until(lambda: reason(room, "early") == "NotConfigured", "the ChatCluster to be found")
    room.delete()
    until(lambda: reason(room, "early") == "NoChatCluster", "the condition again")
    assert status(room, "early")["phase"] == "Pending"


def test_one_that_runs_without_its_chatcluster_has_failed(room: Any) -> None:
    ask(room, "late")
    until(lambda: reason(room, "late") == "NoChatCluster", "the condition")
    started = {"phase": "Running", "id": "20261123T120000Z-0a1b2c3d", "started": "2026-11-23T12:00:00Z"}
    room.api.merge(f"{CHATBACKUP.path(room.namespace, 'late')}/status", {"status": started})
    until(lambda: status(room, "late")["phase"] == "Failed", "it to be given up")


SECRETS: Object = {"destination": {"access_key": "a", "secret_key": "b"}, "passphrase": {"passphrase": "c" * 32}}
BACKUP: Object = {
    "destination": {"endpoint": "https://s3.example.com", "bucket": "chat-backups", "secretName": "destination"},
    "encryption": {"secretName": "passphrase"},
}


def whole(uid: str) -> Object:
    """The status of a backup of this ChatCluster that came to a good end."""
    return {
        "phase": "Completed",
        "id": "20261123T030000Z-0a1b2c3d",
        "location": f"s3://chat-backups/chat/demo/{uid}",
        "started": "2026-11-23T03:00:00Z",
        "completed": "2026-11-23T03:05:00Z",
        "moment": "2026-11-23T03:01:00Z",
        "bytes": 7,
    }


def test_whether_it_is_backed_up_is_a_condition_and_its_age_a_metric(room: Any, operator: Any) -> None:
    name = "chatcluster_operator_newest_backup_timestamp_seconds"
    for secret, values in SECRETS.items():
        room.api.create(KINDS["Secret"].path(room.namespace), {"metadata": {"name": secret}, "stringData": values})
    room.create()
    until(room.settled, "everything applied", 60)
    assert room.condition("BackedUp") == {}, "nobody asked for backups"
    room.change({"spec": {"backup": BACKUP}})
    until(lambda: room.condition("BackedUp").get("reason") == "NoBackupYet", "the condition", 60)
    ask(room, "of-this")
    until(lambda: reason(room, "of-this"), "it to be seen", 60)
    uid = room.get()["metadata"]["uid"]
    room.api.merge(f"{CHATBACKUP.path(room.namespace, 'of-this')}/status", {"status": whole(uid)})
    until(lambda: room.condition("BackedUp").get("status") == "True", "the condition to hold", 60)
    until(lambda: operator.metric(name, namespace=room.namespace) == 1_795_402_860, "the metric", 30)

    room.change({"spec": {"backup": {**BACKUP, "verification": {"schedule": "0 0 1 1 *"}}}})
    jobs = KINDS["Job"].path(room.namespace)

    def verifying() -> list[str]:
        return [item["metadata"]["name"] for item in room.api.items(jobs) if "verif" in item["metadata"]["name"]]

    until(verifying, "its Job", 60)
    assert "ended" not in status(room, "of-this")["verification"]
    room.change({"spec": {"backup": None}})
    until(lambda: not verifying(), "the Job to go", 60)
    until(lambda: "ended" in status(room, "of-this")["verification"], "its end to be told", 30)
    until(lambda: room.condition("BackedUp") == {}, "the condition to go", 30)
    until(lambda: operator.metric(name, namespace=room.namespace) == 0, "the metric to go", 30)
