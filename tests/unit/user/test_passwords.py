"""Password hashing: its answers, its bound, and that the event loop goes on meanwhile."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from chatcluster_common.errors import Problem
from chatcluster_user.passwords import Passwords


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Cheap ones, two at once, two waiting."""
    pool = Passwords(memory_kib=64, iterations=1, parallelism=1, threads=2, queue=2)
    yield pool
    pool.close()


async def test_right_and_wrong(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await passwords.hash("correct horse battery") != stored
    verdict = await passwords.verify(stored, "correct horse battery")
    assert (verdict.valid, verdict.new_hash) == (True, None)
    assert not (await passwords.verify(stored, "wrong")).valid
    assert not (await passwords.verify("not a hash", "wrong")).valid


async def test_nobody_has_a_password(passwords: Passwords) -> None:
    assert not (await passwords.verify(None, "correct horse battery")).valid


async def test_a_cheaper_hash_is_made_anew(passwords: Passwords) -> None:
    stored = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash("correct horse battery")
    verdict = await passwords.verify(stored, "correct horse battery")
    assert verdict.valid
    assert verdict.new_hash
    assert (await passwords.verify(verdict.new_hash, "correct horse battery")).new_hash is None
    assert (await passwords.verify(stored, "wrong")).new_hash is None


async def test_too_many_at_once_are_refused(passwords: Passwords) -> None:
    results = await asyncio.gather(
        *(passwords.hash("correct horse battery") for _ in range(10)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, Problem)]
    assert len(refused) == 6
    assert {(problem.status, problem.headers["Retry-After"]) for problem in refused} == {(503, "2")}
    assert await passwords.hash("correct horse battery")


async def test_unknown_accounts_take_as_long_as_known_ones() -> None:
    pool = Passwords(memory_kib=1024, iterations=1, parallelism=1, threads=1, queue=10)
    stored = await pool.hash("correct horse battery")
    fastest: dict[str | None, float] = {stored: 60.0, None: 60.0}
    # The fastest of many short ones, in turn: a busy machine disturbs both alike.
    for _ in range(30):
        for of in (stored, None):
            started = time.perf_counter()
            await pool.verify(of, "wrong password")
            fastest[of] = min(fastest[of], time.perf_counter() - started)
    pool.close()
    assert fastest[stored] / 2 < fastest[None] < fastest[stored] * 2
