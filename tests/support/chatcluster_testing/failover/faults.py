"""What is done to a ChatCluster, each as a row of a table: how, which stores' writes must go on after how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from chatcluster_testing.cluster import kill_pod, until
from chatcluster_testing.day_two import releases
from chatcluster_testing.failover.timeline import Harm
from chatcluster_testing.failover.world import STORES, World, two_at_once

ALL: Final = (*STORES, "mongodb", "edge")
_CUT_SECONDS: Final = 60.0
_SEEN_SECONDS: Final = 120.0
_REDUNDANT_SECONDS: Final = 900.0


@dataclass(frozen=True)
class Fault:
    """One kind of failure, or of what is done to stores on purpose."""

    name: str
    act: Callable[[World], Harm]
    """Does it, and returns once what was harmed is well again, or will never be by itself."""
    bounded: tuple[str, ...]
    """Stores whose gap in writes has the limit; `mongodb` is the chat itself."""
    seconds: float
    """The limit."""
    needs_operator: bool = False
    """Whether nothing happens without it."""


def _kill(store: str) -> Callable[[World], Harm]:
    """SIGKILL to all processes of the leader's pod, where the store has a leader, else of any."""

    def act(world: World) -> Harm:
        led = store in {"postgres", "redis"}
        pod = world.leader(store) if led else random.choice(world.cluster.pods(store))
        at = time.monotonic()
        kill_pod(pod)
        harm = Harm(at, store if led else "", frozenset({pod["metadata"]["name"]}))
        _back_again(world, pod)
        return harm

    return act


def _back_again(world: World, pod: dict[str, Any]) -> None:
    """Until the pod's containers were started anew and all is well."""
    before = _restarts(pod)
    until(lambda: _restarts(world.pod(pod["metadata"]["name"])) > before, "the killed pod started again", 120)
    world.wait_whole()


def _restarts(pod: dict[str, Any]) -> int:
    return sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))


def _switch_over(world: World) -> Harm:
    """By the operator where there is one; else the primary's pod is told to go, and hands over first."""
    primary = world.leader("postgres")["metadata"]["name"]
    at = time.monotonic()
    if world.operated:
        world.day_two.annotate("chatcluster.dev/switchover-postgres")
    else:
        world.cluster.kubectl("delete", "pod", primary, "--wait=false")
    until(lambda: world.leader("postgres")["metadata"]["name"] != primary, "another primary", 120)
    world.wait_whole()
    return Harm(at, "postgres", frozenset({primary}))


def _node(world: World, command: str) -> Harm:
    node = world.lead_elsewhere("postgres")["spec"]["nodeName"]
    pods = frozenset(pod["metadata"]["name"] for pod in world.pods_on(node))
    at = time.monotonic()
    world.node(command, node)
    return Harm(at, "postgres", pods, node)


def _cut_off(world: World) -> Harm:
    harm = _node(world, "partition")
    try:
        time.sleep(_CUT_SECONDS)
    finally:
        world.node("heal", harm.node)
    world.wait_whole()
    return harm


def _kill_node(world: World) -> Harm:
    """For good, as far as the ChatCluster is concerned: the node is started again only once all is whole without it, or
    once it has been waited for in vain with no operator to make it so."""
    harm = _node(world, "kill")
    try:
        if world.operated:
            # Kubernetes takes its time to notice.
            until(lambda: not world.is_whole(), "the loss to be seen", _SEEN_SECONDS)
            world.wait_whole(_REDUNDANT_SECONDS)
            harm = replace(harm, redundant=time.monotonic())
        else:
            time.sleep(_CUT_SECONDS)
    finally:
        world.node("heal", harm.node)
    world.wait_whole()
    return harm


def _cut_between(world: World) -> Harm:
    """The primary's node and another one do not reach each other; both reach all else."""
    primary = world.leader("postgres")
    other = next(
        pod["spec"]["nodeName"]
        for pod in world.cluster.pods("postgres")
        if pod["spec"]["nodeName"] != primary["spec"]["nodeName"]
    )
    at = time.monotonic()
    with world.cut_between(primary["spec"]["nodeName"], other):
        pair = two_at_once(world, _CUT_SECONDS)
    assert not pair, f"two primaries at once: {', '.join(pair)}"
    world.wait_whole()
    return Harm(at, "postgres", frozenset({primary["metadata"]["name"]}))


def _roll(world: World) -> Harm:
    """To a release that has another image of every store, and back to its own."""
    with releases(world.day_two, renewed=STORES) as (next_one, _):
        at = time.monotonic()
        world.day_two.upgrade(next_one)
    # It is on its own release again by now.
    world.wait_whole()
    return Harm(at, "")


FAULTS: Final = (
    Fault("PostgreSQL primary killed", _kill("postgres"), ("postgres",), 10),
    Fault("PostgreSQL switched over", _switch_over, ("postgres",), 3),
    Fault("Redis master killed", _kill("redis"), ("redis",), 10),
    Fault("Kafka broker killed", _kill("kafka"), ("kafka",), 10),
    Fault("object node killed", _kill("objects"), ("objects",), 10),
    Fault("HAProxy killed", _kill("edge"), ALL, 10),
    Fault("node cut off", _cut_off, ALL, 30),
    Fault("node killed", _kill_node, ALL, 30),
    # What is on one side may need what is on the other: that comes back with the network.
    Fault("cut between two nodes", _cut_between, ("postgres",), 30),
    Fault("store images rolled", _roll, STORES, 5, needs_operator=True),
)
