"""How long no write was taken, from the moments at which some were."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_testing.failover.probes import Gap, Probe, longest_gap, verify_all
from chatcluster_testing.people import Refused


@pytest.mark.parametrize(
    ("taken", "since", "until", "gap"),
    [
        # Around the fault at 10, seen from the last write before it.
        ([8, 9, 14, 15], 10, 20, Gap(9, 14)),
        # A longer one that was over before the fault is not its.
        ([1, 8, 9, 12, 15], 10, 15, Gap(9, 12)),
        # A second one, such as when the node comes back.
        ([9, 11, 12, 19, 20], 10, 20, Gap(12, 19)),
        # Nothing is taken any more: it lasts to the end.
        ([8, 9], 10, 20, Gap(9, 20)),
        # Nothing ever was.
        ([], 10, 20, Gap(10, 20)),
        # One that begins after the end is not looked at.
        ([9, 10, 11, 12, 40], 10, 11.5, Gap(10, 11)),
    ],
)
def test_the_longest_of_those_that_overlap(taken: list[float], since: float, until: float, gap: Gap) -> None:
    assert longest_gap(taken, since, until) == gap


moments = st.lists(st.floats(0, 100), max_size=20)


@given(moments, st.floats(0, 50), st.floats(50, 100))
def test_no_write_is_within_it_and_more_writes_never_make_it_longer(
    taken: list[float], since: float, until: float
) -> None:
    gap = longest_gap(taken, since, until)
    assert not any(gap.began < moment < gap.ended for moment in taken)
    middle = (gap.began + gap.ended) / 2
    assert longest_gap([*taken, middle], since, until).seconds <= gap.seconds


@dataclass
class Scripted(Probe):
    """Its writes come to what they are told to."""

    answers: list[Exception | None] = field(default_factory=list[Exception | None])
    readable_after: int = 0
    looks: int = 0

    async def write(self, number: int) -> None:
        if number < len(self.answers) and (answer := self.answers[number]):
            raise answer

    async def verify(self) -> None:
        self.looks += 1
        if self.looks <= self.readable_after:
            raise Refused({"status": 503})


async def run_for(probe: Probe, writes: int) -> None:
    running = asyncio.create_task(probe.run())
    deadline = time.monotonic() + 30
    while len(probe.taken) + probe.refused < writes and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_refused_is_counted_and_what_must_not_be_is_told() -> None:
    answers = [Refused({"status": 503}), TimeoutError(), ConnectionResetError(), Refused({"status": 409}), None]
    probe = Scripted("postgres", 0.001, answers=answers)
    await run_for(probe, len(answers))
    assert probe.refused == 4
    assert probe.taken
    (problem,) = probe.problems
    assert problem.startswith("a write to postgres was answered with 409")


async def test_what_cannot_be_read_for_a_moment_is_read_again() -> None:
    probe = Scripted("objects", 1, readable_after=3)

    async def at_once() -> None:
        await asyncio.sleep(0)

    await verify_all([probe], at_once)
    assert (probe.looks, probe.problems) == (4, [])
