"""Clients and faults together for a while, and what the checker says of it."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chatcluster_testing.history.check import Violation, check, relevant
from chatcluster_testing.history.clients import WEIGHTS, Client
from chatcluster_testing.history.faults import harms_of, torment
from chatcluster_testing.history.recording import Recorder
from chatcluster_testing.history.records import History, now
from chatcluster_testing.people import Person
from chatcluster_testing.platform import Platform

PEOPLE = 8
ACTIONS_PER_SECOND = 40.0
_SETTLE_SECONDS = 60.0


@dataclass
class Result:
    """What a run came to."""

    history: History
    file: Path
    seconds: float
    violations: list[Violation]
    undocumented: list[str]
    operations: dict[str, dict[str, int]]
    """How many operations ended how, by name."""
    events: int
    """Live events of all sockets."""
    harms: int
    """How often something was done to a process."""

    def report(self, most: int = 3) -> str:
        """For whoever has to find out what went wrong: the worst violations, and what tells of them."""
        lines = [f"seed {self.history.seed}; {len(self.violations)} violations; the whole history: {self.file}"]
        for violation in self.violations[:most]:
            lines += ["", str(violation), *relevant(self.history, violation)]
        lines += [f"  {violation}" for violation in self.violations[most : most + 20]]
        return "\n".join([*lines, *self.undocumented])


async def run(
    platform: Platform,
    *,
    seconds: float,
    seed: int,
    folder: Path,
    weights: Mapping[str, int] = WEIGHTS,
    harms: int = 0,
    most_seconds: float = 0.0,
) -> Result:
    """Let people chat for `seconds` while processes are harmed, wait until all is well, and judge the history.

    They go on for up to `most_seconds` until so many `harms` were done.
    """
    history = History(seed)
    recorder = Recorder(history)
    started = now()
    people = [await Person.register(platform.url, f"h{n}") for n in range(PEOPLE)]
    clients = [Client(person, recorder, f"p{n}", seed, 1 + n % 2) for n, person in enumerate(people)]
    try:
        await _found(clients)
        for client in clients:
            await client.open([person.id for person in people])
        began = now()

        def done() -> bool:
            enough = now() >= began + seconds and harms_of(history) >= harms
            return enough or now() >= began + max(seconds, most_seconds)

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(_chat(client, done, weights))
            group.create_task(torment(platform, history, random.Random(seed), done))
        await asyncio.to_thread(platform.wait_until_ready)
        async with asyncio.timeout(_SETTLE_SECONDS):
            await asyncio.gather(*(client.catch_up() for client in clients))
        for client in clients:
            await client.read_everything()
    finally:
        file = folder / f"history-{seed}.jsonl"
        history.save(file)
        for client in clients:
            await client.close()
        for person in people:
            await person.__aexit__(None, None, None)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for operation in history.operations:
        counts[operation.name][operation.outcome] += 1
    return Result(
        history,
        file,
        now() - started,
        check(history),
        recorder.undocumented,
        {name: dict(outcomes) for name, outcomes in sorted(counts.items())},
        sum(1 for _ in history.events),
        harms_of(history),
    )


async def _found(clients: list[Client]) -> None:
    """Rooms of all kinds: with people who stay and people who come and go."""
    first, second, third, *others = clients
    await first.create([second, third], others, "group")
    await second.create([third, *others[:2]], [first, *others[2:]], "group")
    await third.create([first], others[1:], "channel")
    await first.create([second], [], "direct")
    await others[0].create([others[1]], [], "direct")
    await others[2].create(others[3:], [], "group")


async def _chat(client: Client, done: Callable[[], bool], weights: Mapping[str, int]) -> None:
    while not done():
        await asyncio.sleep(client.random.expovariate(ACTIONS_PER_SECOND / PEOPLE))
        await client.act(weights)
