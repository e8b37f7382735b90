"""While messages flow, the message pod in use dies, then all of them are rolled: nobody loses, doubles or reorders."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chatcluster_testing.cluster import Cluster, kill_pod, until, until_async
from chatcluster_testing.delivery import Verdict, check, settle
from chatcluster_testing.images import relabelled
from chatcluster_testing.people import Person

pytestmark = pytest.mark.timeout(420)

PEOPLE = 6
TRANSPORTS = ("websocket", "websocket", "polling")


async def talk_through(edge: str, fault: Callable[[], Awaitable[None]]) -> tuple[Verdict, list[Person], list[float]]:
    """Six people talk until `fault` is over and then some; what the check says, and every outage in seconds."""
    async with people(edge) as (persons, room):
        devices = [await p.device(TRANSPORTS[i % len(TRANSPORTS)]) for i, p in enumerate(persons)]
        over = asyncio.Event()

        async def talk(index: int) -> None:
            n = 0
            while not over.is_set():
                await devices[index].send(room, f"{index}.{n}")
                n += 1
                await asyncio.sleep(0.1)

        talkers = [asyncio.create_task(talk(i)) for i in range(PEOPLE)]
        try:
            await _flowing(persons, 60)
            await fault()
            await _flowing(persons, sum(len(p.acknowledged) for p in persons) + 60)
        finally:
            over.set()
            await asyncio.gather(*talkers)
        await settle(room, persons)
        return await check(room, persons), persons, [outage.seconds for d in devices for outage in d.outages]


@asynccontextmanager
async def people(edge: str) -> AsyncGenerator[tuple[list[Person], str]]:
    persons = await asyncio.gather(*(Person.register(edge, f"p{i}") for i in range(PEOPLE)))
    try:
        room = await persons[0].conversation(*persons[1:], kind="group", name="through thick and thin")
        yield list(persons), room
    finally:
        for person in persons:
            await person.__aexit__(None, None, None)


async def _flowing(persons: list[Person], acknowledged: int) -> None:
    async with asyncio.timeout(90):
        while sum(len(p.acknowledged) for p in persons) < acknowledged:
            await asyncio.sleep(0.05)


async def test_a_killed_message_pod_loses_nothing(cluster: Cluster) -> None:
    async def kill() -> None:
        pods = await asyncio.to_thread(cluster.pods, "message")
        busiest = max(pods, key=lambda pod: cluster.metric(pod, 3002, "chat_socket_connections"))
        restarts = _restarts(cluster, busiest)
        kill_pod(busiest)
        await until_async(
            lambda: _restarts(cluster, busiest) > restarts and _all_ready(cluster), "the killed pod back and ready", 90
        )

    verdict, persons, outages = await talk_through(cluster.edge, kill)
    assert verdict.problems == []
    assert outages, "the killed pod held somebody's connection"
    assert max(outages) < 10
    assert verdict.stored == verdict.acknowledged == sum(len(p.acknowledged) for p in persons)


async def test_a_roll_to_a_new_image_loses_nothing(cluster: Cluster) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods("message")}
    deployment = cluster.get("deployment", f"{cluster.chatcluster}-message")
    current = {"message": deployment["spec"]["template"]["spec"]["containers"][0]["image"]}
    image = relabelled(cluster, current)["message"]

    async def roll() -> None:
        patch = f'{{"spec":{{"images":{{"overrides":{{"message":"{image}"}}}}}}}}'
        cluster.kubectl("patch", "chatcluster", cluster.chatcluster, "--type=merge", "-p", patch)
        await until_async(lambda: _rolled(cluster, image, before), f"every message pod on {image}", 180)

    try:
        verdict, _, outages = await talk_through(cluster.edge, roll)
    finally:
        undo = '{"spec":{"images":{"overrides":{"message":null}}}}'
        cluster.kubectl("patch", "chatcluster", cluster.chatcluster, "--type=merge", "-p", undo)
        until(lambda: not _runs(cluster, image), "the image rolled back", 180)
        cluster.wait_ready()
    assert verdict.problems == []
    assert verdict.stored == verdict.acknowledged
    assert max(outages) < 10


def _restarts(cluster: Cluster, pod: dict) -> int:
    now = cluster.find("pod", pod["metadata"]["name"])
    return sum(container["restartCount"] for container in now["status"].get("containerStatuses", [])) if now else -1


def _all_ready(cluster: Cluster) -> bool:
    return all(
        condition["status"] == "True"
        for pod in cluster.pods("message")
        for condition in pod["status"].get("conditions", [])
        if condition["type"] == "Ready"
    )


def _runs(cluster: Cluster, image: str) -> bool:
    """Whether any message pod, even one on its way out, is of that image."""
    pods = cluster.get("pods", "-l", "app.kubernetes.io/component=message")["items"]
    return any(pod["spec"]["containers"][0]["image"] == image for pod in pods)


def _rolled(cluster: Cluster, image: str, before: set[str]) -> bool:
    pods = cluster.get("pods", "-l", "app.kubernetes.io/component=message")["items"]
    return (
        bool(pods)
        and not before & {pod["metadata"]["uid"] for pod in pods}
        and all(pod["spec"]["containers"][0]["image"] == image for pod in pods)
        and _all_ready(cluster)
    )
