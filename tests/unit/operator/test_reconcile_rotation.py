"""Rotations in one look: for how long an old key stays, by what people's tokens were made with."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chatcluster_operator.api import RotationKind
from chatcluster_operator.decide import Child, Key, Snapshot, Wait, Workload
from chatcluster_operator.decide.rotation import CLOCKS_SECONDS
from chatcluster_operator.desired import components
from chatcluster_operator.reconcile.rotation import TOKEN_SECONDS, rotate
from chatcluster_testing.specs import even_randomness

SINCE = 10_000


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [
        (None, TOKEN_SECONDS),
        ("3600", 3600),
        # Lowered a moment ago, perhaps: people still have tokens of the time before.
        ("120", TOKEN_SECONDS),
        ("soon", TOKEN_SECONDS),
    ],
)
def test_an_old_key_stays_until_its_last_token_has_expired(chatcluster, inputs, setting, seconds):
    env = [{"name": "CHAT_ACCESS_TOKEN_SECONDS", "value": setting}] if setting else []
    expiring = {"what": "Keys", "phase": "Expiring", "started": SINCE - 500, "since": SINCE}
    made = chatcluster({"version": "1.0", "services": {"user": {"env": env}}})
    cluster = made.model_copy(update={"status": {"version": "1.0", "rotation": expiring}})
    given = inputs(cluster)
    old = given.credentials.token_key
    given = replace(given, credentials=given.credentials.begin(RotationKind.KEYS, even_randomness()))

    def key(now: int) -> str:
        return rotate(cluster, given, Snapshot(), upgrading=None, now=now).inputs.credentials.token_key

    gone = SINCE + seconds + CLOCKS_SECONDS
    assert key(gone - 1) == old
    assert key(gone) != old


def test_a_rotation_waits_for_a_backup_and_one_under_way_does_not(chatcluster, inputs):
    made = chatcluster({"version": "1.0", "services": {}})
    annotations = {"chatcluster.dev/rotate-token-key": "2026-11-23T12:00:00Z"}
    asked = made.model_copy(update={"status": {"version": "1.0"}, "annotations": annotations})
    given, backup = inputs(asked), Wait("BackupRunning", "waits for a backup")
    ready = Workload(wanted=1, ready=1, updated=1, current=True, available=True)
    snapshot = Snapshot(
        {
            Key(item.kind.value, item.workload): Child("uid", 1, None, None, "", workload=ready)
            for item in components(asked)
        }
    )
    now = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())

    def turned(cluster, given, wait):
        return rotate(cluster, given, snapshot, upgrading=None, now=now, backing_up=wait)

    assert turned(asked, given, backup).wait is backup
    begun = turned(asked, given, None)
    assert begun.rotation is not None
    assert (begun.wait, begun.rotation.phase) == (None, "Publishing")
    under_way = asked.model_copy(update={"status": {"version": "1.0", "rotation": begun.rotation.model_dump()}})
    assert turned(under_way, begun.inputs, backup).wait is None
