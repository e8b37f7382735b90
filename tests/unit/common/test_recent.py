"""How long something that was read is good for."""

import pytest

from chatcluster_common.recent import Recent


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_is_known_until_its_time_is_up(clock: Clock) -> None:
    recent = Recent[str, int](seconds=2, now=clock)
    recent.put("a", 1)
    clock.time = 1.9
    assert recent.get("a") == 1
    clock.time = 2.0
    assert recent.get("a") is None


def test_what_changed_is_forgotten_at_once(clock: Clock) -> None:
    recent = Recent[str, int](seconds=2, now=clock)
    recent.put("a", 1)
    recent.forget("a")
    recent.forget("never known")
    assert recent.get("a") is None


def test_what_was_put_longest_ago_makes_room(clock: Clock) -> None:
    recent = Recent[str, int](seconds=2, most=2, now=clock)
    for key in ("a", "b", "a", "c"):
        recent.put(key, 1)
    assert [key for key in "abc" if recent.get(key)] == ["a", "c"]
