"""Orders given to stores: one after the other, rarely where one is refused, and by whoever leads alone."""

import asyncio
from collections.abc import Callable

import pytest

from chatcluster_operator.act import StandbyError
from chatcluster_operator.act.stores import CommandError
from chatcluster_operator.act.stores.commander import LAST_PAUSE, TAKEN_SECONDS, Commander
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide.members import Failover, Order, Reach, Switchover
from chatcluster_operator.desired import generate

SWITCH = Switchover("redis", "asked for", "demo-redis-1")
TAKEOVER = Failover("redis", "asked for", "demo-redis-2")


class World:
    """One ChatCluster, a store that takes orders or does not, and a clock that is set."""

    def __init__(self, cluster: ChatCluster) -> None:
        self.now = 1000.0
        self.leading = True
        self.given: list[Order] = []
        self.error: Exception | None = None
        self.reaches = {"redis": Reach(cluster, "redis", generate(None, bytes), ())}
        self.commander = Commander({"redis": self.command}, self, clock=lambda: self.now)

    async def command(self, order: Order, reach: Reach) -> None:
        del reach
        await asyncio.sleep(0)
        self.given.append(order)
        if self.error:
            raise self.error

    async def give(self, *orders: Order) -> str:
        return (await self.commander.give({"redis": orders} if orders else {}, self.reaches)).get("redis", "")


@pytest.fixture
def world(chatcluster: Callable[..., ChatCluster]) -> World:
    return World(chatcluster())


async def test_one_that_was_taken_is_given_again_only_once_its_time_is_over(world: World) -> None:
    assert await world.give(SWITCH, TAKEOVER) == ""
    assert await world.give(SWITCH, TAKEOVER) == ""
    assert world.given == [SWITCH, TAKEOVER]
    world.now += TAKEN_SECONDS
    assert await world.give(SWITCH) == ""
    assert world.given == [SWITCH, TAKEOVER, SWITCH]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CommandError("no candidate"), "Switchover refused: no candidate"),
        (ConnectionRefusedError(), "the store did not answer"),
        (KeyError("x"), "a defect of the operator"),
    ],
)
async def test_one_that_fails_holds_up_the_rest_and_comes_again_ever_more_rarely(
    world: World, error: Exception, said: str
) -> None:
    world.error = error
    assert said in await world.give(SWITCH, TAKEOVER)
    assert said in await world.give(SWITCH, TAKEOVER)
    assert world.given == [SWITCH], "told as before, without asking again"
    for _ in range(10):
        world.now += LAST_PAUSE * 1.2
        assert said in await world.give(SWITCH, TAKEOVER)
    world.now += LAST_PAUSE / 2
    assert said in await world.give(SWITCH, TAKEOVER)
    assert world.given == [SWITCH] * 11
    world.error = None
    world.now += LAST_PAUSE
    assert await world.give(SWITCH, TAKEOVER) == ""
    assert world.given[-2:] == [SWITCH, TAKEOVER]


async def test_what_is_no_longer_decided_on_is_forgotten(world: World) -> None:
    world.error = CommandError("not now")
    assert await world.give(SWITCH)
    assert await world.give() == ""
    assert await world.give(SWITCH)
    assert world.given == [SWITCH, SWITCH]


async def test_who_does_not_lead_orders_nothing(world: World) -> None:
    world.leading = False
    with pytest.raises(StandbyError):
        await world.give(SWITCH)
    assert world.given == []
