"""A store's leader dies, or is told to hand over, while people chat: nobody loses anything, and writes go on soon.

`make failover` measures this and all else that may fail under more load (`failover.py` beside this); here are the two
quickest of its faults.
"""

from collections.abc import Iterator

import pytest

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.failover.faults import FAULTS, Fault
from chatcluster_testing.failover.measure import measure
from chatcluster_testing.failover.timeline import watching
from chatcluster_testing.failover.world import World, with_members
from chatcluster_testing.talking import Load, chatting

pytestmark = pytest.mark.timeout(2400)

LOAD = Load(people=12, room=4, per_second=8)
NOISE = 3.0
"""How much longer than its limit a gap may be where clients, stores and cluster share two busy processors."""
QUICK = ("PostgreSQL primary killed", "Redis master killed")


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    """A ChatCluster with three members of each store."""
    with with_members(cluster) as made:
        yield made


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in QUICK], ids=lambda fault: fault.name)
async def test_writes_go_on_and_nothing_is_lost(world: World, fault: Fault) -> None:
    edge = world.edge_on(world.safe_node)
    with watching(world.cluster) as watched:
        async with chatting(edge, LOAD) as chat:
            measured = await measure(world, chat, watched, fault, edge)
    assert measured.problems == []
    assert measured.outcome.stored == measured.outcome.acknowledged
    gaps = {store: measured.gaps[store].seconds for store in fault.bounded}
    assert max(gaps.values()) <= NOISE * fault.seconds, (gaps, measured.marks)
