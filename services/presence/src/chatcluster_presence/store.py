"""Presence in Redis: the only module that speaks to it.

`presence:processes` has the last sign of life of each process. `presence:person:<id>` has what a person chose to appear
as, when they were last seen, and a field for each device of theirs, named `c:<process>/<socket>`: whether it counts
follows from its process's sign of life, so that nothing must be refreshed per connection.
`presence:process:<process>` has the people connected there, for the one who cleans up after it, and
`presence:expiring` when chosen statuses end, for the one who announces it.

What concerns many people is read and written by pipelines of a bounded size; nothing searches through the keys.
"""

import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr
from redis.asyncio import Redis

from chatcluster_common import redis_client
from chatcluster_presence.devices import Mark, Write
from chatcluster_presence.models import Chosen
from chatcluster_presence.state import (
    KEEP_SECONDS,
    Appearance,
    Choice,
    Known,
    appearance,
    chosen_status,
    living,
    process_of,
)

_PROCESSES = "presence:processes"
_EXPIRING = "presence:expiring"
_CLEANING_SECONDS = 10
_CONNECTIONS = 32
_DEVICE = "c:"
_IDLE = "idle"
_CHOICE_FIELDS = ("status", "text", "emoji", "until")

BATCH = 200
"""People in one pipeline."""


def _person(user_id: str) -> str:
    return f"presence:person:{user_id}"


def _people_of(process: str) -> str:
    return f"presence:process:{process}"


def connect(url: SecretStr) -> Redis:
    """A client with a bounded number of connections: who comes while all are busy waits for one, so that a thousand
    calls at once do not open as many."""
    return redis_client.connect(url, connections=_CONNECTIONS, wait_seconds=8)


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

    async def add(self, user_id: str, socket: str) -> Choice:
        """A device is connected; returns what its person has chosen."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self._put(pipe, user_id, socket, idle=False)
            pipe.hgetall(_person(user_id))
            return _known((await pipe.execute())[-1]).chosen

    async def write(self, writes: Mapping[str, Write], here: Collection[str]) -> None:
        """Write marks of devices, by socket. `here` are the people of them who have other devices in this process."""
        gone: dict[str, list[str]] = {}
        async with self._redis.pipeline(transaction=False) as pipe:
            for socket, write in writes.items():
                if write.mark is Mark.GONE:
                    gone.setdefault(write.user_id, []).append(f"{self._process}/{socket}")
                else:
                    self._put(pipe, write.user_id, socket, idle=write.mark is Mark.IDLE)
            if len(pipe):
                await pipe.execute()
        await self._forget(gone, seen=time.time(), leave=[user_id for user_id in gone if user_id not in here])

    async def choose(self, user_id: str, choice: Choice) -> Appearance:
        """Set what the person wants to appear as; returns what they do. Who is seen and turns invisible was last seen
        now."""
        key, now = _person(user_id), time.time()
        known, processes = (await self._read([user_id]))[0]
        before = appearance(user_id, known, processes, now=now, dead_after=self._dead_after)
        told = (choice.status, choice.text, choice.emoji, choice.until)
        values: dict[Any, Any] = {name: str(v) for name, v in zip(_CHOICE_FIELDS, told, strict=True) if v is not None}
        if choice.status == "invisible" and before.status != "offline":
            values["last_seen"] = str(now)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(key, *_CHOICE_FIELDS)
            pipe.hset(key, mapping=values)
            pipe.expire(key, KEEP_SECONDS)
            if choice.until is None:
                pipe.zrem(_EXPIRING, user_id)
            else:
                pipe.zadd(_EXPIRING, {user_id: choice.until})
            await pipe.execute()
        return appearance(user_id, replace(known, chosen=choice), processes, now=now, dead_after=self._dead_after)

    async def restore(self, choices: Mapping[str, Choice]) -> None:
        """Set what people chose again, by person, where Redis knows of no choice."""
        people = list(choices)
        for start in range(0, len(people), BATCH):
            some = people[start : start + BATCH]
            async with self._redis.pipeline(transaction=False) as pipe:
                for user_id in some:
                    pipe.hsetnx(_person(user_id), "status", choices[user_id].status)
                unknown = await pipe.execute()
            for user_id, restored in zip(some, unknown, strict=True):
                if restored and user_id in choices:
                    await self.choose(user_id, choices[user_id])

    async def ended_choices(self) -> list[str]:
        """People whose chosen status has just ended, a batch at most; forget them once it is announced."""
        due = await self._redis.zrangebyscore(_EXPIRING, "-inf", time.time(), start=0, num=BATCH)
        return [str(_text(raw)) for raw in due]

    async def announced_end(self, user_ids: Collection[str]) -> None:
        """The end of these choices is announced; one made since then stays."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for user_id in user_ids:
                pipe.zscore(_EXPIRING, user_id)
            scores = await pipe.execute()
            over = [u for u, score in zip(user_ids, scores, strict=True) if score is not None and score <= time.time()]
            if over:
                pipe.zrem(_EXPIRING, *over)
                await pipe.execute()

    async def known(self, user_id: str) -> tuple[Known, Appearance]:
        """All that is stored of a person, and how they appear."""
        known, processes = (await self._read([user_id]))[0]
        return known, appearance(user_id, known, processes, now=time.time(), dead_after=self._dead_after)

    async def appearances(self, user_ids: Sequence[str]) -> list[Appearance]:
        """How these people appear, in that order, in one round trip."""
        found = await self._read(user_ids)
        now = time.time()
        return [
            appearance(user_id, known, processes, now=now, dead_after=self._dead_after)
            for user_id, (known, processes) in zip(user_ids, found, strict=True)
        ]

    async def erase(self, user_id: str) -> bool:
        """Forget a person. False while they are connected: what they chose is gone, the rest must wait for the end."""
        known, processes = (await self._read([user_id]))[0]
        connected = bool(living(known, processes, now=time.time(), dead_after=self._dead_after))
        async with self._redis.pipeline(transaction=False) as pipe:
            if connected:
                pipe.hdel(_person(user_id), *_CHOICE_FIELDS, "last_seen")
            else:
                pipe.delete(_person(user_id))
            pipe.zrem(_EXPIRING, user_id)
            await redis_client.execute_copied(pipe)
        return not connected

    async def dead_processes(self) -> list[str]:
        """Processes that have not been heard of for too long and that nobody cleans up after at this moment."""
        silent = await self._redis.zrangebyscore(_PROCESSES, "-inf", time.time() - self._dead_after)
        mine: list[str] = []
        for raw in silent:
            process = str(_text(raw))
            if await self._redis.set(f"presence:cleaning:{process}", self._process, nx=True, ex=_CLEANING_SECONDS):
                mine.append(process)
        return mine

    async def clean_up(self, process: str) -> AsyncIterator[list[str]]:
        """Forget a dead process and its devices; yields the people who had some there, a batch at a time."""
        heard = await self._redis.zscore(_PROCESSES, process)
        while people := [str(_text(raw)) for raw in await self._redis.srandmember(_people_of(process), BATCH) or []]:
            async with self._redis.pipeline(transaction=False) as pipe:
                for user_id in people:
                    pipe.hkeys(_person(user_id))
                found = await pipe.execute()
            devices = {
                user_id: [d for raw in names if process_of(d := str(_text(raw)).removeprefix(_DEVICE)) == process]
                for user_id, names in zip(people, found, strict=True)
            }
            await self._forget({u: d for u, d in devices.items() if d}, seen=heard or time.time(), leave=[])
            yield people
            await self._redis.srem(_people_of(process), *people)
        await self._redis.zrem(_PROCESSES, process)

    async def _read(self, user_ids: Sequence[str]) -> list[tuple[Known, Mapping[str, float]]]:
        """What is stored of these people, each with the processes' signs of life."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrange(_PROCESSES, 0, -1, withscores=True)
            for user_id in user_ids:
                pipe.hgetall(_person(user_id))
            signs, *people = await pipe.execute()
        processes = {str(_text(process)): float(heard) for process, heard in signs}
        return [(_known(raw), processes) for raw in people]

    def _put(self, pipe: Any, user_id: str, socket: str, *, idle: bool) -> None:
        key = _person(user_id)
        pipe.sadd(_people_of(self._process), user_id)
        pipe.hset(key, f"{_DEVICE}{self._process}/{socket}", _IDLE if idle else "")
        pipe.expire(key, KEEP_SECONDS)

    async def _forget(self, devices: Mapping[str, Iterable[str]], *, seen: float, leave: Sequence[str]) -> None:
        """Drop devices, by person; `leave` are those who have none in this process any more.

        They were last seen at `seen`, unless they are invisible. Who chose `away` and has no device left comes back
        online. Of two that leave at once by two processes, the later one finds nobody else.
        """
        if not devices:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for user_id, gone in devices.items():
                pipe.hdel(_person(user_id), *(f"{_DEVICE}{device}" for device in gone))
                pipe.hgetall(_person(user_id))
            found = await pipe.execute()
            for user_id, dropped, raw in zip(devices, found[::2], found[1::2], strict=True):
                if not dropped:
                    continue  # nobody knew of them: erased meanwhile
                known = _known(raw)
                chosen = known.chosen.at(time.time()).status
                if chosen != "invisible":
                    pipe.hset(_person(user_id), "last_seen", str(seen))
                if chosen == "away" and not known.devices:
                    pipe.hdel(_person(user_id), "status")
                pipe.expire(_person(user_id), KEEP_SECONDS)
            if leave:
                pipe.srem(_people_of(self._process), *leave)
            if len(pipe):
                await pipe.execute()


def _known(raw: Mapping[Any, Any]) -> Known:
    fields = {str(_text(name)): str(_text(value)) for name, value in raw.items()}
    status: Chosen = chosen_status(fields.get("status"))
    until = fields.get("until")
    seen = fields.get("last_seen")
    return Known(
        devices={n.removeprefix(_DEVICE): idle == _IDLE for n, idle in fields.items() if n.startswith(_DEVICE)},
        chosen=Choice(status, fields.get("text"), fields.get("emoji"), None if until is None else float(until)),
        last_seen=None if seen is None else float(seen),
    )


def _text(value: Any) -> str | None:
    """A reply as text; None stays None."""
    return value.decode() if isinstance(value, bytes) else value
