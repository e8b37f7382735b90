"""Which brokers are to hold which partition: the rule of the image's own class, asked in one process for all cases."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatcluster_testing.kafka import class_path, classes
from chatcluster_testing.process import find_program

Plan = Callable[..., list[list[int]]]


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    """Where partitions are afterwards, given where they are now and the brokers with their racks."""
    source = Path(__file__).with_name("PlacementLines.java")
    java = [find_program("java"), "-XX:TieredStopAtLevel=1", "-cp", f"{classes()}:{class_path()}", str(source)]
    with subprocess.Popen(java, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        answers = process.stdout
        assert answers

        def ask(current: list[list[int]], racks: list[str], copies: int = 3, *, even: bool = True) -> list[list[int]]:
            asked = {"current": current, "racks": dict(enumerate(racks)), "copies": copies, "even": even}
            print(json.dumps(asked), file=process.stdin, flush=True)
            changes = json.loads(answers.readline())
            return [changes.get(str(index), brokers) for index, brokers in enumerate(current)]

        yield ask
        process.stdin.close()


def test_new_partitions_are_on_all_and_led_by_each_in_turn(plan: Plan) -> None:
    made = plan([[]] * 6, [""] * 3)
    assert all(sorted(brokers) == [0, 1, 2] for brokers in made)
    assert Counter(brokers[0] for brokers in made) == {0: 2, 1: 2, 2: 2}


def test_one_becomes_three(plan: Plan) -> None:
    assert plan([[0]] * 2, [""] * 3, even=False) == [[0, 1, 2], [0, 1, 2]]


def test_what_leaves_is_replaced_where_it_was_and_nothing_else_moves(plan: Plan) -> None:
    after = plan([[0, 1, 2], [3, 1, 2], [1, 4, 0]], [""] * 3, even=False)
    assert after == [[0, 1, 2], [1, 2, 0], [1, 0, 2]]


def test_a_fourth_takes_its_share(plan: Plan) -> None:
    after = plan([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]], [""] * 4)
    assert sorted(Counter(broker for brokers in after for broker in brokers).values()) == [3, 3, 3, 3]
    assert sorted(Counter(brokers[0] for brokers in after).values()) == [1, 1, 1, 1]


def test_copies_are_in_different_racks(plan: Plan) -> None:
    for brokers in plan([[]] * 8, ["a", "a", "b", "b", "c", "c"]):
        assert len({"aabbcc"[broker] for broker in brokers}) == 3


def test_what_is_even_stays(plan: Plan) -> None:
    even = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert plan(even, [""] * 3) == even


def test_copies_beyond_what_is_asked_for_stay(plan: Plan) -> None:
    assert plan([[0, 1, 2]], [""] * 3, copies=1, even=False) == [[0, 1, 2]]


worlds = st.integers(1, 6).flatmap(
    lambda brokers: st.tuples(
        st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=brokers, max_size=brokers),
        st.lists(st.lists(st.integers(0, 7), max_size=3, unique=True), min_size=1, max_size=12),
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(world=worlds, even=st.booleans())
def test_every_partition_has_its_copies_on_brokers_that_stay(
    plan: Plan, world: tuple[list[str], list[list[int]]], *, even: bool
) -> None:
    racks, current = world
    after = plan(current, racks, even=even)
    for before, brokers in zip(current, after, strict=True):
        assert len(set(brokers)) == len(brokers) == min(3, len(racks))
        assert all(broker < len(racks) for broker in brokers)
        if not even:
            assert {broker for broker in before if broker < len(racks)} <= set(brokers)
    assert plan(after, racks, even=even) == after, "done once, there is nothing left to do"
    if even:
        leads = Counter(brokers[0] for brokers in after)
        for brokers in after:
            assert leads[brokers[0]] - min(leads[broker] for broker in brokers) <= 1
    if even and len(set(racks)) == 1:
        held = Counter(dict.fromkeys(range(len(racks)), 0) | Counter(b for some in after for b in some))
        assert max(held.values()) - min(held.values()) <= 1
