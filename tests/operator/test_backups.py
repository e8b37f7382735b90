"""ChatBackups against a real API server, apart from what runs in their Jobs."""

from typing import Any

import pytest

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
