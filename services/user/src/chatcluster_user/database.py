"""Transactions that stores share: a change, what it tells others and what it leaves in the audit log are one."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chatcluster_common.database import Schema, transaction

SCHEMA = Schema("user", Path(__file__).parent / "migrations")


class Transaction:
    """One transaction; the `store` modules' functions take it as their first argument."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.execute = connection.execute
        """Run one statement."""
        self.after_commit: set[Callable[[], None]] = set()
        """Called once what was written can be seen by others; never when it was undone."""

    async def write(self, statement: sa.Insert | sa.Update | sa.Delete) -> int:
        """Run one statement that changes rows; returns how many."""
        return (await self._connection.execute(statement)).rowcount

    async def lock(self, *names: str) -> None:
        """Until the transaction ends, nobody else gets past `lock` with one of the names."""
        for name in sorted(names):
            await self._connection.execute(
                sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, sa.literal(0, sa.BigInteger))))
            )


class Database:
    """The pool of connections to PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(sa.select(1))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """All of what is done in it or, when anything is raised, nothing. 503 when the database does not answer."""
        async with transaction(self._engine) as connection:
            current = Transaction(connection)
            yield current
        for call in current.after_commit:
            call()
