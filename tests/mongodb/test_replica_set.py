"""MongoDB's own server, by the operator's manifests, probe, decisions and commands: `make test-mongodb`."""

import secrets
import time
from dataclasses import replace

import pytest
from pymongo.errors import OperationFailure

from chatcluster_operator.api import RotationKind
from chatcluster_operator.decide.members.mongodb import ReplicaSetView
from chatcluster_testing.replica_set import ReplicaSet, kubectl

pytestmark = pytest.mark.timeout(1800)


def written(replica_set: ReplicaSet, seen: ReplicaSetView, text: str) -> None:
    with replica_set.client(seen) as client:
        client.chat.lines.insert_one({"text": text})


def lines(replica_set: ReplicaSet, seen: ReplicaSetView) -> set[str]:
    with replica_set.client(seen) as client:
        return {line["text"] for line in client.chat.lines.find()}


def test_a_killed_primary_is_replaced_and_nothing_acknowledged_is_lost(replica_set: ReplicaSet) -> None:
    before = replica_set.settle(3)
    written(replica_set, before, "before")
    kubectl("delete", "pod", before.leader, "--grace-period=0", "--force")
    after = replica_set.settle(3)
    assert "before" in lines(replica_set, after)


def test_a_primary_hands_over_before_it_goes(replica_set: ReplicaSet) -> None:
    before = replica_set.settle(3)
    kubectl("delete", "pod", before.leader, "--wait=false")
    other = next(member.name for member in before.members if member.name != before.leader)
    deadline = time.monotonic() + 60
    while "Stepping down" not in (log := kubectl("logs", before.leader)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "Stepping down" in log, f"{before.leader} should step down before {other} or another leads"
    after = replica_set.settle(3)
    written(replica_set, after, "after")


def test_passwords_are_rotated(replica_set: ReplicaSet) -> None:
    old = replica_set.credentials
    both = old.begin(RotationKind.PASSWORDS, secrets.token_bytes)
    for credentials in (both, both.completed):
        replica_set.inputs = replace(replica_set.inputs, credentials=credentials)
        replica_set.settle(3)
        time.sleep(2)
        seen = replica_set.settle(3)
        with replica_set.client(seen, "chat_b") as client:
            client.chat.lines.find_one()
    with (
        pytest.raises(OperationFailure),
        replica_set.client(seen, "chat", old.mongodb_password) as client,
    ):
        client.chat.lines.find_one()
    back = replica_set.credentials.begin(RotationKind.PASSWORDS, secrets.token_bytes).completed
    replica_set.inputs = replace(replica_set.inputs, credentials=back)
    replica_set.settle(3)


def test_a_set_grows_and_shrinks_and_keeps_everything(replica_set: ReplicaSet) -> None:
    written(replica_set, replica_set.settle(3), "three")
    replica_set.apply(5)
    five = replica_set.settle(5)
    written(replica_set, five, "five")
    replica_set.apply(3, replicas=5)
    three = replica_set.settle(3)
    assert {"three", "five"} <= lines(replica_set, three)


def test_a_member_with_an_empty_disk_copies_the_others(replica_set: ReplicaSet) -> None:
    seen = replica_set.settle(3)
    lost = next(member.name for member in seen.members if member.name != seen.leader)
    kubectl("delete", "pvc", f"data-{lost}", "--wait=false")
    kubectl("delete", "pod", lost, "--grace-period=0", "--force")
    assert replica_set.settle(3).leader
