"""What is done to the processes while clients are busy: kills, restarts and freezes of any of them."""

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from chatcluster_testing.history.records import Fault, History, now
from chatcluster_testing.platform import Platform
from chatcluster_testing.process import Program

WELL = "is well"
"""How the note of a process ends that is ready again."""

_READY_SECONDS = 120.0
"""For a process to be ready again, on a machine that has much else to do."""
_TWO_AT_ONCE = 0.2


@dataclass(frozen=True)
class Harm:
    """One thing to do to one process."""

    how: Literal["kill", "restart", "freeze"]
    target: str
    longest: float = 3.0
    """Seconds that it is gone or stands still at most."""


HARMS: Sequence[Harm] = (
    Harm("kill", "message-1"),
    Harm("kill", "message-2"),
    Harm("freeze", "message-1", 6.0),
    Harm("restart", "message-2"),
    Harm("kill", "gateway-1"),
    Harm("kill", "user-1"),
    Harm("kill", "presence-1"),
    Harm("kill", "notification-1"),
    Harm("kill", "redis"),
    Harm("freeze", "redis"),
    Harm("kill", "kafka"),
    Harm("kill", "mongodb"),
    Harm("freeze", "mongodb"),
    Harm("kill", "postgres"),
    Harm("kill", "edge", 1.0),
)


def harms_of(history: History) -> int:
    """How often something was done to a process."""
    return sum(isinstance(record, Fault) and not record.what.endswith(WELL) for record in history.records)


async def torment(platform: Platform, history: History, dice: random.Random, done: Callable[[], bool]) -> None:
    """Do harm until `done`: every kind once before any comes again, sometimes two at the same time."""
    deck: list[Harm] = []
    while not done():
        hand: list[Harm] = []
        for _ in range(2 if dice.random() < _TWO_AT_ONCE else 1):
            if not deck:
                deck = dice.sample(HARMS, len(HARMS))
            if deck[-1].target not in {harm.target for harm in hand}:
                hand.append(deck.pop())
        gone = [dice.uniform(0.2, harm.longest) for harm in hand]
        await asyncio.gather(*(_do(platform, history, harm, wait) for harm, wait in zip(hand, gone, strict=True)))
        await asyncio.sleep(dice.uniform(0.5, 2.5))


async def _do(platform: Platform, history: History, harm: Harm, seconds: float) -> None:
    program = platform.programs[harm.target]

    def note(what: str) -> None:
        history.add(Fault(now(), f"{harm.target} {what}"))

    match harm.how:
        case "freeze":
            note(f"stands still for {seconds:.1f} s")
            program.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            program.signal(signal.SIGCONT)
        case "restart":
            note("is asked to stop")
            await asyncio.to_thread(program.stop)
            program.spawn()
        case "kill":
            note(f"is killed, for {seconds:.1f} s")
            await _kill(harm.target, program)
            await asyncio.sleep(seconds)
            program.spawn()
    async with asyncio.timeout(_READY_SECONDS):
        while not await asyncio.to_thread(program.ready):
            await asyncio.sleep(0.1)
    note(WELL)


async def _kill(name: str, program: Program) -> None:
    if name == "postgres":
        # Its own word for a crash: killed from outside, it leaves processes behind that hold its memory.
        await asyncio.to_thread(program.stop, by=signal.SIGQUIT)
    else:
        program.kill()
