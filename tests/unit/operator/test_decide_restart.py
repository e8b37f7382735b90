"""Restarts on demand: whose turn it is, by table, and that each asked-for one comes to an end."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.decide import Wait, Workload
from chatcluster_operator.decide.restart import RESTART, Restarts, restarts

ORDER = ("postgres", "user", "gateway", "edge")
NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
BEFORE, ASKED, LATER = "2026-11-23T09:00:00Z", "2026-11-23T11:00:00Z", "2026-11-23T13:00:00Z"
WELL = Workload(wanted=2, ready=2, updated=2, current=True, available=True)
ROLLING = replace(WELL, updated=1, restarted=ASKED)
DONE = replace(WELL, restarted=ASKED)
ALL: dict[str, Workload] = dict.fromkeys(ORDER, WELL)


def look(asked: dict[str, str], workloads: Mapping[str, Workload], wait: Wait | None = None) -> Restarts:
    annotations = {RESTART + (f"-{name}" if name else ""): when for name, when in asked.items()}
    return restarts(annotations, ORDER, workloads, now=NOW, wait=wait)


@pytest.mark.parametrize(
    ("asked", "workloads", "stamps", "turn", "left"),
    [
        ({}, ALL, {}, "", ()),
        # One after the other, in the order of a change of release.
        ({"": ASKED}, ALL, {"postgres": ASKED}, "postgres", ("user", "gateway", "edge")),
        ({"gateway": ASKED}, ALL, {"gateway": ASKED}, "gateway", ()),
        ({"gateway": ASKED, "user": ASKED}, ALL, {"user": ASKED}, "user", ("gateway",)),
        # The next one only once the one before is well again.
        ({"": ASKED}, {**ALL, "postgres": ROLLING}, {"postgres": ASKED}, "postgres", ("user", "gateway", "edge")),
        (
            {"": ASKED},
            {**ALL, "postgres": DONE},
            {"postgres": ASKED, "user": ASKED},
            "user",
            ("gateway", "edge"),
        ),
        ({"": ASKED}, dict.fromkeys(ORDER, DONE), dict.fromkeys(ORDER, ASKED), "", ()),
        # Asked for once more.
        ({"edge": "2026-11-23T11:30:00Z"}, {"edge": DONE}, {"edge": "2026-11-23T11:30:00Z"}, "edge", ()),
        # Asked for before the last one: nothing is left to do.
        ({"edge": BEFORE}, {"edge": DONE}, {"edge": ASKED}, "", ()),
        # The later of two wins; the same moment in another zone is the same.
        ({"": BEFORE, "edge": ASKED}, {"edge": replace(WELL, restarted=BEFORE)}, {"edge": ASKED}, "edge", ()),
        ({"edge": "2026-11-23T12:00:00.9+01:00"}, {"edge": DONE}, {"edge": ASKED}, "", ()),
        # One that nobody asks for keeps what it has, also when it is not well.
        ({"edge": ASKED}, {"user": ROLLING, "edge": WELL}, {"user": ASKED, "edge": ASKED}, "edge", ()),
        # Not made yet: its pods will be new by then.
        ({"": ASKED}, {"edge": WELL}, {"edge": ASKED}, "edge", ()),
        # Asleep, a workload with nothing running is well.
        (
            {"": ASKED},
            {"postgres": replace(DONE, wanted=0, ready=0, updated=0, available=False), "edge": WELL},
            {"postgres": ASKED, "edge": ASKED},
            "edge",
            (),
        ),
    ],
)
def test_whose_turn_it_is(
    asked: dict[str, str], workloads: dict[str, Workload], stamps: dict[str, str], turn: str, left: tuple[str, ...]
) -> None:
    found = look(asked, workloads)
    assert (found.stamps, found.turn, found.left) == (stamps, turn, left)
    assert found.under_way is bool(turn)
    assert found.asked is bool(asked)
    assert not found.refused


def test_what_stands_in_the_way_is_told_while_something_is_left_to_do() -> None:
    wait = Wait("Paused", "waits")
    assert look({"edge": ASKED}, ALL, wait) == Restarts({}, "edge", asked=True, wait=wait)
    assert look({"edge": ASKED}, {"edge": DONE}, wait).wait is None
    assert look({}, ALL, wait).wait is None


def test_a_time_to_come_is_waited_for() -> None:
    found = look({"edge": LATER}, ALL)
    assert found.wait == Wait("Scheduled", f"waits until {LATER}, as asked", NOW + 3600)
    assert (found.stamps, found.turn, found.asked) == ({}, "", False)
    both = look({"edge": LATER, "user": ASKED}, ALL)
    assert (both.turn, both.wait) == ("user", None), "what is due comes first"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("usr", ASKED, "there is no component usr; choose one of postgres, user, gateway, edge"),
        ("user", "now", "'now' is no time; write it as 2026-11-23T18:00:00Z"),
        ("user", "2026-11-23T18:00:00", "is no time"),
        ("", "", "'' is no time"),
        ("user", "x" * 10_000, f"{'x' * 40!r} is no time"),
    ],
)
def test_what_cannot_be_done_is_told_and_hinders_nothing_else(name: str, value: str, says: str) -> None:
    found = look({name: value, "edge": ASKED}, ALL)
    (refused,) = found.refused
    assert says in refused
    assert len(refused) < 200
    assert found.turn == "edge"


@given(
    asked=st.dictionaries(st.sampled_from(("", *ORDER)), st.sampled_from((BEFORE, ASKED, LATER))),
    restarted=st.fixed_dictionaries(dict.fromkeys(ORDER, st.sampled_from(("", BEFORE, ASKED)))),
)
def test_each_component_is_restarted_once_and_one_at_a_time(asked: dict[str, str], restarted: dict[str, str]) -> None:
    """A world in which a workload whose template has changed rolls, and is well in the look after it."""
    world = {name: replace(WELL, restarted=when) for name, when in restarted.items()}
    rolled: list[str] = []
    for _ in range(2 * len(ORDER) + 1):
        found = look(asked, world)
        changed = [name for name in ORDER if found.stamps.get(name, "") != world[name].restarted]
        assert len(changed) <= 1
        assert not changed or all(world[name].updated == 2 for name in ORDER), "two at a time"
        world = {
            name: replace(item, restarted=found.stamps.get(name, ""), updated=1 if name in changed else 2)
            for name, item in world.items()
        }
        rolled += changed
    assert len(rolled) == len(set(rolled))
    assert not look(asked, world).under_way
