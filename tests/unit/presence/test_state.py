"""How a person appears, given what is known of them."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_presence.models import Chosen
from chatcluster_presence.state import (
    KEEP_SECONDS,
    Appearance,
    Choice,
    Known,
    appearance,
    chosen_status,
    differs,
    process_of,
)

NOW = 1_800_000_000.0
ALIVE = {"p": NOW - 1, "q": NOW - 19}
DEAD = {"p": NOW - 21}
USED, IDLE = {"p/1": False}, {"p/1": True}
AWAY, DND, INVISIBLE = Choice("away"), Choice("dnd"), Choice("invisible")


def look(known: Known, processes: dict[str, float] = ALIVE, now: float = NOW) -> Appearance:
    return appearance("u", known, processes, now=now, dead_after=20)


def status(known: Known, processes: dict[str, float]) -> tuple[str, float | None]:
    seen = look(known, processes)
    return seen.status, seen.last_seen.timestamp() if seen.last_seen else None


@pytest.mark.parametrize(
    ("known", "processes", "expected"),
    [
        (Known(), ALIVE, ("offline", None)),
        (Known(last_seen=NOW - 60), ALIVE, ("offline", NOW - 60)),
        (Known(last_seen=NOW - KEEP_SECONDS - 1), ALIVE, ("offline", None)),
        (Known(USED), ALIVE, ("online", NOW)),
        (Known(IDLE), ALIVE, ("away", NOW)),
        (Known({"p/1": True, "q/1": False}), ALIVE, ("online", NOW)),
        (Known({"p/1": True, "q/1": True}), ALIVE, ("away", NOW)),
        (Known({"x/1": False, "q/1": True}), ALIVE, ("away", NOW)),
        (Known(USED, AWAY), ALIVE, ("away", NOW)),
        (Known(USED, DND), ALIVE, ("dnd", NOW)),
        (Known(IDLE, DND), ALIVE, ("dnd", NOW)),
        (Known({"x/1": False, "q/1": False}), ALIVE, ("online", NOW)),
        (Known(USED, INVISIBLE, NOW - 99), ALIVE, ("offline", NOW - 99)),
        (Known(USED), DEAD, ("offline", NOW - 21)),
        (Known(USED, last_seen=NOW - 99), DEAD, ("offline", NOW - 21)),
        (Known(USED, INVISIBLE, NOW - 99), DEAD, ("offline", NOW - 99)),
        (Known({"gone/1": False}), {}, ("offline", None)),
    ],
)
def test_status_and_last_seen(known: Known, processes: dict[str, float], expected: tuple[str, float | None]) -> None:
    assert status(known, processes) == expected


@pytest.mark.parametrize(
    ("known", "active"),
    [
        (Known(), False),
        (Known(USED), True),
        (Known(IDLE), False),
        (Known({"p/1": True, "q/1": False}), True),
        (Known(USED, DND), True),
        (Known(USED, INVISIBLE), True),
        (Known({"x/1": False}), False),
    ],
)
def test_active_is_who_uses_a_device_whatever_they_chose(known: Known, active: bool) -> None:
    assert look(known).active is active


@given(
    st.sampled_from(get_args(Chosen)),
    st.none() | st.floats(1, NOW),
    st.dictionaries(st.sampled_from(["p/1", "q/2", "dead/3"]), st.booleans()),
    st.none() | st.floats(NOW + 1, NOW + 1000),
)
def test_who_is_invisible_cannot_be_told_from_who_is_gone(
    chosen: Chosen, seen: float | None, devices: dict[str, bool], until: float | None
) -> None:
    hidden = look(Known(devices, Choice("invisible", until=until), seen))
    assert replace(hidden, active=False) == look(Known({}, Choice(chosen), seen))


def test_a_choice_ends() -> None:
    busy = Choice("dnd", "In a meeting", "📅", until=NOW + 10)
    before, after = look(Known(USED, busy)), look(Known(USED, busy), now=NOW + 10)
    assert (before.status, before.text, before.emoji) == ("dnd", "In a meeting", "📅")
    assert before.expires_at
    assert before.expires_at.timestamp() == NOW + 10
    assert (after.status, after.text, after.emoji, after.expires_at) == ("online", None, None, None)


def test_what_they_say_of_themselves_is_shown_while_they_are_gone() -> None:
    seen = look(Known(chosen=Choice("online", "On holiday", until=NOW + 10)))
    assert (seen.status, seen.text, seen.expires_at is None) == ("offline", "On holiday", False)


def test_what_is_stored_and_not_understood_is_online() -> None:
    assert [chosen_status(v) for v in ("dnd", "asleep", None)] == ["dnd", "online", "online"]


def test_what_is_news() -> None:
    online = look(Known(USED))
    same = look(Known({"p/1": True, "q/1": False}), now=NOW + 1)
    assert differs(None, online)
    assert not differs(online, same)
    for other in (AWAY, DND, INVISIBLE, Choice(text="x"), Choice(emoji="📅"), Choice(until=NOW + 9)):
        assert differs(online, look(Known(USED, other)))


def test_a_device_names_its_process() -> None:
    assert process_of("0198-ab/xyz") == "0198-ab"
