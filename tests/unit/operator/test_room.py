"""How full volumes are, asked of the very program that runs beside each store."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcluster_operator.decide import Key, Pod
from chatcluster_operator.observe.room import EVERY, Room
from chatcluster_operator.observe.scraper import Scraper
from chatcluster_testing.process import Program, accepts, free_port, store_env

VOLUME = Path(__file__).parents[3] / "stores/common/volume"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    env = store_env() | {"CHAT_VOLUME_PORT": str(port), "CHAT_DATA_DIR": str(tmp_path), "CHAT_RESERVE_MB": "0"}
    program = Program("volume", ["bash", "-c", f"{VOLUME} keep & wait"], tmp_path, lambda: accepts(port), env=env)
    program.start()
    yield port
    program.stop()


async def heard(room: Room, pods: dict[Key, Pod]) -> dict[str, int]:
    """Look, let the round that this began end, and look at what came out."""
    room.look(pods)
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait(tasks, timeout=10) if tasks else None
    return dict(room.look(pods))


async def test_each_members_volume_is_asked_for_rarely(port: int, tmp_path: Path) -> None:
    changes: list[None] = []
    scraper, now = Scraper(), 1000.0
    room = Room(scraper, lambda: changes.append(None), port=port, clock=lambda: now)
    pods = {
        Key("Pod", "demo-redis-0"): Pod("p", 1, "redis", ready=True, address="127.0.0.1"),
        Key("Pod", "demo-kafka-0"): Pod("p", 1, "kafka", address="127.0.0.1"),
        Key("Pod", "demo-kafka-1"): Pod("p", 1, "kafka"),
        Key("Pod", "demo-message-0"): Pod("p", 1, "message", ready=True, address="127.0.0.1"),
    }
    try:
        assert room.look(pods) == {}, "nobody waits for an answer"
        figures = await heard(room, pods)
        assert figures.keys() == {"demo-redis-0", "demo-kafka-0"}, "those not ready too, as a full one may not be"
        found = os.statvfs(tmp_path)
        taken = found.f_blocks - found.f_bfree
        used = 100 * taken / (taken + found.f_bavail)
        assert all(used - 2 <= figure <= used + 2 or figure == 100 for figure in figures.values())
        assert len(changes) == 1
        now += EVERY / 2
        room.look(pods)
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()], "not due yet"
    finally:
        room.close()
        await scraper.close()


def test_the_program_is_well_formed() -> None:
    done = subprocess.run(["perl", "-wc", VOLUME], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, f"{VOLUME} syntax OK")
