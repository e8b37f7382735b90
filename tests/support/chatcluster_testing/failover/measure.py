"""One fault under people who chat and probes that write, and all that is to be said of it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from chatcluster_testing.failover.faults import Fault
from chatcluster_testing.failover.probes import Gap, longest_gap, probing, verify_all
from chatcluster_testing.failover.timeline import Harm, Watching, marks
from chatcluster_testing.failover.world import World
from chatcluster_testing.talking import Chat, Outcome


@dataclass
class Measured:
    """What one fault came to, once."""

    gaps: dict[str, Gap]
    """By store; `mongodb` is the chat itself."""
    marks: dict[str, float]
    """Seconds from the harm until it was detected, fenced, promoted, reconnected, as far as it was seen."""
    outcome: Outcome
    refused: Mapping[str, int]
    """Writes that were not taken, by store."""
    problems: list[str] = field(default_factory=list[str])
    """Writes that were lost, and answers that say something else than to try again."""


async def measure(world: World, chat: Chat, watched: Watching, fault: Fault, edge: str) -> Measured:
    """Let people chat and probes write through one fault, until all is well again."""
    harms: list[Harm] = []

    async def act() -> None:
        harms.append(await asyncio.to_thread(fault.act, world))

    async with probing(edge) as probes:
        outcome = await chat.through(act)
        (harm,) = harms
        end = time.monotonic()
        await verify_all(list(probes.values()))
    taken = {name: probe.taken for name, probe in probes.items()}
    # Those who chat fall silent before the end, and what is acknowledged after that says nothing; the probes go on.
    ends = {"mongodb": outcome.ended}
    acknowledged = [at for person in chat.people for at in person.acknowledged_at.values()]
    taken["mongodb"] = [at for at in acknowledged if at <= outcome.ended]
    gaps = {name: longest_gap(moments, harm.at, ends.get(name, end)) for name, moments in taken.items()}
    slowest = max((gaps[name] for name in fault.bounded), key=lambda gap: gap.seconds)
    return Measured(
        gaps=gaps,
        marks=marks(watched.since(harm.at), harm, slowest.ended),
        outcome=outcome,
        refused={name: probe.refused for name, probe in probes.items()},
        problems=[problem for probe in probes.values() for problem in probe.problems] + outcome.problems,
    )
