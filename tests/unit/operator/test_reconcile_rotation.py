"""Rotations in one look: for how long an old key stays, by what people's tokens were made with."""

from dataclasses import replace

import pytest

from chatcluster_operator.api import RotationKind
from chatcluster_operator.decide import Snapshot
from chatcluster_operator.decide.rotation import CLOCKS_SECONDS
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
