"""PostgreSQL's primary dies, hangs, moves, or is a primary no more: by the pool that all services with rows share."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from chatcluster_common.database import open_engine, transaction
from chatcluster_common.errors import Problem
from chatcluster_testing.cable import Cable, running_cable
from chatcluster_testing.postgres import Postgres, running_postgres

POOL = 3
BOUND_SECONDS = 20.0
"""Far more than any call may take by itself: the machine may be busy."""

INSERT = sa.text("INSERT INTO notes VALUES (:text)")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that these tests may stop."""
    with running_postgres() as own:
        yield own


@pytest.fixture
def cable(server: Postgres) -> Iterator[Cable]:
    """The way to it."""
    with running_cable(server.port) as whole:
        yield whole


@pytest.fixture
def database(server: Postgres) -> str:
    """A database with a table."""
    name = server.create_database()
    server.execute("CREATE TABLE notes (text text PRIMARY KEY)", name)
    return name


@pytest.fixture
async def engine(server: Postgres, cable: Cable, database: str) -> AsyncIterator[AsyncEngine]:
    """A pool on the cable, all its connections made."""
    url = server.url(database).replace(f":{server.port}/", f":{cable.port}/")
    made = open_engine(url, POOL, application="test")
    await asyncio.gather(*(note(made, f"first {n}") for n in range(POOL)))
    yield made
    await made.dispose()


async def note(engine: AsyncEngine, text: str) -> None:
    """Write a row. Ends within the bound, whatever comes of it."""
    async with asyncio.timeout(BOUND_SECONDS), transaction(engine) as connection:
        await connection.execute(INSERT, {"text": text})


async def until_noted(engine: AsyncEngine, text: str) -> None:
    """As a client does that is told to try again."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await note(engine, text)
            except Problem:
                await asyncio.sleep(0.05)


async def until_refused(engine: AsyncEngine) -> Problem:
    """Write on until that is refused."""
    async with asyncio.timeout(30):
        while True:
            try:
                await note(engine, str(uuid.uuid4()))
            except Problem as problem:
                return problem


async def test_torn_connections_cost_no_call(engine: AsyncEngine, cable: Cable) -> None:
    cable.reset()
    for number in range(2 * POOL):
        await note(engine, f"after {number}")


async def test_a_call_waits_for_a_primary_that_is_away_for_a_moment(engine: AsyncEngine, cable: Cable) -> None:
    cable.cut()
    waiting = asyncio.create_task(note(engine, "patient"))
    await asyncio.sleep(0.3)  # some attempts are refused meanwhile
    cable.mend()
    await waiting


async def test_without_a_primary_a_call_ends_with_try_again(engine: AsyncEngine, cable: Cable) -> None:
    cable.cut()
    with pytest.raises(Problem) as refused:
        await note(engine, "refused")
    assert (refused.value.status, refused.value.code) == (503, "unavailable")
    assert refused.value.document()["retry_after_ms"] > 0
    assert int(refused.value.headers["Retry-After"]) >= 1


async def test_a_primary_that_hangs_ends_calls_and_then_none(engine: AsyncEngine, cable: Cable) -> None:
    inside = asyncio.Event()

    async def caught_in_the_middle() -> None:
        async with transaction(engine) as connection:
            await connection.execute(INSERT, {"text": "middle"})
            inside.set()
            while not cable_hangs.is_set():
                await asyncio.sleep(0.01)
            await connection.execute(INSERT, {"text": "hangs"})

    cable_hangs = asyncio.Event()
    middle = asyncio.create_task(caught_in_the_middle())
    await inside.wait()
    cable.hang()
    cable_hangs.set()
    async with asyncio.timeout(BOUND_SECONDS):
        calls = (note(engine, f"h{n}") for n in range(2 * POOL))
        results = await asyncio.gather(middle, *calls, return_exceptions=True)
    assert all(isinstance(result, Problem) for result in results), results
    cable.reset()
    cable.mend()
    await until_noted(engine, "hangs")  # undone before, so it may be written now
    await asyncio.gather(*(note(engine, f"after {n}") for n in range(2 * POOL)))


async def test_a_lost_answer_to_a_commit_is_told_as_such(
    engine: AsyncEngine, cable: Cable, server: Postgres, database: str
) -> None:
    cable.lost_after = b"COMMIT"
    with pytest.raises(Problem, match="may have been done all the same"):
        await note(engine, "lost")
    cable.reset()
    cable.mend()
    assert server.execute("SELECT count(*) FROM notes WHERE text = 'lost'", database) == "1"
    await until_noted(engine, "next")


async def test_who_is_no_primary_any_more_is_left_at_once(engine: AsyncEngine, server: Postgres) -> None:
    """The address leads on to a server that was demoted, which reads and does not write."""
    standby = server.program.folder / "data/standby.signal"
    server.program.stop(by=signal.SIGINT)
    standby.touch()
    server.program.start()
    assert server.execute("SELECT pg_is_in_recovery()") == "t"
    with pytest.raises(Problem) as refused:
        await note(engine, "written to a copy")
    assert refused.value.code == "unavailable"
    server.execute("SELECT pg_promote()")
    await asyncio.gather(*(until_noted(engine, f"written by the new primary {n}") for n in range(2 * POOL)))


async def test_a_primary_without_room_is_read_from_and_says_why_it_does_not_write(
    engine: AsyncEngine, server: Postgres
) -> None:
    server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    server.execute("SELECT pg_reload_conf()")
    try:
        # One that was open before, and one that is opened now.
        for _ in range(2):
            refused = await until_refused(engine)
            assert refused.code == "storage_full"
            assert refused.retry_seconds
            assert refused.retry_seconds >= 10
            async with transaction(engine) as connection:
                assert await connection.scalar(sa.text("SELECT count(*) FROM notes")) >= POOL
            await engine.dispose()
    finally:
        server.execute("ALTER SYSTEM RESET default_transaction_read_only")
        server.execute("SELECT pg_reload_conf()")
    await until_noted(engine, "there is room again")


async def test_a_server_that_shuts_down_under_a_transaction(engine: AsyncEngine, server: Postgres) -> None:
    async def interrupted() -> None:
        async with transaction(engine) as connection:
            await connection.execute(INSERT, {"text": "cut short"})
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
            await connection.execute(INSERT, {"text": "cut short, too"})

    with pytest.raises(Problem):
        await interrupted()
    await note(engine, "cut short")


async def test_what_a_rule_of_the_table_refuses_is_no_outage(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        await note(engine, "first 0")
