"""What the commands about backups make of what the operator says."""

from typing import Any

import pytest

from chatcluster_operator.cli import backups, restore
from chatcluster_operator.cli.errors import CliError


def backup(phase: str | None, message: str = "it is said", **status: Any) -> dict[str, Any]:
    told = {"type": "Completed", "status": "False", "reason": "x", "message": message}
    known = {} if phase is None else {"status": {"phase": phase, "conditions": [told], **status}}
    return {"metadata": {"name": "a", "namespace": "chat"}, "spec": {"clusterName": "demo"}, **known}


STEPS = [{"name": "postgres", "state": "Done"}, {"name": "messages", "state": "Running"}, {"name": "seal", "state": ""}]


@pytest.mark.parametrize(
    ("found", "done", "text"),
    [
        (backup(None), False, "waiting for the operator"),
        (backup("Pending", "waits for a rotation"), False, "waits for a rotation"),
        (backup("Running"), False, "it is said"),
        (backup("Running", steps=STEPS), False, "1 of 3 steps done, messages"),
        (backup("Completed", "everything is in it"), True, "everything is in it"),
    ],
)
def test_how_far_a_backup_is(found: dict[str, Any], done: bool, text: str) -> None:
    assert backups.progress(found) == (done, text)


def test_one_that_failed_says_why() -> None:
    with pytest.raises(CliError, match="no room") as raised:
        backups.progress(backup("Failed", "no room"))
    assert raised.value.code == 1


@pytest.mark.parametrize(
    ("count", "text"), [(None, ""), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
)
def test_a_size_for_people(count: int | None, text: str) -> None:
    assert backups.size(count) == text


def cluster(status: str, reason: str, message: str = "it is said", kind: str = "Restored") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status, "reason": reason, "message": message}]}}


def test_how_far_a_restore_is() -> None:
    assert restore.progress({}) == (False, "waiting for the operator")
    assert restore.progress(cluster("False", "Restoring")) == (False, "it is said")
    assert restore.progress(cluster("True", "Restored")) == (True, "it is said")
    for kind, reason in (("Restored", "RecoveryFailed"), ("ConfigurationValid", "SecretNotFound")):
        with pytest.raises(CliError, match="it is said"):
            restore.progress(cluster("False", reason, kind=kind))
