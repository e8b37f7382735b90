"""While people chat, the ChatCluster is upgraded, scaled, rotated, drained, put to sleep: nobody loses anything.

`make day-two` runs this on the environment of `make up`.

In each but the first, the leading operator is killed at a random moment too. `day_two.py` beside this measures the same
under more load, and the rotation of keys, which waits for the last tokens of the old ones and so takes longest.
"""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.day_two import DayTwo, releases, with_the_operator_killed
from chatcluster_testing.talking import Load, Outcome, chatting

pytestmark = pytest.mark.timeout(1500)

LOAD = Load(people=12, room=4, per_second=8)


@pytest.fixture(scope="module")
def day_two(cluster: Cluster) -> DayTwo:
    """The operations."""
    return DayTwo(cluster)


@pytest.fixture(scope="module")
def catalogue(day_two: DayTwo) -> Iterator[tuple[str, str]]:
    """A release that works and one that does not."""
    with releases(day_two) as names:
        yield names


async def chat_through(cluster: Cluster, act: Callable[[], None]) -> Outcome:
    """People chat while `act` runs."""
    async with chatting(cluster.edge, LOAD) as chat:
        return await chat.through(lambda: asyncio.to_thread(act))


def kept(outcome: Outcome) -> None:
    """The delivery promise."""
    assert outcome.problems == []
    assert outcome.stored == outcome.acknowledged


async def test_an_upgrade_and_back(cluster: Cluster, day_two: DayTwo, catalogue: tuple[str, str]) -> None:
    before = day_two.status["version"]
    kept(await chat_through(cluster, lambda: day_two.upgrade(catalogue[0])))
    kept(await chat_through(cluster, with_the_operator_killed(day_two, lambda: day_two.upgrade(before), 30)))


async def test_a_release_that_cannot_work_is_taken_back(
    cluster: Cluster, day_two: DayTwo, catalogue: tuple[str, str]
) -> None:
    act = with_the_operator_killed(day_two, lambda: day_two.upgrade_that_fails(catalogue[1]), 60)
    kept(await chat_through(cluster, act))


async def test_more_replicas_and_fewer(cluster: Cluster, day_two: DayTwo) -> None:
    def up_and_down() -> None:
        for service in ("message", "presence"):
            day_two.scale(service, 3)
        for service in ("message", "presence"):
            day_two.scale(service, 1)

    try:
        kept(await chat_through(cluster, with_the_operator_killed(day_two, up_and_down, 30)))
    finally:
        day_two.patch({"services": {"message": {"autoscaling": None}, "presence": {"autoscaling": None}}})
        cluster.wait_ready()


async def test_new_passwords(cluster: Cluster, day_two: DayTwo) -> None:
    kept(await chat_through(cluster, with_the_operator_killed(day_two, lambda: day_two.rotate("credentials"), 30)))


async def test_a_restart(cluster: Cluster, day_two: DayTwo) -> None:
    kept(await chat_through(cluster, with_the_operator_killed(day_two, lambda: day_two.restart("message"), 10)))


async def test_a_drained_node(cluster: Cluster, day_two: DayTwo) -> None:
    node = day_two.node_without_stores() or day_two.node_of("message")

    def drain_and_give_back() -> None:
        try:
            day_two.drain(node)
        finally:
            day_two.uncordon(node)

    kept(await chat_through(cluster, with_the_operator_killed(day_two, drain_and_give_back, 20)))


async def test_asleep_and_awake(cluster: Cluster, day_two: DayTwo) -> None:
    async with chatting(cluster.edge, LOAD) as chat:
        kept(await chat.through(lambda: asyncio.sleep(0)))
        await chat.disconnect()
        await asyncio.to_thread(with_the_operator_killed(day_two, day_two.hibernate, 10))
        await asyncio.to_thread(with_the_operator_killed(day_two, day_two.wake, 10))
        await chat.connect()
        kept(await chat.through(lambda: asyncio.sleep(0)))
