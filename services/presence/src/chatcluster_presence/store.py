"""Presence in Redis: the only module that speaks to it.

`presence:processes` has the last sign of life of each process. `presence:person:<id>` has a person's chosen status,
when they were last seen, and a field for each connection of theirs, named `c:<process>/<socket>`: whether it counts
follows from its process's sign of life, so that nothing must be refreshed per connection.
`presence:process:<process>` has the people connected there, for the one who cleans up after it.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from chatcluster_presence.models import Chosen, Presence
from chatcluster_presence.state import Known, chosen_status, presence, process_of

_PROCESSES = "presence:processes"
_KEEP_SECONDS = 90 * 24 * 3600
_CLEANING_SECONDS = 10
_CONNECTION = "c:"


def _person(user_id: str) -> str:
    return f"presence:person:{user_id}"


def _people_of(process: str) -> str:
    return f"presence:process:{process}"


class Store:
    """The state of everybody, as one process reads and writes it."""

    def __init__(self, redis: Redis, process: str, dead_after: float) -> None:
        self._redis = redis
        self._process = process
        self._dead_after = dead_after

    async def ping(self) -> None:
        """Raises when Redis does not answer."""
        await self._redis.ping()

    async def heartbeat(self) -> bool:
        """Say that this process lives. False when Redis did not know it: its connections must be added again."""
        return not await self._redis.zadd(_PROCESSES, {self._process: time.time()})

    async def add(self, user_id: str, socket: str) -> None:
        """A device is connected. A person whose only device it is and who was away is online again."""
        key = _person(user_id)
        known = (await self._known([user_id]))[user_id]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, f"{_CONNECTION}{self._process}/{socket}", "")
            pipe.sadd(_people_of(self._process), user_id)
            if known.chosen == "away" and not known.connections:
                pipe.hdel(key, "status")
            pipe.persist(key)
            await pipe.execute()

    async def remove(self, user_id: str, socket: str) -> None:
        """A device has gone; `last_seen` is now unless the person is invisible."""
        await self._forget(user_id, [f"{self._process}/{socket}"], seen=time.time())

    async def choose(self, user_id: str, status: Chosen) -> None:
        """Set what the person wants to appear as. Who turns invisible was last seen now."""
        key = _person(user_id)
        before = chosen_status(_text(await self._redis.hget(key, "status")))
        async with self._redis.pipeline(transaction=True) as pipe:
            if status == "online":
                pipe.hdel(key, "status")
            else:
                pipe.hset(key, "status", status)
            if status == "invisible" and before != "invisible":
                pipe.hset(key, "last_seen", str(time.time()))
            await pipe.execute()

    async def presences(self, user_ids: Sequence[str]) -> list[Presence]:
        """How these people appear, in that order."""
        known = await self._known(user_ids)
        processes = await self._processes()
        now = time.time()
        return [presence(u, known[u], processes, now=now, dead_after=self._dead_after) for u in user_ids]

    async def dead_processes(self) -> list[str]:
        """Processes that have not been heard of for too long and that nobody cleans up after at this moment."""
        silent = await self._redis.zrangebyscore(_PROCESSES, "-inf", time.time() - self._dead_after)
        mine: list[str] = []
        for raw in silent:
            process = str(_text(raw))
            if await self._redis.set(f"presence:cleaning:{process}", self._process, nx=True, ex=_CLEANING_SECONDS):
                mine.append(process)
        return mine

    async def clean_up(self, process: str) -> list[str]:
        """Forget a dead process and its connections; the people who had some there."""
        heard = (await self._processes()).get(process)
        people = [str(_text(raw)) for raw in await self._redis.smembers(_people_of(process))]
        known = await self._known(people)
        for user_id, person in known.items():
            gone = [c for c in person.connections if process_of(c) == process]
            if gone:
                await self._forget(user_id, gone, seen=heard or time.time())
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(_people_of(process))
            pipe.zrem(_PROCESSES, process)
            await pipe.execute()
        return people

    async def _forget(self, user_id: str, connections: Collection[str], *, seen: float) -> None:
        key = _person(user_id)
        known = (await self._known([user_id]))[user_id]
        left = [c for c in known.connections if c not in connections]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(key, *(f"{_CONNECTION}{c}" for c in connections))
            if not any(process_of(c) == self._process for c in left):
                pipe.srem(_people_of(self._process), user_id)
            if known.chosen != "invisible":
                pipe.hset(key, "last_seen", str(seen))
            if not left:
                pipe.expire(key, _KEEP_SECONDS)
            await pipe.execute()

    async def _processes(self) -> Mapping[str, float]:
        found = await self._redis.zrange(_PROCESSES, 0, -1, withscores=True)
        return {str(_text(process)): float(heard) for process, heard in found}

    async def _known(self, user_ids: Sequence[str]) -> dict[str, Known]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for user_id in user_ids:
                pipe.hgetall(_person(user_id))
            found = await pipe.execute() if user_ids else []
        known: dict[str, Known] = {}
        for user_id, raw in zip(user_ids, found, strict=True):
            fields = {str(_text(name)): str(_text(value)) for name, value in raw.items()}
            known[user_id] = Known(
                connections=[name.removeprefix(_CONNECTION) for name in fields if name.startswith(_CONNECTION)],
                chosen=chosen_status(fields.get("status")),
                last_seen=float(fields["last_seen"]) if "last_seen" in fields else None,
            )
        return known


def _text(value: Any) -> str | None:
    """A reply as text; None stays None."""
    return value.decode() if isinstance(value, bytes) else value
