"""The schema: bringing it to this release's revision, and knowing whether it is there.

`migrate` runs as an init container of every replica: an advisory lock lets one of them work while the others wait and
then find nothing to do. All steps are one transaction, so that a failed migration leaves the schema as it was.
"""

import enum
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chatcluster_common import logs

log = logs.get_logger(__name__)

_LOCK_KEY = 0x63686174_75736572
"""Advisory lock of this service's migrations: the bytes of `chatuser`."""

# Waiting for another replica's migration; a table's lock while the release before serves; one statement.
_LOCK_TIMEOUT = "120s"
_TABLE_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT = "600s"


class SchemaState(enum.Enum):
    """Where the database's schema is, seen from this release."""

    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"
    """A later release has migrated it. Migrations keep the release before working, so it can be served."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema to the newest revision that this release knows; does nothing when it is there or beyond.

    Raises SQLAlchemy's errors when the lock, a table or a statement takes too long.
    """
    async with engine.begin() as connection:
        await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        await connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
        await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_TIMEOUT}'"))
        state = await schema_state(connection)
        if state is SchemaState.BEHIND:
            await connection.run_sync(_upgrade)
        log.info("schema migrated" if state is SchemaState.BEHIND else "schema needs nothing", state=state.value)


async def schema_state(connection: AsyncConnection) -> SchemaState:
    """Compare the database's revision with this release's newest."""
    revision = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    script = ScriptDirectory.from_config(_config())
    if revision == script.get_current_head():
        return SchemaState.CURRENT
    known = {step.revision for step in script.walk_revisions()}
    return SchemaState.BEHIND if revision is None or revision in known else SchemaState.AHEAD


def _upgrade(connection: sa.Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
