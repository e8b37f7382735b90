"""Stores asked how they are: when, how often, and whom that wakes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from chatcluster_operator import metrics
from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.decide import Key, Pod
from chatcluster_operator.decide.members import Contact, Member, Reach, StoreView
from chatcluster_operator.desired import generate
from chatcluster_operator.observe.stores import Pace, StoreWatch, contacts

QUICK = Pace(well=(3600.0, 3600.0), busy=(0.01, 0.01))


def contact(ordinal: int, address: str = "10.0.0.1") -> Contact:
    return Contact(f"demo-redis-{ordinal}", address, "node-1", ready=True)


class World:
    """One ChatCluster with one store, whose members say what they are told to."""

    def __init__(self, cluster: ChatCluster, pace: Pace) -> None:
        self.asked: list[Reach] = []
        self.woken = asyncio.Event()
        self.error: Exception | None = None
        self.in_step = True
        self.leader = "demo-redis-0"
        self.reach = Reach(cluster, "redis", generate(None, bytes), tuple(contact(ordinal) for ordinal in range(3)))
        self.watch = StoreWatch({"redis": self.probe}, asyncio.Semaphore(2), self.woken.set, pace=pace)

    async def probe(self, reach: Reach) -> StoreView:
        self.asked.append(reach)
        if self.error:
            raise self.error
        members = (
            Member(item.name, item.node, MemberRole.FOLLOWER, MemberState.RUNNING, in_step=self.in_step)
            for item in reach.contacts
        )
        return StoreView("redis", tuple(members), leader=self.leader)

    def look(self, *, busy: bool = False) -> StoreView | None:
        return self.watch.look({"redis": self.reach}, frozenset({"redis"} if busy else ())).get("redis")

    async def change(self) -> StoreView:
        """The next view that woke the worker."""
        async with asyncio.timeout(20):
            await self.woken.wait()
        self.woken.clear()
        view = self.look()
        assert view is not None
        return view

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(20):
            while len(self.asked) < times:
                await asyncio.sleep(0.005)


@pytest.fixture
async def world(chatcluster: Callable[..., ChatCluster]) -> AsyncIterator[World]:
    world = World(chatcluster(), QUICK)
    yield world
    world.watch.close()


async def test_a_store_that_is_well_is_asked_once_and_then_rarely(world: World) -> None:
    assert world.look() is None
    assert (await world.change()).well
    for _ in range(10):
        world.look()
        await asyncio.sleep(0.01)
    assert len(world.asked) == 1


async def test_one_that_is_not_is_asked_often_and_wakes_nobody_while_it_says_the_same(world: World) -> None:
    world.in_step = False
    world.look()
    assert not (await world.change()).well
    await world.until_asked(5)
    assert not world.woken.is_set()
    world.in_step = True
    assert (await world.change()).well


async def test_one_that_is_wrong_for_long_is_asked_ever_more_rarely(chatcluster: Callable[..., ChatCluster]) -> None:
    world = World(chatcluster(), replace(QUICK, patience=0.0001, busy=(10.0, 10.0)))
    world.in_step = False
    world.look()
    await world.change()
    await asyncio.sleep(0.05)
    assert len(world.asked) == 1
    world.watch.close()


async def test_another_pod_new_credentials_and_an_order_make_it_ask_at_once(world: World) -> None:
    world.look()
    await world.change()
    world.reach = replace(world.reach, contacts=(contact(0, "10.0.0.9"), *world.reach.contacts[1:]))
    world.look()
    await world.until_asked(2)
    assert world.asked[-1].contacts[0].address == "10.0.0.9"
    world.reach = replace(world.reach, credentials=generate(None, lambda n: b"x" * n))
    world.look()
    await world.until_asked(3)
    world.watch.poke()
    await world.until_asked(4)


async def test_while_something_goes_on_it_is_asked_often(world: World) -> None:
    world.look(busy=True)
    await world.until_asked(5)


@pytest.mark.parametrize(
    ("error", "said"), [(ConnectionRefusedError(), "no member answers"), (KeyError("x"), "defect of the operator")]
)
async def test_a_probe_that_fails_is_a_view_of_silent_members(world: World, error: Exception, said: str) -> None:
    world.error = error
    world.reach = replace(world.reach, contacts=(contact(0), contact(1, address="")))
    world.look()
    view = await world.change()
    assert said in view.problem
    assert [member.state for member in view.members] == [MemberState.UNREACHABLE, MemberState.ABSENT]


async def test_another_leader_is_counted_with_the_time_that_the_lead_was_in_doubt(world: World) -> None:
    before = changes()
    world.look()
    await world.change()
    for leader in ("", "demo-redis-0", "", "demo-redis-1"):
        world.leader = leader
        world.watch.poke()
        await world.change()
    assert changes() == (before[0] + 1, before[1] + 1)


def changes() -> tuple[float, float]:
    names = ("chatcluster_operator_failovers_total", "chatcluster_operator_failover_seconds_count")
    failovers, timed = (metrics.REGISTRY.get_sample_value(name, {"store": "redis"}) or 0.0 for name in names)
    return failovers, timed


async def test_a_store_that_has_one_member_again_is_forgotten(world: World) -> None:
    world.look()
    await world.change()
    assert world.watch.look({}) == {}
    world.look()
    await world.until_asked(2)


def test_contacts_are_the_members_that_should_be_and_those_besides() -> None:
    pods = {
        Key("Pod", "demo-redis-1"): Pod("b", 1, "redis", ready=True, address="10.0.0.2", node="node-2"),
        Key("Pod", "demo-redis-3"): Pod("d", 1, "redis", ending=True, address="10.0.0.4", node="node-1"),
        Key("Pod", "demo-redis-nodes-0"): Pod("x", 1, "redis"),
        Key("Pod", "demo-kafka-0"): Pod("y", 1, "kafka"),
    }
    assert contacts("demo-redis", 2, pods) == (
        Contact("demo-redis-0"),
        Contact("demo-redis-1", "10.0.0.2", "node-2", ready=True),
        Contact("demo-redis-3", "10.0.0.4", "node-1", ending=True),
    )
