"""Writes to every store, by the public API, again and again: how long none was taken, and whether one was lost.

Writes are begun at a steady rate whatever becomes of those before (an open loop), so that one which hangs does not hide
that others are taken.
"""

import asyncio
import contextlib
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from chatcluster_testing.people import Person, Refused

WRITE_SECONDS: Final = 5.0
"""A client's patience: a write that takes longer counts as not taken, and may have been done all the same."""
_MOST_UNDER_WAY: Final = 60
_ROW_PEOPLE: Final = 6
"""A person may have a thousand rows: together they have them for half an hour and more, longer than any fault takes."""
_CHECKED: Final = 40
"""Of the files that were stored, so many are read again."""
_ARRIVAL_SECONDS: Final = 300.0
"""What is late is told by its gap; this is how long something is waited for until it counts as lost."""
_POLL_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a write that was taken, of the clock `time.monotonic`."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ended - self.began


def longest_gap(taken: Sequence[float], since: float, until: float) -> Gap:
    """The longest time without a write that was taken, of those that overlap `since` to `until`.

    `taken` are the moments at which writes were acknowledged. Before the first of them, and after the last, nothing is
    known to have been taken.
    """
    moments = sorted(taken)
    begins = [min([since, *moments[:1]]), *moments]
    ends = [*moments, max([until, *moments[-1:]])]
    gaps = [Gap(a, b) for a, b in zip(begins, ends, strict=True) if b > since and a < until]
    return max(gaps, key=lambda gap: gap.seconds, default=Gap(since, since))


@dataclass
class Probe:
    """Writes to one store."""

    store: str
    every: float
    """Seconds between the beginnings of two writes."""
    taken: list[float] = field(default_factory=list[float])
    """When each write was acknowledged."""
    refused: int = 0
    """Writes that were not taken, by a problem that says when to try again or by no answer."""
    codes: Counter[str] = field(default_factory=Counter[str])
    """Codes of those problems."""
    problems: list[str] = field(default_factory=list[str])
    """What must not be: a write that is gone, an answer that says something else than to try again."""

    async def write(self, number: int) -> None:
        """One write. Raises when it is not taken."""
        raise NotImplementedError

    async def verify(self) -> None:
        """Hold what was acknowledged against what is there; adds to `problems`."""

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as writes:
            under_way: set[asyncio.Task[None]] = set()
            number = 0
            while True:
                if len(under_way) < _MOST_UNDER_WAY:
                    task = writes.create_task(self._one(number))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                    number += 1
                await asyncio.sleep(self.every)

    async def _one(self, number: int) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self.write(number)
        except Refused as refusal:
            self.refused += 1
            self.codes[str(refusal.problem.get("code"))] += 1
            if refusal.problem.get("status") not in {502, 503, 504}:
                self.problems.append(f"a write to {self.store} was answered with {refusal}")
        except (aiohttp.ClientError, OSError, ValueError):  # no answer, or one of somebody else than a service
            self.refused += 1
        else:
            self.acknowledged()

    def acknowledged(self) -> None:
        """A write was, at this moment."""
        self.taken.append(time.monotonic())


@dataclass
class Rows(Probe):
    """PostgreSQL: each write is a row of its own, of somebody's preferences. People take turns: writes of one person
    wait for each other."""

    people: list[Person] = field(default_factory=list[Person])
    kept: dict[Person, set[str]] = field(default_factory=dict[Person, set[str]])

    async def write(self, number: int) -> None:
        person = self.people[number % len(self.people)]
        name = str(uuid.uuid4())
        await person.rest("PUT", f"/notifications/preferences/conversations/{name}", json={"level": "all"})
        self.kept.setdefault(person, set()).add(name)

    async def verify(self) -> None:
        # Writing goes on: what is acknowledged while this is read need not be in it.
        for person, rows in list(self.kept.items()):
            kept = set(rows)
            there = (await person.rest("GET", "/notifications/preferences"))["conversations"]
            if lost := kept - set(there):
                self.problems.append(f"lost: {len(lost)} of {len(kept)} acknowledged rows")


@dataclass
class Moods(Probe):
    """Redis: what a person says of themselves. Nothing that must survive is in there, so nothing is looked for."""

    person: Person | None = None

    async def write(self, number: int) -> None:
        assert self.person
        await self.person.rest("PUT", "/presence/me", json={"status": "online", "text": f"number {number}"})


@dataclass
class Uploads(Probe):
    """The object store: small files, each read again at the end."""

    person: Person | None = None
    kept: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def write(self, number: int) -> None:
        assert self.person
        content = f"file {number} {uuid.uuid4()}".encode()
        form = aiohttp.FormData()
        form.add_field("file", content, filename="a.txt")
        stored = await self.person.rest("POST", "/files", data=form)
        self.kept[stored["items"][0]["id"]] = content

    async def verify(self) -> None:
        assert self.person
        for file_id in random.sample(sorted(self.kept), min(_CHECKED, len(self.kept))):
            content, _ = await self.person.read(f"/files/{file_id}/content")
            if content != self.kept[file_id]:
                self.problems.append(f"lost: the file {file_id} has another content")


@dataclass
class Events(Probe):
    """Kafka: messages to somebody who is away. One counts as taken when its notification is there, which is when its
    event has come through."""

    person: Person | None = None
    absent: Person | None = None
    room: str = ""
    sent: set[str] = field(default_factory=set[str])
    told: set[str] = field(default_factory=set[str])

    async def write(self, number: int) -> None:
        assert self.person
        message = {"client_id": str(uuid.uuid4()), "body": f"event {number}"}
        stored = await self.person.rest("POST", f"/conversations/{self.room}/messages", json=message)
        self.sent.add(stored["id"])

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            tasks.create_task(self._listen())

    async def verify(self) -> None:
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while (missing := self.sent - self.told) and time.monotonic() < deadline:
            await self._look()
            await asyncio.sleep(_POLL_SECONDS)
        if missing:
            self.problems.append(f"lost: nobody was notified of {len(missing)} of {len(self.sent)} messages")

    def acknowledged(self) -> None:
        """It counts once its notification is there."""

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Refused, aiohttp.ClientError, OSError, ValueError):
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._look()
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self) -> None:
        """The newest first, page by page until one has nothing new: many come at once after a gap."""
        assert self.absent
        path = "/notifications?limit=200"
        cursor = ""
        while True:
            page = await self.absent.rest("GET", path + cursor)
            new = {item["message_id"] for item in page["items"]} - self.told
            self.taken += [time.monotonic()] * len(new)
            self.told |= new
            if not new or not page["next_cursor"]:
                return
            cursor = f"&cursor={page['next_cursor']}"


@dataclass
class Door(Probe):
    """The edge, by a connection of its own each time."""

    url: str = ""

    async def write(self, number: int) -> None:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
            session.get(f"{self.url}/healthz", raise_for_status=True) as answer,
        ):
            await answer.read()


@contextlib.asynccontextmanager
async def probing(edge: str) -> AsyncGenerator[dict[str, Probe]]:
    """Every store written to, by people of its own; `mongodb` is the sends of those who chat, and not among them."""
    people = [await Person.register(edge, f"probe{n}") for n in range(4 + _ROW_PEOPLE)]
    try:
        moods, uploads, sender, absent, *owners = people
        room = await sender.conversation(absent)
        probes: dict[str, Probe] = {
            "postgres": Rows("postgres", 0.5, people=owners),
            "redis": Moods("redis", 0.5, person=moods),
            "objects": Uploads("objects", 1, person=uploads),
            "kafka": Events("kafka", 1, person=sender, absent=absent, room=room),
            "edge": Door("edge", 0.5, url=edge),
        }
        running = [asyncio.create_task(probe.run()) for probe in probes.values()]
        try:
            await _all_taken(list(probes.values()))
            yield probes
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    finally:
        for person in people:
            await person.__aexit__(None, None, None)


async def _all_taken(probes: Sequence[Probe]) -> None:
    """Each store has taken a write: what comes later is measured against a world that works."""
    async with asyncio.timeout(60):
        while not all(probe.taken for probe in probes):
            await asyncio.sleep(0.1)


async def verify_all(probes: Sequence[Probe], again: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(1)) -> None:
    """`verify` of each. What is refused for a moment after a fault is asked again, for a minute."""
    for probe in probes:
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while True:
            try:
                await probe.verify()
                break
            except (Refused, aiohttp.ClientError, OSError) as error:
                if time.monotonic() > deadline:
                    probe.problems.append(f"what {probe.store} took cannot be read: {error}")
                    break
                await again()
