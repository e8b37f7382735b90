"""Schemas that are widened before a release and narrowed after it, with releases that follow, skip and go back."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import chatcluster_gateway
import chatcluster_notification
import chatcluster_user
from chatcluster_common.database import CONTRACT_PREFIX, ContractedError, Schema, SchemaState
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import service_program
from chatcluster_testing.tokens import TokenAuthority

ENVIRONMENT = """
from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
"""

# A person's name becomes two columns: release 2 brings them, and once nothing of release 1 is left the old one goes.
# Release 3 brings a column, and one more to be removed.
VERSIONS: Mapping[str, tuple[str | None, str]] = {
    "0001": (None, "CREATE TABLE people (name text, nick text)"),
    "0002": ("0001", "ALTER TABLE people ADD given text, ADD family text"),
    "0003": ("0002", "ALTER TABLE people ADD about text"),
}
CONTRACTS: Mapping[str, tuple[str | None, str, str]] = {
    "c0001": (None, "0002", "ALTER TABLE people DROP name"),
    "c0002": ("c0001", "0003", "ALTER TABLE people DROP nick"),
}
COLUMNS = {
    1: {"name", "nick"},
    2: {"nick", "given", "family"},
    3: {"given", "family", "about"},
}


def release(number: int, folder: Path) -> Schema:
    """The schema as that release knows it."""
    here = folder / str(number)
    (here / "versions").mkdir(parents=True)
    (here / "env.py").write_text(ENVIRONMENT)
    for revision, (before, statement) in list(VERSIONS.items())[:number]:
        text = f"revision = {revision!r}\ndown_revision = {before!r}\n\ndef upgrade():\n    op.execute({statement!r})\n"
        (here / "versions" / f"{revision}.py").write_text(f"from alembic import op\n{text}")
    for revision, (before, needs, statement) in list(CONTRACTS.items())[: number - 1]:
        (here / "contract").mkdir(exist_ok=True)
        head = f"revision = {revision!r}\ndown_revision = {before!r}\ndepends_on = {needs!r}\n"
        text = f"from alembic import op\n{head}\ndef upgrade():\n    op.execute({statement!r})\n"
        (here / "contract" / f"{revision}.py").write_text(text)
    return Schema("people", here)


async def columns(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        found = await connection.execute(
            sa.text("SELECT column_name FROM information_schema.columns WHERE table_name = 'people'")
        )
        return set(found.scalars())


async def state(schema: Schema, engine: AsyncEngine) -> SchemaState:
    async with engine.connect() as connection:
        return await schema.state(connection)


@pytest.mark.parametrize("steps", [(1, 2, 3), (1, 3), (3,), (2, 3)])
async def test_expanded_both_releases_work_and_contracted_the_later_one_alone(
    postgres: Postgres, tmp_path: Path, steps: tuple[int, ...]
) -> None:
    engine = create_async_engine(postgres.url(postgres.create_database()))
    schemas = {number: release(number, tmp_path) for number in (1, 2, 3)}
    before = 0
    for number in steps:
        if before:
            await schemas[number].migrate(engine)
            assert COLUMNS[before] | COLUMNS[number] <= await columns(engine)
            assert await state(schemas[before], engine) is SchemaState.AHEAD
            assert await state(schemas[number], engine) is SchemaState.CURRENT
            # Back again, nothing is to be done, and nothing is taken away.
            await schemas[before].migrate(engine, contract=True)
            assert COLUMNS[before] | COLUMNS[number] <= await columns(engine)
        for _ in range(2):
            await schemas[number].migrate(engine, contract=True)
            assert await columns(engine) == COLUMNS[number]
            assert await state(schemas[number], engine) is SchemaState.CURRENT
        if before:
            assert await state(schemas[before], engine) is SchemaState.CONTRACTED
            with pytest.raises(ContractedError, match="run that release or a later one"):
                await schemas[before].migrate(engine)
            with pytest.raises(Exception, match="a later release has removed"):
                await schemas[before].wait_until_usable(engine, 0.1)
        before = number
    await engine.dispose()


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(postgres: Postgres, tmp_path: Path) -> None:
    engine = create_async_engine(postgres.url(postgres.create_database()))
    await release(1, tmp_path).migrate(engine, contract=True)
    later = release(3, tmp_path)
    broken = tmp_path / "3" / "versions" / "0003.py"
    broken.write_text(broken.read_text().replace("ADD about", "ADD nick"))
    with pytest.raises(ProgrammingError):
        await later.migrate(engine)
    assert await columns(engine) == COLUMNS[1]
    assert await state(later, engine) is SchemaState.BEHIND
    await engine.dispose()


def test_the_command_says_for_good_that_a_release_is_too_old(
    postgres: Postgres, migrated_database: str, tokens: TokenAuthority, tmp_path: Path
) -> None:
    database = postgres.clone_database(migrated_database)
    postgres.execute("INSERT INTO alembic_version VALUES ('c9999')", database)
    # It gets the address of the database and nothing else.
    program = service_program(
        "user",
        tmp_path,
        {"CHAT_DATABASE_URL": postgres.url(database), "CHAT_INTERNAL_TOKEN": ""},
        jwks_file=tokens.jwks_file,
        args=["migrate", "--contract"],
    ).program.spawn()
    assert program.wait() == 65
    assert "a later release has removed" in program.log


@pytest.mark.parametrize("service", [chatcluster_user, chatcluster_gateway, chatcluster_notification])
def test_the_two_histories_of_each_service_are_kept_apart(service: ModuleType) -> None:
    folder = Path(str(service.__file__)).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{folder / 'versions'}\n{folder / 'contract'}")
    for step in ScriptDirectory.from_config(config).walk_revisions():
        contracts = Path(step.path).parent.name == "contract"
        assert step.revision.startswith(CONTRACT_PREFIX) is contracts, step.revision
        assert bool(step.dependencies) is contracts, f"{step.revision}: only what is taken away waits for the other"
