"""PostgreSQL for the services that keep rows: the pool, transactions whose failures callers understand, and the schema.

Needs the extra `database`. Each service has its own database and its own user in it.
"""

# alembic and asyncpg are annotated in part:
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

import asyncio
import enum
import random
import zlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chatcluster_common import errors, logs, tcp
from chatcluster_common.acceptance import not_refused
from chatcluster_common.health import Check
from chatcluster_common.startup import StartupError, wait_for

log = logs.get_logger(__name__)

_CONNECT_SECONDS = 2
_POOL_WAIT_SECONDS = 2
_COMMAND_SECONDS = 5
_PATIENCE_SECONDS = 2.5
"""For a connection to a primary. Less than another service waits for an answer (`internal`), so that it is told why."""
_LONGEST_PAUSE_SECONDS = 0.4

# Waiting for another replica's migration; a table's lock while the release before serves; one statement.
_LOCK_TIMEOUT = "120s"
_TABLE_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT = "600s"

_READ_ONLY = "25006"
_MOVED = ("57P", _READ_ONLY)
"""How the SQLSTATEs begin of a server that shuts down, recovers or starts, and of a write to one that is no primary."""
_DISK_FULL = "53100"

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


class _Connection(asyncpg.Connection):
    """One that ends soon after its server has vanished."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        tcp.notice_loss(transport.get_extra_info("socket"))


def open_engine(
    url: str, pool: int, *, application: str, command_seconds: float | None = _COMMAND_SECONDS
) -> AsyncEngine:
    """A pool of `pool` connections to the primary that are checked before use, so that a failover costs no request.

    All of them are dropped as soon as one of them turns out to lead to a server that is none any more.
    """
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": command_seconds,
            "connection_class": _Connection,
            "server_settings": {"application_name": application},
            # While roles move, an address may still lead to the server that was the primary. One that refuses writes
            # because its volume is full is the primary all the same, and read from.
            "target_session_attrs": "primary",
        },
    )
    listen(engine.sync_engine, "handle_error", _told_of, retval=True)
    return engine


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """One transaction, committed at the end. A database that does not answer, or has no room left, is a 503 `Problem`.

    While the primary moves it waits for the next one, up to `_PATIENCE_SECONDS`: nothing has been done yet. What fails
    later is not repeated here, as only the caller knows whether that is safe; of a failed commit nobody knows whether
    it took effect, and the `Problem` says so.
    """
    connection = await _connected(engine)
    detail: str | None = None
    try:
        async with connection.begin():
            yield connection
            detail = "A part of the service did not answer. What you asked for may have been done all the same."
    except UNREACHABLE as error:
        log.warning("the database does not answer", error_type=type(error).__name__)
        raise errors.unavailable(detail) from error
    except DBAPIError as error:
        if not (error.connection_invalidated or _has_moved(error.orig)):
            raise
        log.warning("the database closed the connection", error_type=type(error.orig).__name__)
        raise errors.unavailable(detail) from error
    finally:
        await asyncio.shield(connection.close())


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    """A connection to the primary. Raises a 503 `Problem` when there is none in time."""
    now = asyncio.get_running_loop().time
    deadline, pause = now() + _PATIENCE_SECONDS, 0.05
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await engine.connect()
        except (*UNREACHABLE, DBAPIError) as error:
            # A full pool is full of others who wait; a password that is refused does not get better either.
            final = isinstance(error, (PoolTimeoutError, asyncpg.InvalidAuthorizationSpecificationError))
            if final or now() + pause >= deadline:
                log.warning("the database does not answer", error_type=type(error).__name__)
                raise errors.unavailable() from error
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 jitter
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _told_of(context: ExceptionContext) -> Exception | None:
    """SQLAlchemy's event for errors: which of them mean that the connection, or every one, is of no use any more; in
    place of one that says that there is no room for a write, the `Problem` to raise."""
    if _is_full(context):
        log.warning("the database takes no writes: its volume is full")
        return errors.full()
    if isinstance(context.original_exception, TimeoutError):
        # Nobody knows whether the server will ever answer; nothing else may wait for it on this connection.
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
    elif _has_moved(context.original_exception):
        context.is_disconnect = True
    return None


def _is_full(context: ExceptionContext) -> bool:
    """Whether a write was refused for want of room: by the disk, or by a primary that takes no writes before it is full
    (`stores/postgres/read-only`). One that is no primary refuses them in the same words, and says that it follows."""
    state = str(getattr(context.original_exception, "sqlstate", None) or "")
    if state != _READ_ONLY or context.connection is None:
        return state == _DISK_FULL
    driver: Any = context.connection.connection.driver_connection
    told = driver.get_settings()
    follows = getattr(told, "in_hot_standby", "off") == "on"
    return not follows and getattr(told, "default_transaction_read_only", "off") == "on"


def _has_moved(error: BaseException | None) -> bool:
    return str(getattr(error, "sqlstate", None) or "").startswith(_MOVED)


def database_not_refused(engine: AsyncEngine) -> Check:
    """The readiness check that fails while the database refuses the user or the password."""

    async def sign_in() -> None:
        async with engine.connect() as connection:
            await connection.execute(sa.select(1))

    return not_refused("postgres", sign_in, (asyncpg.InvalidAuthorizationSpecificationError,))


class SchemaState(enum.Enum):
    """Where the database's schema is, seen from this release."""

    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"
    """A later release has widened it. That keeps this release working, so it can be served."""
    CONTRACTED = "contracted"
    """A later release has taken away what this one needs."""


class ContractedError(StartupError):
    """A later release has taken away what this one needs from the schema."""

    def __init__(self) -> None:
        super().__init__(
            "a later release has removed from the schema what this one needs: run that release or a later one, "
            "or restore a backup from before it"
        )


CONTRACT_PREFIX = "c"
"""How the revisions of the folder `contract` begin, so that an earlier release knows them for what they are."""


class Schema:
    """One service's schema and its migrations (Alembic's).

    They are two histories. `<folder>/versions` widens the schema such that the release before still works, and runs
    before a release begins. `<folder>/contract` takes away what only the release before needed, and runs once nothing
    of that release is left; each of its revisions depends on one of `versions`, never the other way round. So releases
    can be skipped. An advisory lock lets one process work while others wait and then find nothing to do. All steps are
    one transaction: a failed migration leaves the schema as it was.
    """

    def __init__(self, service: str, folder: Path) -> None:
        self._lock_key = zlib.crc32(f"chatcluster {service}".encode())
        self._config = Config()
        self._config.set_main_option("script_location", str(folder))
        self._config.set_main_option("path_separator", "newline")
        self._config.set_main_option("version_locations", f"{folder / 'versions'}\n{folder / 'contract'}")

    async def migrate(self, engine: AsyncEngine, *, contract: bool = False) -> None:
        """Bring the schema to the newest revision that this release knows; does nothing when it is there or beyond.

        With `contract` what earlier releases alone needed is taken away too. Raises `ContractedError` when a later
        release has done so, and SQLAlchemy's errors when the lock, a table or a statement takes too long.
        """
        async with engine.begin() as connection:
            await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            await connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self._lock_key)))
            await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_TIMEOUT}'"))
            state = await self.state(connection)
            if state is SchemaState.CONTRACTED:
                raise ContractedError
            widest, narrowest = self._head(contract=False), self._head(contract=True)
            if state is SchemaState.BEHIND and widest:
                await connection.run_sync(self._upgrade, widest)
            if contract and state is not SchemaState.AHEAD and narrowest:
                await connection.run_sync(self._upgrade, narrowest)
            log.info("schema migrated" if state is SchemaState.BEHIND else "schema needs nothing", state=state.value)

    async def state(self, connection: AsyncConnection) -> SchemaState:
        """Compare the database's revisions with this release's newest."""
        heads = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_heads())
        script = ScriptDirectory.from_config(self._config)
        known = {step.revision for step in script.walk_revisions()}
        unknown = [revision for revision in heads if revision not in known]
        if any(revision.startswith(CONTRACT_PREFIX) for revision in unknown):
            return SchemaState.CONTRACTED
        if unknown:
            return SchemaState.AHEAD
        return SchemaState.CURRENT if self._head(contract=False) in _done(script, heads) else SchemaState.BEHIND

    async def wait_until_usable(self, engine: AsyncEngine, seconds: float) -> None:
        """Return once the database answers and its schema is this release's or a later one's. Raises `StartupError`."""

        async def usable() -> None:
            async with engine.connect() as connection:
                state = await self.state(connection)
            if state is SchemaState.BEHIND:
                raise StartupError("the schema is older than this release: run the service with the argument `migrate`")
            if state is SchemaState.CONTRACTED:
                raise ContractedError
            if state is SchemaState.AHEAD:
                log.warning("the schema is newer than this release; it is served, as migrations keep that working")

        await wait_for("a database with a migrated schema", usable, seconds=seconds)

    async def wait_and_migrate(self, url: str, seconds: float, *, application: str, contract: bool = False) -> None:
        """What the argument `migrate` does: wait for the database, then `migrate`."""
        # Statements are bounded by the server here: a long migration is not a lost connection.
        engine = open_engine(url, 1, application=application, command_seconds=None)
        try:

            async def ping() -> None:
                async with engine.connect() as connection:
                    await connection.execute(sa.select(1))

            await wait_for("the database", ping, seconds=seconds)
            await self.migrate(engine, contract=contract)
        finally:
            await engine.dispose()

    def _head(self, *, contract: bool) -> str | None:
        """The newest revision of one history; None when it has none."""
        heads = ScriptDirectory.from_config(self._config).get_heads()
        return next((head for head in heads if head.startswith(CONTRACT_PREFIX) is contract), None)

    def _upgrade(self, connection: sa.Connection, revision: str) -> None:
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, revision)


def _done(script: ScriptDirectory, heads: Iterable[str]) -> set[str]:
    """The revisions that have run where these are the last of each history."""
    done: set[str] = set()
    left = list(heads)
    while left:
        step = script.get_revision(left.pop())
        done.add(step.revision)
        for before in (step.down_revision, step.dependencies):
            left += [before] if isinstance(before, str) else before or ()
    return done
