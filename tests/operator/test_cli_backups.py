"""`kubectl chat backup`, `backups` and `restore` against a real API server with the operator at work."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chatcluster_operator import install
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_operator.kube.kinds import CHATBACKUP
from chatcluster_testing.control_plane import ControlPlane, until
from chatcluster_testing.kubectl_chat import PATIENCE, Chat, manifest

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(400)

SPEC: Object = {
    "backup": {
        "destination": {"endpoint": "https://s3.example.com", "bucket": "chat-backups", "secretName": "destination"},
        "encryption": {"secretName": "passphrase"},
    }
}
SECRETS = {"destination": {"access_key": "a", "secret_key": "b"}, "passphrase": {"passphrase": "c" * 32}}
ELSEWHERE = ("--endpoint", "https://s3.example.com", "--secret", "destination", "--passphrase-secret", "passphrase")


@pytest.fixture
def chat(plane: ControlPlane) -> Chat:
    """The plugin for the administrator."""
    return Chat(plane.kubeconfig("chat-administrator"))


def ask(room: Any, name: str, status: Object | None = None) -> None:
    """A ChatBackup; with a status it is one that ended."""
    body = {
        "apiVersion": CHATBACKUP.api_version,
        "kind": CHATBACKUP.name,
        "metadata": {"name": name},
        "spec": {"clusterName": "demo", "comment": "before the move"},
    }
    room.api.create(CHATBACKUP.path(room.namespace), body)
    if status is not None:
        room.api.merge(f"{CHATBACKUP.path(room.namespace, name)}/status", {"status": status})


def of(room: Any) -> list[Object]:
    """All ChatBackups."""
    return room.api.items(CHATBACKUP.path(room.namespace))


WHOLE: Object = {
    "phase": "Completed",
    "id": "20261123T030000Z-0a1b2c3d",
    "location": "s3://chat-backups/chat/demo/uid",
    "started": "2026-11-23T03:00:00Z",
    "completed": "2026-11-23T03:05:00Z",
    "moment": "2026-11-23T03:01:00Z",
    "bytes": 3 << 20,
    "release": install.RELEASE,
}


def test_one_is_asked_for_waited_for_and_listed(room: Any, chat: Chat) -> None:
    for name, values in SECRETS.items():
        room.api.create(KINDS["Secret"].path(room.namespace), {"metadata": {"name": name}, "stringData": values})
    room.create(SPEC)
    until(room.settled, "everything applied", 60)
    chat("backup", "-n", room.namespace, "--timeout", "1", code=5)
    assert "ready for the first time" in chat.errors, "what it waits for"
    [first] = of(room)
    assert first["metadata"]["name"].startswith("demo-2")
    chat("backup", "-n", room.namespace, "--comment", "the second", "--no-wait")

    made = chat.start("backup", "-n", room.namespace, "-o", "json")
    asked = until(lambda: len(found := of(room)) == 3 and found, "the third", 60)
    newest = max(item["metadata"]["name"] for item in asked)
    room.api.merge(f"{CHATBACKUP.path(room.namespace, newest)}/status", {"status": WHOLE})
    out, err = made.communicate(timeout=PATIENCE)
    assert made.returncode == 0, out + err
    assert '"moment": "2026-11-23T03:01:00Z"' in out

    shown = chat("backups", "-n", room.namespace)
    assert "3.0 MiB" in shown
    assert "the second" in shown
    assert len(chat.json("backups", "-n", room.namespace)) == 3
    assert chat.json("backups", "other", "-n", room.namespace) == []


def test_none_is_made_where_nobody_knows_where_to(demo: Any, chat: Chat) -> None:
    chat("backup", "-n", demo.namespace, code=1)
    assert "spec.backup" in chat.errors
    chat("backup", "other", "-n", demo.namespace, code=3)
    assert not of(demo)


def test_a_restore_is_a_new_chatcluster(room: Any, chat: Chat, tmp_path: Path) -> None:
    ask(room, "whole", WHOLE)
    ask(room, "broken", {**WHOLE, "phase": "Failed"})
    where = ("-n", room.namespace)
    printed = yaml.safe_load(chat("restore", "whole", "--as", "again", *where, "--dry-run"))
    assert printed["spec"] == {"version": install.RELEASE, "bootstrap": {"recovery": {"backup": {"name": "whole"}}}}
    assert room.get("again") is None, "nothing is written"

    file = tmp_path / "chat.yaml"
    file.write_text(manifest({"edge": {"replicas": 3}}, name="of-the-file"))
    chat("restore", "whole", *where, "-f", str(file), "--target-time", "2026-11-23T04:00:00Z", "--no-wait")
    made = room.get("of-the-file")["spec"]
    assert made["edge"]["replicas"] == 3
    assert made["bootstrap"]["recovery"]["targetTime"] == "2026-11-23T04:00:00Z"
    chat("restore", "whole", *where, "-f", str(file), code=2)
    assert "already" in chat.errors

    chat("restore", "broken", "--as", "x", *where, code=1)
    chat("restore", "none", "--as", "x", *where, code=3)
    chat("restore", "whole", *where, code=2)
    chat("restore", "whole", "--as", "x", "--target-time", "yesterday", *where, "--no-wait", code=4)


def test_a_restore_from_where_backups_lie(room: Any, chat: Chat) -> None:
    source = ("restore", "s3://chat-backups/chat/demo/uid", "--as", "again", "-n", room.namespace)
    chat(*source, code=2)
    assert "--endpoint, --secret, --passphrase-secret" in chat.errors
    chat(*source, *ELSEWHERE, code=2)
    assert "--release" in chat.errors
    printed = chat.json(*source, *ELSEWHERE, "--release", install.RELEASE, "--dry-run")
    assert printed["spec"]["bootstrap"]["recovery"]["source"] == {
        "endpoint": "https://s3.example.com",
        "bucket": "chat-backups",
        "path": "chat/demo/uid",
        "secretName": "destination",
        "encryption": {"secretName": "passphrase"},
    }
    room.api.create(CHATCLUSTER.path(room.namespace), printed)
    assert room.get("again")["spec"]["bootstrap"]["recovery"]["source"]["region"] == "us-east-1", "the API takes it"
