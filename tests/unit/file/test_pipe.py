"""The pipe between the event loop and the thread that uploads: bounded, and broken from either end."""

import asyncio
import hashlib

import pytest

from chatcluster_file.pipe import CAPACITY_BYTES, Pipe, PipeBroken


async def test_content_goes_through_in_the_sizes_asked_for() -> None:
    pipe = Pipe(idle_seconds=5)
    content = bytes(range(256)) * 20_000  # 5 MB

    def read_all() -> list[bytes]:
        parts: list[bytes] = []
        while part := pipe.read(1_000_000):
            parts.append(part)
        return parts

    reading = asyncio.create_task(asyncio.to_thread(read_all))
    for start in range(0, len(content), 60_000):
        await pipe.write(content[start : start + 60_000])
    pipe.close()
    parts = await reading
    assert b"".join(parts) == content
    assert [len(part) for part in parts] == [1_000_000] * 5 + [120_000]
    assert pipe.size == len(content)
    assert pipe.digest.hexdigest() == hashlib.sha256(content).hexdigest()


async def test_the_writer_is_held_back_until_there_is_room() -> None:
    pipe = Pipe(idle_seconds=5)
    writing = asyncio.create_task(pipe.write(bytes(CAPACITY_BYTES)))
    await asyncio.sleep(0)
    assert not writing.done()
    await asyncio.to_thread(pipe.read, 10)
    await writing


async def test_a_reader_that_is_stuck_breaks_the_pipe() -> None:
    pipe = Pipe(idle_seconds=0.01)
    with pytest.raises(PipeBroken, match="stuck"):
        await pipe.write(bytes(CAPACITY_BYTES))
    with pytest.raises(PipeBroken):
        pipe.read(1)


async def test_a_writer_that_is_silent_breaks_the_pipe() -> None:
    pipe = Pipe(idle_seconds=0.01)
    with pytest.raises(PipeBroken):
        await asyncio.to_thread(pipe.read, 1)
    with pytest.raises(PipeBroken):
        await pipe.write(b"x")


async def test_breaking_wakes_a_writer_that_waits() -> None:
    pipe = Pipe(idle_seconds=5)
    writing = asyncio.create_task(pipe.write(bytes(CAPACITY_BYTES)))
    await asyncio.sleep(0)
    await asyncio.to_thread(pipe.break_)
    with pytest.raises(PipeBroken):
        await writing
