"""PostgreSQL for the services that keep rows: the pool, transactions whose failures callers understand, and the schema.

Needs the extra `database`. Each service has its own database and its own user in it.
"""

# alembic and asyncpg are annotated in part:
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

import enum
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chatcluster_common import errors, logs
from chatcluster_common.startup import StartupError, wait_for

log = logs.get_logger(__name__)

_CONNECT_SECONDS = 3
_POOL_WAIT_SECONDS = 3
_COMMAND_SECONDS = 10

# Waiting for another replica's migration; a table's lock while the release before serves; one statement.
_LOCK_TIMEOUT = "120s"
_TABLE_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT = "600s"

_STOPPING_OR_STARTING = "57P"
"""SQLSTATEs of a server that shuts down, recovers, or starts."""

# The driver's own errors come unwrapped while it connects.
UNREACHABLE = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
"""What is raised when the database does not answer."""


def open_engine(
    url: str, pool: int, *, application: str, command_seconds: float | None = _COMMAND_SECONDS
) -> AsyncEngine:
    """A pool of `pool` connections that are checked before use, so that a failover costs no request."""
    return create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": command_seconds,
            "server_settings": {"application_name": application},
        },
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """One transaction, committed at the end. A database that does not answer is a 503 `Problem`."""
    try:
        async with engine.begin() as connection:
            yield connection
    except UNREACHABLE as error:
        log.warning("the database does not answer", error_type=type(error).__name__)
        raise errors.unavailable() from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if not (error.connection_invalidated or state.startswith(_STOPPING_OR_STARTING)):
            raise
        log.warning("the database closed the connection", error_type=type(error.orig).__name__)
        raise errors.unavailable() from error


class SchemaState(enum.Enum):
    """Where the database's schema is, seen from this release."""

    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"
    """A later release has migrated it. Migrations keep the release before working, so it can be served."""


class Schema:
    """One service's schema and its migrations (Alembic's, in `folder`).

    `migrate` runs as an init container of every replica: an advisory lock lets one of them work while the others wait
    and then find nothing to do. All steps are one transaction, so that a failed migration leaves the schema as it was.
    """

    def __init__(self, service: str, folder: Path) -> None:
        self._lock_key = zlib.crc32(f"chatcluster {service}".encode())
        self._config = Config()
        self._config.set_main_option("script_location", str(folder))

    async def migrate(self, engine: AsyncEngine) -> None:
        """Bring the schema to the newest revision that this release knows; does nothing when it is there or beyond.

        Raises SQLAlchemy's errors when the lock, a table or a statement takes too long.
        """
        async with engine.begin() as connection:
            await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            await connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self._lock_key)))
            await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_TIMEOUT}'"))
            state = await self.state(connection)
            if state is SchemaState.BEHIND:
                await connection.run_sync(self._upgrade)
            log.info("schema migrated" if state is SchemaState.BEHIND else "schema needs nothing", state=state.value)

    async def state(self, connection: AsyncConnection) -> SchemaState:
        """Compare the database's revision with this release's newest."""
        revision = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
        script = ScriptDirectory.from_config(self._config)
        if revision == script.get_current_head():
            return SchemaState.CURRENT
        known = {step.revision for step in script.walk_revisions()}
        return SchemaState.BEHIND if revision is None or revision in known else SchemaState.AHEAD

    async def wait_until_usable(self, engine: AsyncEngine, seconds: float) -> None:
        """Return once the database answers and its schema is this release's or a later one's. Raises `StartupError`."""

        async def usable() -> None:
            async with engine.connect() as connection:
                state = await self.state(connection)
            if state is SchemaState.BEHIND:
                raise StartupError("the schema is older than this release: run the service with the argument `migrate`")
            if state is SchemaState.AHEAD:
                log.warning("the schema is newer than this release; it is served, as migrations keep that working")

        await wait_for("a database with a migrated schema", usable, seconds=seconds)

    async def wait_and_migrate(self, url: str, seconds: float, *, application: str) -> None:
        """What the argument `migrate` does: wait for the database, then `migrate`."""
        # Statements are bounded by the server here: a long migration is not a lost connection.
        engine = open_engine(url, 1, application=application, command_seconds=None)
        try:

            async def ping() -> None:
                async with engine.connect() as connection:
                    await connection.execute(sa.select(1))

            await wait_for("the database", ping, seconds=seconds)
            await self.migrate(engine)
        finally:
            await engine.dispose()

    def _upgrade(self, connection: sa.Connection) -> None:
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, "head")
