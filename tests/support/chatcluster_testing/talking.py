"""People who go on chatting while something is done to the cluster beneath them, and what came of it.

Messages are sent at a steady rate whatever the answers (an open loop), each repeated under its `client_id` until it is
acknowledged. At the end every member's view is held against the store's history.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from chatcluster_testing.delivery import check, settle
from chatcluster_testing.people import Device, Outage, Person, Transport

TRANSPORTS: Final[tuple[Transport, ...]] = ("websocket", "websocket", "websocket", "polling")
_REGISTERING = 4
_CONNECTING = 16
_SETTLE_SECONDS = 90.0
_FLOW_SECONDS = 120.0


@dataclass(frozen=True)
class Load:
    """How much is going on."""

    people: int = 20
    devices: int = 1
    """Connected devices of each person."""
    room: int = 5
    """People in a conversation; each is in one."""
    per_second: float = 20.0
    """Messages sent, all rooms together."""
    waiting: int = 2000
    """Messages that may wait for their acknowledgement; then sending pauses."""


@dataclass
class Outcome:
    """What came of it. `problems` is empty when nothing was lost, doubled or out of order."""

    acknowledged: int = 0
    stored: int = 0
    seconds: float = 0.0
    ended: float = 0.0
    """When nobody sent any more, by the monotonic clock; what follows is waiting for acknowledgements, and checking."""
    problems: list[str] = field(default_factory=list)
    began: float = 0.0
    """By the monotonic clock."""
    outages: list[Outage] = field(default_factory=list)
    """Each time of each device without a connection."""
    waits: list[float] = field(default_factory=list)
    """Seconds from the first attempt to send a message to its acknowledgement."""
    sign_ins: int = 0
    """How often somebody had to sign in anew, as the answer to a refresh was lost."""

    @property
    def longest_outage(self) -> float:
        """Seconds."""
        return max((outage.seconds for outage in self.outages), default=0.0)

    @property
    def longest_wait(self) -> float:
        """Seconds."""
        return max(self.waits, default=0.0)


class Chat:
    """People in their rooms, connected."""

    def __init__(self, load: Load, people: list[Person], rooms: list[tuple[str, list[Person]]]) -> None:
        self.load = load
        self.people = people
        self._rooms = rooms
        self._devices: list[tuple[Device, str]] = []
        self._random = random.Random(0)

    async def connect(self) -> None:
        """All devices of everybody."""
        limit = asyncio.Semaphore(_CONNECTING)

        async def one(person: Person, room: str, index: int) -> tuple[Device, str]:
            async with limit:
                return await person.device(TRANSPORTS[index % len(TRANSPORTS)]), room

        wanted = [(person, room) for room, members in self._rooms for person in members] * self.load.devices
        self._devices = list(await asyncio.gather(*(one(*pair, index) for index, pair in enumerate(wanted))))

    async def disconnect(self) -> None:
        """Everybody leaves; their inboxes stay."""
        await asyncio.gather(*(device.close() for device, _ in self._devices))
        self._devices = []

    async def through(self, act: Callable[[], Awaitable[None]]) -> Outcome:
        """Chat while `act` runs, and for a while after; then everybody catches up, and all is checked."""
        began = time.monotonic()
        over = asyncio.Event()
        before = self._acknowledged()
        talking = asyncio.create_task(self._talk(over))
        try:
            await self._flowing(before + self.load.per_second)
            await act()
            await self._flowing(self._acknowledged() + 2 * self.load.per_second)
        finally:
            ended = time.monotonic()
            over.set()
            await talking
        outcome = Outcome(seconds=ended - began, began=began, ended=ended)
        for device, _ in self._devices:
            await device.online()
        for room, members in self._rooms:
            try:
                await settle(room, members, _SETTLE_SECONDS)
            except TimeoutError:
                outcome.problems.append(f"somebody in {room} has not seen everything after {_SETTLE_SECONDS:g} s")
            verdict = await check(room, members)
            outcome.acknowledged += verdict.acknowledged
            outcome.stored += verdict.stored
            outcome.problems += verdict.problems
        outcome.problems += [
            f"{person.user['username']}: a token was refused before its time"
            for person in self.people
            if person.refusals
        ]
        outcome.sign_ins = sum(person.sign_ins for person in self.people)
        outcome.outages = [outage for device, _ in self._devices for outage in device.outages]
        outcome.waits = [
            at - person.sent_at[client_id] for person in self.people for client_id, at in person.acknowledged_at.items()
        ]
        return outcome

    async def _talk(self, over: asyncio.Event) -> None:
        began, sent = time.monotonic(), 0
        async with asyncio.TaskGroup() as sends:
            waiting: set[asyncio.Task[object]] = set()
            while not over.is_set():
                if len(waiting) < self.load.waiting:
                    device, room = self._random.choice(self._devices)
                    task = sends.create_task(device.send(room, f"message {sent}"))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
                sent += 1
                await asyncio.sleep(max(0.0, began + sent / self.load.per_second - time.monotonic()))

    def _acknowledged(self) -> int:
        return sum(len(person.acknowledged) for person in self.people)

    async def _flowing(self, until: float) -> None:
        async with asyncio.timeout(_FLOW_SECONDS):
            while self._acknowledged() < until:
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def chatting(edge: str, load: Load) -> AsyncGenerator[Chat]:
    """New people in new rooms, connected; they leave at the end."""
    limit = asyncio.Semaphore(_REGISTERING)

    async def register(index: int) -> Person:
        async with limit:
            return await Person.register(edge, f"t{index}")

    people = list(await asyncio.gather(*(register(index) for index in range(load.people))))
    try:
        rooms: list[tuple[str, list[Person]]] = []
        for first in range(0, load.people, load.room):
            members = people[first : first + load.room]
            rooms.append((await members[0].conversation(*members[1:], kind="group", name=f"room {first}"), members))
        chat = Chat(load, people, rooms)
        await chat.connect()
        yield chat
    finally:
        for person in people:
            await person.__aexit__(None, None, None)
