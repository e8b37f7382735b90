"""How a person appears, given what is known of them."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_presence.models import Chosen
from chatcluster_presence.state import Known, chosen_status, differs, presence, process_of

NOW = 1_800_000_000.0
ALIVE = {"p": NOW - 1, "q": NOW - 19}
DEAD = {"p": NOW - 21}


def status(known: Known, processes: dict[str, float]) -> tuple[str, float | None]:
    seen = presence("u", known, processes, now=NOW, dead_after=20)
    return seen.status, seen.last_seen.timestamp() if seen.last_seen else None


@pytest.mark.parametrize(
    ("known", "processes", "expected"),
    [
        (Known([]), ALIVE, ("offline", None)),
        (Known([], last_seen=NOW - 60), ALIVE, ("offline", NOW - 60)),
        (Known(["p/1"]), ALIVE, ("online", NOW)),
        (Known(["p/1"], "away"), ALIVE, ("away", NOW)),
        (Known(["p/1"], "dnd"), ALIVE, ("dnd", NOW)),
        (Known(["x/1", "q/1"]), ALIVE, ("online", NOW)),
        (Known(["p/1"], "invisible", NOW - 99), ALIVE, ("offline", NOW - 99)),
        (Known(["p/1"]), DEAD, ("offline", NOW - 21)),
        (Known(["p/1"], last_seen=NOW - 99), DEAD, ("offline", NOW - 21)),
        (Known(["p/1"], "invisible", NOW - 99), DEAD, ("offline", NOW - 99)),
        (Known(["gone/1"]), {}, ("offline", None)),
    ],
)
def test_presence(known: Known, processes: dict[str, float], expected: tuple[str, float | None]) -> None:
    assert status(known, processes) == expected


@given(st.sampled_from(get_args(Chosen)), st.floats(0, NOW))
def test_who_is_invisible_cannot_be_told_from_who_is_away_for_good(chosen: Chosen, seen: float) -> None:
    hidden = status(Known(["p/1"], "invisible", seen), ALIVE)
    assert hidden == status(Known([], chosen, seen), ALIVE)


def test_what_is_stored_and_not_understood_is_online() -> None:
    assert [chosen_status(v) for v in ("dnd", "asleep", None)] == ["dnd", "online", "online"]


def test_only_another_status_is_news() -> None:
    online = presence("u", Known(["p/1"]), ALIVE, now=NOW, dead_after=20)
    later = presence("u", Known(["p/1"]), ALIVE, now=NOW + 1, dead_after=20)
    away = presence("u", Known(["p/1"], "away"), ALIVE, now=NOW, dead_after=20)
    assert (differs(None, online), differs(online, later), differs(online, away)) == (True, False, True)


def test_a_connection_names_its_process() -> None:
    assert process_of("0198-ab/xyz") == "0198-ab"
