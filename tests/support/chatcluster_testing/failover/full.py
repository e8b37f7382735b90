"""A store's volumes filled to their last byte under people who chat and probes that write, then grown by the spec."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from chatcluster_testing.cluster import processes_of, until
from chatcluster_testing.failover.probes import Probe, probing, verify_all
from chatcluster_testing.failover.world import World
from chatcluster_testing.people import Person, Refused
from chatcluster_testing.talking import Chat, Outcome

ALL: Final = ("postgres", "mongodb", "redis", "kafka", "objects")
BEFORE: Final = "1Gi"
AFTER: Final = "2Gi"
"""Sizes of each volume."""
FULL: Final = "storage_full"
"""Code of the problem by which services say it."""
CODES: Final = {"objects": "unavailable"}
"""Codes of other problems: an S3 without room says no more than that it could not."""
_FILLED_SECONDS: Final = 120.0
_TOLD_SECONDS: Final = 360.0
"""Volumes are asked every two to four minutes."""
_GROWN_SECONDS: Final = 420.0
"""Seconds for volumes to grow and writes to go on: what had to end starts again by the kubelet's back-off."""
_DATA: Final = "var/lib/chatcluster"
_READS: Final = 20


Read = Callable[[str], Awaitable[bool]]
"""Reads something of a store, and says whether that was answered."""


@dataclass
class Filled:
    """What became of one store."""

    outcome: Outcome
    refused_after: float | None = None
    """Seconds from a full volume until a write was refused for want of room; None: none was, as nobody waits for it."""
    codes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Codes of all refusals."""
    reads: int = 0
    reads_failed: int = 0
    """Reads of what the store holds while it was full, and how many of them failed."""
    told_after: float | None = None
    """Seconds until VolumesHaveRoom named it; None: that was not waited for, or not in time."""
    written_after: float = 0.0
    """Seconds from the change of the spec until a write was taken."""
    problems: list[str] = field(default_factory=list[str])


def fill(pod: Mapping[str, Any]) -> None:
    """Write a file into a member's volume until nothing more fits.

    By this process, through the root of one of the pod's: what the pod itself wrote would count as its own memory.
    """
    zeros = bytes(1024 * 1024)
    with contextlib.suppress(OSError), (_volume(pod) / "filler").open("ab", buffering=0) as filler:
        while filler.write(zeros):
            pass


def clear(pod: Mapping[str, Any]) -> None:
    """Take the file away again: the next store's needs the memory."""
    (_volume(pod) / "filler").unlink(missing_ok=True)


def _volume(pod: Mapping[str, Any]) -> Path:
    roots = (Path(f"/proc/{pid}/root/{_DATA}") for pid in processes_of(dict(pod)))
    found = next((root for root in roots if root.is_mount()), None)
    assert found, f"{pod['metadata']['name']} has no process that sees its volume"
    return found


async def fill_and_grow(world: World, chat: Chat, store: str, edge: str) -> Filled:
    """One store goes through all of it while people chat."""
    result = Filled(Outcome())
    async with probing(edge) as probes, reading(edge) as reads:
        probe = probes.get(store)
        said = _codes_of(chat, probe)
        taken = _taken_of(chat, probe)

        async def act() -> None:
            filled = time.monotonic()
            for pod in await asyncio.to_thread(world.cluster.pods, store):
                await asyncio.to_thread(fill, pod)
            if store != "kafka":
                await _until(
                    lambda: said().get(CODES.get(store, FULL), 0), f"{store} to refuse a write", _FILLED_SECONDS
                )
                result.refused_after = time.monotonic() - filled
            for _ in range(_READS):
                result.reads += 1
                result.reads_failed += not await reads(store)
            # Who chats repeats a message for a minute or two, and is not kept waiting for what is only told.
            with contextlib.suppress(AssertionError):
                patience = 0.0 if store == "mongodb" else _TOLD_SECONDS
                await asyncio.to_thread(until, lambda: _named(world, store), "it to be told", patience, 5.0)
                result.told_after = time.monotonic() - filled
            grown = time.monotonic()
            await asyncio.to_thread(_grow, world, store)
            await _until(lambda: any(at > grown for at in taken()), f"{store} to be written again", _GROWN_SECONDS)
            result.written_after = min(at for at in taken() if at > grown) - grown
            await asyncio.to_thread(world.wait_whole)
            for pod in await asyncio.to_thread(world.cluster.pods, store):
                await asyncio.to_thread(clear, pod)

        result.outcome = await chat.through(act)
        await verify_all(list(probes.values()))
    result.codes = dict(said())
    result.problems = [problem for each in probes.values() for problem in each.problems] + result.outcome.problems
    return result


@contextlib.asynccontextmanager
async def reading(edge: str) -> AsyncGenerator[Read]:
    """Gives a function that reads something of a store by the public API, and says whether that was answered."""
    async with contextlib.AsyncExitStack() as stack:
        reader, other = [await stack.enter_async_context(await Person.register(edge, f"reader{n}")) for n in range(2)]
        room = await reader.conversation(other)
        form = aiohttp.FormData()
        form.add_field("file", b"to be read", filename="a.txt")
        stored = await reader.rest("POST", "/files", data=form)
        paths = {
            "postgres": "/users/me",
            "mongodb": f"/conversations/{room}/messages",
            "redis": f"/presence?user_ids={other.user['id']}",
            "kafka": f"/conversations/{room}/messages",
            "objects": f"/files/{stored['items'][0]['id']}",
        }

        async def read(store: str) -> bool:
            try:
                async with asyncio.timeout(10):
                    await reader.rest("GET", paths[store])
            except (Refused, aiohttp.ClientError, OSError, ValueError):
                return False
            return True

        yield read


def _codes_of(chat: Chat, probe: Probe | None) -> Callable[[], Mapping[str, int]]:
    """Codes of refusals so far; of the message store those of who chats."""
    if probe is not None:
        return lambda: probe.codes
    return lambda: sum((person.codes for person in chat.people), start=Counter[str]())


def _taken_of(chat: Chat, probe: Probe | None) -> Callable[[], list[float]]:
    """When writes were acknowledged."""
    if probe is not None:
        return lambda: probe.taken
    return lambda: [at for person in chat.people for at in person.acknowledged_at.values()]


def _named(world: World, store: str) -> bool:
    condition = world.cluster.condition("VolumesHaveRoom")
    return condition.get("status") == "False" and f"spec.{store}.storage.size" in condition["message"]


def _grow(world: World, store: str) -> None:
    patch = json.dumps({"spec": {store: {"storage": {"size": AFTER}}}})
    world.cluster.kubectl("patch", "chatcluster", world.cluster.chatcluster, "--type", "merge", "-p", patch)


async def _until(found: Callable[[], Any], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.1)
