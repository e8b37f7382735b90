"""The presence service while its Redis is away, comes back empty, or ten thousand people come at once."""

import asyncio
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis as Client

from chatcluster_common.realtime import Frame
from chatcluster_presence.devices import Mark, Write
from chatcluster_presence.store import BATCH, Store
from chatcluster_presence.watching import person_channel
from chatcluster_testing.presence import Presence, running_presence
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority

PEOPLE = 2000


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    """A server that these tests may stop."""
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def presence(own_redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Presence]:
    """Two replicas on it."""
    with running_presence(own_redis, tokens, tmp_path_factory.mktemp("presence")) as replicas:
        yield replicas


async def commands(client: Client) -> dict[str, int]:
    """How often each command was called since the server started."""
    stats: dict[str, Any] = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}


async def arrive(client: Client, people: list[str]) -> None:
    """All of them come online at once, at a replica of which there is only the store."""
    store = Store(client, "0198-storm", 20)
    await client.zadd("presence:processes", {"0198-storm": time.time() + 60})
    for start in range(0, len(people), BATCH):
        some = people[start : start + BATCH]
        await store.write({f"s-{user_id}": Write(user_id, Mark.USED, 0) for user_id in some}, some)
        async with client.pipeline(transaction=False) as pipe:
            for user_id in some:
                pipe.publish(person_channel(user_id), Frame("presence:changed", b"null").encode())
            await pipe.execute()


async def test_a_storm_reads_each_person_once_and_is_told_in_few_events(own_redis: Redis, presence: Presence) -> None:
    people = [presence.person("p") for _ in range(PEOPLE)]
    watched = people[:1000]
    async with Client.from_url(own_redis.url("presence")) as client, presence.devices() as devices:
        watchers = [await devices.open(presence.person("w"), presence.one) for _ in range(10)]
        single = await devices.open(presence.person("w"), presence.one)
        for watcher in watchers:
            for start in range(0, len(watched), 200):
                answer = await watcher.call("presence:subscribe", user_ids=watched[start : start + 200], batched=True)
                assert answer["ok"]
        await single.call("presence:subscribe", user_ids=watched[:200])

        before, began = await commands(client), time.monotonic()
        await arrive(client, people)
        for watcher in (*watchers, single):
            expected = 200 if watcher is single else 1000
            async with asyncio.timeout(30):
                while len(told(watcher)) < expected:
                    await asyncio.sleep(0.02)
        seconds = time.monotonic() - began
        after = await commands(client)

        for watcher in watchers:
            assert sorted(told(watcher)) == sorted(watched)
            batches = [data for name, data in watcher.events if name == "presence:changes"]
            assert len(batches) <= 4 * seconds + 5 + 1
        assert sorted(told(single)) == sorted(watched[:200])
        assert len(told(single)) <= 80 * seconds + 20
        # What nobody watches is not read, and what is watched eleven times is read once.
        assert after["hgetall"] - before["hgetall"] <= len(watched) + 20
        assert not {"keys", "scan", "sscan", "smembers"} & set(after)
        spent = sum(after.values()) - sum(before.values())
        assert spent < 6 * PEOPLE, f"{spent} commands"

        gone = Store(client, "0198-storm", 20)
        await gone.write({f"s-{u}": Write(u, Mark.GONE, 0) for u in people[:BATCH]}, [])


def told(device: Any) -> list[str]:
    """Whom a device was told of."""
    single = [data["user_id"] for name, data in device.events if name == "presence:changed"]
    return single + [i["user_id"] for name, data in device.events if name == "presence:changes" for i in data["items"]]


async def test_redis_may_go_and_come_back_empty(own_redis: Redis, presence: Presence) -> None:
    ann, bob, eve = (presence.person(name) for name in ("ann", "bob", "eve"))
    async with presence.devices() as devices:
        watcher, device = await devices.open(ann, presence.one), await devices.open(bob, presence.one)
        hidden = await devices.open(eve, presence.two)
        await hidden.call("presence:set", status="invisible")
        await watcher.call("presence:subscribe", user_ids=[bob, eve])
        own_redis.program.kill()
        refused = await device.call("presence:set", status="dnd")
        assert (refused["ok"], refused["error"]["status"]) == (False, 503)
        own_redis.program.start()
        # A call may fail while the connection is new; the state comes back by itself.
        async with asyncio.timeout(30):
            while (await device.call("presence:set", status="dnd"))["ok"] is False:
                await asyncio.sleep(0.05)
        await watcher.told("presence:changed", user_id=bob, status="dnd")
        # What connected people chose outlives it: nobody becomes visible.
        async with Client.from_url(own_redis.admin_url, decode_responses=True) as client, asyncio.timeout(30):
            while not any(str(name).startswith("c:") for name in await client.hkeys(f"presence:person:{eve}")):
                await asyncio.sleep(0.05)
            assert await client.hget(f"presence:person:{eve}", "status") == "invisible"
        assert {data["user_id"] for name, data in watcher.events if name == "presence:changed"} == {bob}


async def test_who_leaves_while_redis_hangs_does_not_stay_online(own_redis: Redis, presence: Presence) -> None:
    ann, bob = presence.person("ann"), presence.person("bob")
    async with presence.devices() as devices:
        watcher, device = await devices.open(ann, presence.one), await devices.open(bob, presence.one)
        await watcher.call("presence:subscribe", user_ids=[bob])
        own_redis.program.signal(signal.SIGSTOP)
        try:
            await device.close()
        finally:
            own_redis.program.signal(signal.SIGCONT)
        await watcher.told("presence:changed", user_id=bob, status="offline")
