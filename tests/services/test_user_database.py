"""The user service and its database: migrations, start-up, and a database that goes away and comes back."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from chatcluster_testing.postgres import Postgres, running_postgres
from chatcluster_testing.process import Service, running_service, service_program
from chatcluster_testing.tokens import TokenAuthority
from chatcluster_user.tables import metadata

Environment = Callable[[str], dict[str, str]]


def account(name: str) -> dict[str, str]:
    """A registration."""
    return {"username": name, "email": f"{name}@example.com", "password": "correct horse battery"}


def test_replicas_migrate_together(
    postgres: Postgres, user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> None:
    database = postgres.create_database()
    programs = [
        service_program(
            "user", tmp_path / str(n), user_environment(database), jwks_file=tokens.jwks_file, args=["migrate"]
        ).program.spawn()
        for n in range(3)
    ]
    assert [program.wait() for program in programs] == [0, 0, 0], [program.log for program in programs]
    said = [json.loads(program.log.splitlines()[-1])["message"] for program in programs]
    assert sorted(said) == ["schema migrated", "schema needs nothing", "schema needs nothing"]


async def test_migrations_make_the_tables_that_the_code_uses(postgres: Postgres, migrated_database: str) -> None:
    engine = create_async_engine(postgres.url(postgres.clone_database(migrated_database)))
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert differences == []


def test_it_does_not_serve_an_old_schema(
    postgres: Postgres, user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> None:
    env = user_environment(postgres.create_database()) | {"CHAT_STARTUP_SECONDS": "0.5"}
    program = service_program("user", tmp_path, env, jwks_file=tokens.jwks_file).program.spawn()
    assert program.wait() == 3
    assert "run the service with the argument `migrate`" in program.log


def test_it_serves_the_schema_of_the_release_after(
    postgres: Postgres, migrated_database: str, user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> None:
    database = postgres.clone_database(migrated_database)
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", database)
    with running_service("user", tmp_path / "user", user_environment(database), jwks_file=tokens.jwks_file) as service:
        assert "the schema is newer" in service.log
        migration = service_program(
            "user", tmp_path / "old", user_environment(database), jwks_file=tokens.jwks_file, args=["migrate"]
        ).program
        assert migration.spawn().wait() == 0


def test_settings_that_are_missing_are_named(tokens: TokenAuthority, tmp_path: Path) -> None:
    program = service_program("user", tmp_path, {}, jwks_file=tokens.jwks_file).program.spawn()
    assert program.wait() == 78
    assert "CHAT_DATABASE_URL" in program.log


@pytest.fixture
def slow_hashing(
    postgres: Postgres, migrated_database: str, user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> Iterator[Service]:
    """A service whose passwords cost most of a second, with room for three."""
    env = user_environment(postgres.clone_database(migrated_database)) | {
        "CHAT_ARGON2_MEMORY_KIB": "32768",
        "CHAT_ARGON2_ITERATIONS": "40",
        "CHAT_HASH_THREADS": "1",
        "CHAT_HASH_QUEUE": "2",
    }
    with running_service("user", tmp_path, env, jwks_file=tokens.jwks_file) as service:
        yield service


async def test_hashing_is_bounded_and_leaves_the_rest_alone(slow_hashing: Service) -> None:
    async with httpx.AsyncClient(base_url=slow_hashing.url, timeout=60) as client:

        async def attempt(n: int) -> httpx.Response:
            return await client.post("/api/v1/auth/register", json=account(f"busy{n}"))

        attempts = asyncio.gather(*(attempt(n) for n in range(12)))
        pending: set[float] = set()
        while not attempts.done():
            lines = (await client.get("/metrics")).text.splitlines()
            pending |= {float(line.split()[1]) for line in lines if line.startswith("chat_user_hashes_pending ")}
        responses = await attempts
    # Others were answered while passwords were hashed and waited for it: a loop that hashed would never say so.
    assert max(pending) == 3
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {201, 503}
    assert statuses.count(201) >= 3
    assert all(response.headers["retry-after"] for response in responses if response.status_code == 503)


async def test_a_database_that_comes_back_needs_nobody(
    user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> None:
    with running_postgres() as own:
        database = own.create_database()
        env = user_environment(database) | {"CHAT_DATABASE_URL": own.url(database), "CHAT_STORE_GRACE_SECONDS": "0"}
        migration = service_program("user", tmp_path / "m", env, jwks_file=tokens.jwks_file, args=["migrate"]).program
        assert migration.spawn().wait() == 0, migration.log
        with running_service("user", tmp_path / "user", env, jwks_file=tokens.jwks_file) as service:
            async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
                signed_in = (await client.post("/api/v1/auth/register", json=account("ada"))).json()
                headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
                own.program.stop(by=signal.SIGQUIT)  # no goodbye to anybody
                for _ in range(3):
                    started = time.monotonic()
                    response = await client.get("/api/v1/users/me", headers=headers)
                    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
                    assert response.headers["retry-after"]
                    assert time.monotonic() - started < 10
                assert (await client.get("/readyz")).status_code == 503
                assert (await client.get("/livez")).status_code == 200
                assert (await client.get("/api/v1/auth/jwks.json")).status_code == 200
                own.program.start()
                assert (await client.get("/api/v1/users/me", headers=headers)).json() == signed_in["user"]
                assert (await client.get("/readyz")).status_code == 200
