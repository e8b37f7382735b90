"""Rotations: what follows from what, one look at a time."""

from datetime import UTC, datetime

import pytest

from chatcluster_operator.api import (
    ROTATE_CREDENTIALS,
    ROTATE_TOKEN_KEY,
    Rotated,
    Rotation,
    RotationKind,
    RotationPhase,
)
from chatcluster_operator.decide.rotation import Change, Course, Progress, advance, due, turns
from chatcluster_operator.desired.types import Turns

ORDER = ("user", "message", "gateway")
PASSWORDS, KEYS = RotationKind.PASSWORDS, RotationKind.KEYS
STEP, TOKEN = 600, 900
WELL, LATE = Progress(renewed=True), Progress(renewed=False)


def at(what, phase, step="user", since=1000, message=""):
    return Rotation(what=what, phase=RotationPhase(phase), step=step, started=1000, since=since, message=message)


def course(rotation=None, coming=None, asked=None, late=(), *, trouble="", now=1010) -> Course:
    progress = {name: Progress(renewed=False, trouble=trouble) if name in late else WELL for name in ORDER}
    return advance(
        rotation=rotation,
        coming=coming,
        asked=asked,
        order=ORDER,
        progress=progress,
        step_seconds=STEP,
        token_seconds=TOKEN,
        now=now,
    )


def going(found: Course) -> Rotation:
    """The rotation as it goes on."""
    assert found.rotation is not None
    return found.rotation


def test_nothing_asked_nothing_done():
    assert course() == Course(None)


@pytest.mark.parametrize(("what", "phase"), [(PASSWORDS, "Rolling"), (KEYS, "Publishing")])
def test_it_begins_with_new_values_in_the_secret(what, phase):
    assert course(asked=what, now=1000) == Course(at(what, phase), Change.BEGIN)


def test_values_that_could_not_be_stored_are_made_again():
    assert course(at(PASSWORDS, "Rolling"), asked=PASSWORDS, now=1000).change is Change.BEGIN
    assert course(at(PASSWORDS, "Rolling")) == Course(None)


PASSES = [
    (PASSWORDS, "Rolling", "user", ("Rolling", "message", Change.KEEP)),
    (PASSWORDS, "Rolling", "gateway", ("Rolling", "gateway", Change.COMPLETE)),
    (KEYS, "Publishing", "message", ("Publishing", "gateway", Change.KEEP)),
    (KEYS, "Publishing", "gateway", ("Signing", "", Change.KEEP)),
    (KEYS, "Signing", "", ("Signing", "user", Change.KEEP)),
    (KEYS, "Signing", "user", ("Signing", "message", Change.KEEP)),
    (KEYS, "Signing", "gateway", ("Expiring", "", Change.KEEP)),
]


@pytest.mark.parametrize(("what", "phase", "step", "after"), PASSES)
def test_a_service_that_is_through_gives_its_turn_to_the_next(what, phase, step, after):
    found = course(at(what, phase, step), what)
    assert (going(found).phase, going(found).step, found.change) == after
    waits = course(at(what, phase, step), what, late=("user",))
    assert waits == Course(at(what, phase, step)), "one that was through and is no more holds it up too"


@pytest.mark.parametrize(("seconds", "change"), [(TOKEN - 1, Change.KEEP), (TOKEN, Change.COMPLETE)])
def test_the_old_key_stays_until_its_last_token_has_expired(seconds, change):
    rotation = at(KEYS, "Expiring", "")
    assert course(rotation, KEYS, now=1000 + seconds) == Course(rotation, change)


@pytest.mark.parametrize("rotation", [at(PASSWORDS, "Rolling", "gateway"), at(KEYS, "Expiring", "")])
def test_it_is_over_once_the_secret_has_the_new_values_alone(rotation):
    assert course(rotation) == Course(None, finished=rotation)


@pytest.mark.parametrize(("trouble", "seconds", "phase"), [
    ("", STEP - 1, "Rolling"),
    ("", STEP, "RollingBack"),
    ("no image", 29, "Rolling"),
    ("no image", 30, "RollingBack"),
])  # fmt: skip
def test_a_service_that_does_not_become_ready_takes_it_back(trouble, seconds, phase):
    found = course(
        at(PASSWORDS, "Rolling", "message"), PASSWORDS, late=("message",), trouble=trouble, now=1000 + seconds
    )
    assert going(found).phase == phase
    assert found.change is Change.KEEP
    if phase == "RollingBack":
        assert going(found).message == (trouble or f"message did not become ready within {STEP} s")


@pytest.mark.parametrize(("what", "late", "seconds", "change"), [
    (PASSWORDS, (), 0, Change.WITHDRAW),
    (PASSWORDS, ("gateway",), 10_000, Change.KEEP),
])  # fmt: skip
def test_taken_back_the_new_values_go_once_nobody_uses_them(what, late, seconds, change):
    rotation = at(what, "RollingBack", "message", message="why")
    assert course(rotation, what, late=late, now=1000 + seconds) == Course(rotation, change)
    failed = going(course(rotation))
    assert (failed.phase, failed.step, failed.message) == ("Failed", "message", "why")
    assert going(course(failed)) == failed, "it is remembered"
    assert course(failed, asked=what, now=1000) == Course(going(course(asked=what, now=1000)), Change.BEGIN)


def test_keys_are_taken_back_once_the_last_token_of_the_new_one_has_expired():
    back = at(KEYS, "RollingBack", "message", message="why")
    assert course(back, KEYS, late=("gateway",), now=10_000) == Course(back), "somebody may still sign with it"
    returned = going(course(back, KEYS, now=2000))
    assert returned == at(KEYS, "RollingBack", "", since=2000, message="why")
    assert course(returned, KEYS, now=2000 + TOKEN - 1) == Course(returned)
    assert course(returned, KEYS, now=2000 + TOKEN) == Course(returned, Change.WITHDRAW)
    assert going(course(returned, now=4000)).phase == "Failed"


def test_keys_that_nobody_uses_yet_are_taken_back_without_waiting():
    gone = going(course(at(KEYS, "Publishing", "gateway"), KEYS, late=("message",), now=1000 + STEP))
    assert (gone.phase, gone.step) == ("Withdrawing", "message")
    assert course(gone, KEYS, late=("message",)) == Course(gone, Change.WITHDRAW), "it may not be able to start"
    assert going(course(gone, late=("message",))).phase == "Failed"


@pytest.mark.parametrize(("what", "phase", "step"), [(PASSWORDS, "Rolling", "user"), (KEYS, "Signing", "")])
def test_a_lost_status_is_taken_up_where_every_value_in_use_is_good(what, phase, step):
    assert course(None, what) == Course(at(what, phase, step, since=1010).model_copy(update={"started": 1010}))
    if what is KEYS:
        taken_up = at(KEYS, "Signing", "")
        assert course(taken_up, KEYS, late=("gateway",)) == Course(taken_up), "until all know the new key"
        assert going(course(taken_up, KEYS)).step == "user"


TURNS = [
    (None, (), ()),
    (at(PASSWORDS, "Rolling", "message"), (), ORDER[:2]),
    (at(KEYS, "Publishing", "user"), ORDER[:1], ()),
    (at(KEYS, "Signing", "message"), ORDER, ORDER[:2]),
    (at(KEYS, "Expiring", ""), ORDER, ORDER),
    (at(KEYS, "RollingBack", "message"), ORDER, ()),
    (at(KEYS, "Signing", ""), ORDER, ()),
    (at(KEYS, "Withdrawing", "message"), (), ()),
    (at(KEYS, "Failed", "message"), (), ()),
    (at(PASSWORDS, "Rolling", "file"), (), ()),
]


@pytest.mark.parametrize(("rotation", "knowing", "using"), TURNS)
def test_who_knows_and_uses_the_new_values(rotation, knowing, using):
    assert turns(rotation, ORDER) == Turns(frozenset(knowing), frozenset(using))


DAY = 86_400
MADE = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
"""When the ChatCluster was made."""


def rfc3339(day):
    return datetime.fromtimestamp(MADE + day * DAY, UTC).isoformat()


DUE = [
    ("nothing is asked for", None, {}, None, None, 10_000, None),
    ("not before its time", 90, {}, None, None, 89, None),
    ("its time counts from when it was made", 90, {}, None, None, 90, PASSWORDS),
    ("then the keys'", 90, {}, Rotated(passwords=MADE + 90 * DAY), None, 90, KEYS),
    ("and from the last one", 90, {}, Rotated(passwords=MADE + 90 * DAY, keys=MADE + 91 * DAY), None, 179, None),
    ("each by itself", 90, {}, Rotated(passwords=MADE + 90 * DAY, keys=MADE + 91 * DAY), None, 180, PASSWORDS),
    (
        "one asked for by hand moves it",
        90,
        {},
        Rotated(passwords=MADE + 50 * DAY, keys=MADE + 50 * DAY),
        None,
        139,
        None,
    ),
    ("a failed one waits for its next time", 90, {}, Rotated(keys=MADE + 90 * DAY), (PASSWORDS, 90), 179, None),
    ("and is tried then", 90, {}, Rotated(keys=MADE + 100 * DAY), (PASSWORDS, 90), 180, PASSWORDS),
    ("it does not hold up the other kind", 90, {}, None, (PASSWORDS, 90), 90, KEYS),
    ("a shorter time is soon over", 1, {}, Rotated(passwords=MADE + DAY, keys=MADE + DAY), None, 2, PASSWORDS),
    ("asked for", None, {ROTATE_CREDENTIALS: rfc3339(5)}, None, None, 5, PASSWORDS),
    ("asked for keys", None, {ROTATE_TOKEN_KEY: rfc3339(5)}, None, None, 5, KEYS),
    ("asked for both", None, {ROTATE_TOKEN_KEY: rfc3339(5), ROTATE_CREDENTIALS: rfc3339(5)}, None, None, 5, PASSWORDS),
    ("not in the future", None, {ROTATE_CREDENTIALS: rfc3339(6)}, None, None, 5, None),
    ("done", None, {ROTATE_CREDENTIALS: rfc3339(5)}, Rotated(passwords=MADE + 5 * DAY), None, 6, None),
    ("asked for anew", None, {ROTATE_CREDENTIALS: rfc3339(7)}, Rotated(passwords=MADE + 5 * DAY), None, 7, PASSWORDS),
    ("failed", None, {ROTATE_CREDENTIALS: rfc3339(5)}, None, (PASSWORDS, 5), 6, None),
    ("asked for after it failed", None, {ROTATE_CREDENTIALS: rfc3339(7)}, None, (PASSWORDS, 5), 7, PASSWORDS),
    ("no time", None, {ROTATE_CREDENTIALS: "now"}, None, None, 5, None),
    ("no offset", None, {ROTATE_CREDENTIALS: "2026-01-01T00:00:00"}, None, None, 5, None),
]


@pytest.mark.parametrize("row", [row[1:] for row in DUE], ids=[row[0] for row in DUE])
def test_what_is_due(row):
    days, annotations, rotated, failed, today, what = row
    rotation = None
    if failed is not None:
        started = MADE + failed[1] * DAY
        rotation = Rotation(what=failed[0], phase=RotationPhase.FAILED, step="user", started=started, since=started)
    found = due(
        created=rfc3339(0),
        every_days=days,
        annotations=annotations,
        rotation=rotation,
        rotated=rotated,
        now=MADE + today * DAY,
    )
    assert found is what
