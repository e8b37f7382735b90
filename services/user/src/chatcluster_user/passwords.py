"""Password hashing (argon2id) in a few threads, so that it neither blocks the event loop nor takes the machine."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Counter, Gauge

from chatcluster_common.errors import Problem

PENDING = Gauge("chat_user_hashes_pending", "Passwords being hashed or waiting for it.")
REFUSED = Counter("chat_user_hashes_refused_total", "Requests refused because too many passwords waited.")

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a password check."""

    valid: bool
    new_hash: str | None = None
    """Store it in place of the old one: the old one was made with less cost than is asked for now."""


class Passwords:
    """Hashes and checks passwords; at most `threads` at once, `queue` waiting, a 503 `Problem` beyond that."""

    def __init__(self, *, memory_kib: int, iterations: int, parallelism: int, threads: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=parallelism)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._limit = threads + queue
        self._pending = 0
        # Checked in place of the hash that an unknown account does not have, so that both answers take as long.
        self._nobodys_hash = self._hasher.hash(secrets.token_hex(16))

    def close(self) -> None:
        """Let go of the threads; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to store, with its salt and parameters (PHC string)."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> Verdict:
        """Whether `password` belongs to `stored`; with None (no such account) it never does, and takes as long."""
        return await self._run(lambda: self._verify(stored, password))

    def _verify(self, stored: str | None, password: str) -> Verdict:
        try:
            self._hasher.verify(stored or self._nobodys_hash, password)
        except (VerificationError, InvalidHashError):
            return Verdict(valid=False)
        if stored is None:
            return Verdict(valid=False)
        stale = self._hasher.check_needs_rehash(stored)
        return Verdict(valid=True, new_hash=self._hasher.hash(password) if stale else None)

    async def _run(self, work: Callable[[], R]) -> R:
        if self._pending >= self._limit:
            REFUSED.inc()
            raise Problem(
                503, "busy", "Too many people are signing in right now. Try again shortly.", retry_seconds=2.0
            )
        self._pending += 1
        PENDING.set(self._pending)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pending -= 1
            PENDING.set(self._pending)
