"""Makes `tests/results/presence.json`: what it costs when everybody comes online, or changes, at once.

python tests/load/presence.py                 # 10,000 people, each watching 100 others, at one process
python tests/load/presence.py --people 500 --dry

Each person has a real connection. They all connect as fast as they are let in and subscribe at once; then all of them
set another status together. Clients, Redis and the user service's stand-in share the machine with the one process.
"""

import argparse
import asyncio
import contextlib
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from redis.asyncio import Redis as Client

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.figures import Figures
from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import Service, service_program
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority

_TICKS = os.sysconf("SC_CLK_TCK")
_CONNECTING = 50
_PATIENCE_SECONDS = 300


@dataclass
class Person:
    """Somebody connected, and what they know of those they watch."""

    id: str
    watched: Sequence[str]
    wire: aiohttp.ClientWebSocketResponse
    listening: "asyncio.Task[None] | None" = None
    status: dict[str, str] = field(default_factory=dict[str, str])
    events: int = 0
    changes: int = 0
    seconds: dict[int, int] = field(default_factory=dict[int, int])
    """How many events came in each second."""

    asked: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    refused: int = 0
    """Events that were answered with 503, and repeated."""

    async def say(self, event: str, data: Any) -> None:
        """Send an event, again and again while it is refused for lack of capacity."""
        number = len(self.asked)
        self.asked[number] = [event, data]
        await self._send(number)

    async def _send(self, number: int) -> None:
        await self.wire.send_str(f"42{number}" + orjson.dumps(self.asked[number]).decode())

    async def _acknowledged(self, number: int, answer: dict[str, Any]) -> None:
        if not answer["ok"]:
            assert answer["error"]["status"] == 503, answer
            self.refused += 1
            await asyncio.sleep(random.uniform(0.5, 1.5))
            await self._send(number)
        for item in answer.get("items", ()):
            self.status.setdefault(item["user_id"], item["status"])

    async def listen(self) -> None:
        """Take in what comes until the connection ends."""
        async for message in self.wire:
            text: str = message.data
            if text == "2":
                await self.wire.send_str("3")
            elif text.startswith('42["presence:changes"'):
                items = orjson.loads(text[2:])[1]["items"]
                self.events += 1
                self.changes += len(items)
                now = int(time.monotonic())
                self.seconds[now] = self.seconds.get(now, 0) + 1
                self.status.update((item["user_id"], item["status"]) for item in items)
            elif text.startswith("43"):
                number, _, answer = text[2:].partition("[")
                await self._acknowledged(int(number), orjson.loads("[" + answer)[0])

    def knows(self, status: str) -> bool:
        """Whether everybody watched has this status, as far as the person was told."""
        return all(self.status.get(user_id) == status for user_id in self.watched)


@dataclass
class Stage:
    """One process of the service and what it needs."""

    service: Service
    redis: Redis
    peers: Peers
    tokens: TokenAuthority

    @property
    def cpu(self) -> float:
        """Seconds of CPU that the service took since its start."""
        stat = Path(f"/proc/{self.service.program.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS

    @property
    def memory(self) -> int:
        """Its resident bytes."""
        status = Path(f"/proc/{self.service.program.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    async def commands(self) -> int:
        """How many commands Redis has served."""
        async with Client.from_url(self.redis.admin_url) as client:
            stats: dict[str, Any] = await client.info("commandstats")
        return sum(stat["calls"] for stat in stats.values())


@contextlib.contextmanager
def running_stage() -> Iterator[Stage]:
    """Everything that is needed, started and stopped."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chatcluster-load-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        redis = stack.enter_context(running_redis())
        peers = stack.enter_context(running_peers())
        tokens = TokenAuthority.create(folder)
        env = {
            "CHAT_REDIS_URL": redis.url("presence"),
            "CHAT_MESSAGE_URL": peers.url,
            "CHAT_USER_URL": peers.url,
            "CHAT_LOG_LEVEL": "WARNING",
        }
        service = service_program("presence", folder, env, jwks_file=tokens.jwks_file)
        service.program.start()
        stack.callback(service.program.kill)
        yield Stage(service, redis, peers, tokens)


@contextlib.asynccontextmanager
async def crowd(stage: Stage, ids: Sequence[str], watched: int) -> AsyncIterator[list[Person]]:
    """Everybody, connected and subscribed, a limited number of handshakes at a time."""
    gate = asyncio.Semaphore(_CONNECTING)
    url = f"{stage.service.url}/presence/socket.io/?EIO=4&transport=websocket"
    listening: list[asyncio.Task[None]] = []

    async def arrive(session: aiohttp.ClientSession, user_id: str) -> Person:
        async with gate:
            wire = await session.ws_connect(url, max_msg_size=0)
            await wire.receive_str()
            await wire.send_str("40" + orjson.dumps({"token": stage.tokens.token_for(user_id)}).decode())
            answer = await wire.receive_str()
            assert answer.startswith("40"), answer
            person = Person(user_id, random.sample(ids, watched), wire)
            person.listening = asyncio.create_task(person.listen())
            listening.append(person.listening)
            for start in range(0, watched, 200):
                some = person.watched[start : start + 200]
                await person.say("presence:subscribe", {"user_ids": some, "batched": True})
            return person

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        try:
            yield list(await asyncio.gather(*(arrive(session, user_id) for user_id in ids)))
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)


async def until(condition: Callable[[], bool], listening: Sequence["asyncio.Task[None]"] = ()) -> None:
    """Look twice a second; fails with the first connection that fails."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.5)
            for person in listening:
                if person.done():
                    raise AssertionError("a connection ended") from person.exception()


class Watch:
    """What one part of the run takes."""

    def __init__(self, stage: Stage, figures: Figures, name: str) -> None:
        self._stage, self._figures, self._name = stage, figures, name

    async def __aenter__(self) -> "Watch":
        self._commands, self._cpu = await self._stage.commands(), self._stage.cpu
        self.began = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._seconds = time.monotonic() - self.began
        self._cpu = self._stage.cpu - self._cpu
        self._commands = await self._stage.commands() - self._commands

    def record(self, people: Sequence[Person]) -> None:
        """Write it down, and count anew."""
        count = len(people)
        events, changes = (sum(getattr(p, what) for p in people) for what in ("events", "changes"))
        most = max((n for p in people for n in p.seconds.values()), default=0)

        def add(what: str, value: float, unit: str, target: float | None = None) -> None:
            self._figures.add(f"presence, {self._name}: {what}", value, unit, target=target, samples=count)

        add("people", count, "people")
        add("until all are told", self._seconds, "s")
        add("changes told", changes, "changes")
        add("events that told them", events, "events")
        add("most events at a socket in a second", most, "events/s", target=5)
        add("refused for lack of capacity and repeated", sum(p.refused for p in people), "events")
        add("Redis commands a person", self._commands / count, "commands")
        add("CPU of the service a person", 1000 * self._cpu / count, "ms")
        for person in people:
            person.events = person.changes = person.refused = 0
            person.seconds.clear()


async def measure(stage: Stage, count: int, watched: int, figures: Figures) -> None:
    """Everybody comes; then everybody changes."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    for user_id in ids:
        stage.peers.add_person(user_id, user_id[:8])
    memory = stage.memory
    async with contextlib.AsyncExitStack() as stack:
        async with Watch(stage, figures, "all come") as part:
            people = await stack.enter_async_context(crowd(stage, ids, watched))
            tasks = [person.listening for person in people if person.listening]
            connected = time.monotonic() - part.began
            await until(lambda: all(person.knows("online") for person in people), tasks)
        figures.add("presence, all come: connections", count / connected, "connections/s", samples=count)
        part.record(people)
        figures.add(
            "presence: memory a connection that watches", (stage.memory - memory) / count / 1024, "KiB", samples=count
        )
        async with Watch(stage, figures, "all change") as part:
            for person in people:
                await person.say("presence:set", {"status": "dnd"})
            await until(lambda: all(person.knows("dnd") for person in people), tasks)
        part.record(people)
        sooner, all_of_them = await _delays(stage)
        figures.add(
            "presence: told within a second of the announcement", 100 * sooner / all_of_them, "%", samples=count
        )


async def _delays(stage: Stage) -> tuple[float, float]:
    """How many changes were told within a second, and how many in all."""
    sample = "chat_presence_delay_seconds_"
    values = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in await _metrics(stage)
        if sample in line and line[0] != "#"
    }
    return values[f'{sample}bucket{{le="1.0"}}'], values[f"{sample}count"]


async def _metrics(stage: Stage) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{stage.service.url}/metrics") as answer:
        return (await answer.text()).splitlines()


def main() -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--watched", type=int, default=100, help="how many others each of them watches")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    command = f"python tests/load/presence.py --people {options.people} --watched {options.watched}"
    figures = Figures("presence", command)
    with running_stage() as stage:
        asyncio.run(measure(stage, options.people, options.watched, figures))
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
