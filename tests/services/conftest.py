"""Stores that the service tests share: real programs, started once a run when the first test asks for them.

No test may depend on another's data: take a fresh database, fresh ids, fresh prefixes.
"""

import base64
import secrets
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from chatcluster_testing.kafka import Kafka, running_kafka
from chatcluster_testing.mongodb import MongoDB, running_mongodb
from chatcluster_testing.notifying import World, running_world
from chatcluster_testing.postgres import Postgres, running_postgres
from chatcluster_testing.process import Service, free_port, running_service, service_program
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.s3 import S3, running_s3
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenAuthority:
    """The key that signs access tokens, and the key set file that services check them against."""
    return TokenAuthority.create(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL; `create_database()` gives each test its own."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """Redis with one restricted user a service. Start another by `running_redis()` to stop it in a test."""
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """SeaweedFS; `create_bucket()` gives each test its own. Start another by `running_s3()` to stop it in a test."""
    with running_s3() as server:
        yield server


@pytest.fixture(scope="session")
def user_environment(postgres: Postgres, redis: Redis, tokens: TokenAuthority) -> Callable[[str], dict[str, str]]:
    """What the user service needs on a database of the given name; passwords are hashed at little cost. Nobody answers
    for the other services."""
    nobody = f"http://127.0.0.1:{free_port()}"
    others = {f"CHAT_{name}_URL": nobody for name in ("GATEWAY", "MESSAGE", "FILE", "NOTIFICATION", "PRESENCE")}
    encryption_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return lambda database: (
        others
        | {
            "CHAT_DATABASE_URL": postgres.url(database),
            "CHAT_REDIS_URL": redis.url("user"),
            "CHAT_ENCRYPTION_KEY": encryption_key,
            "CHAT_PUBLIC_URL": "https://chat.example",
            "CHAT_TOKEN_KEY_FILE": str(tokens.key_file),
            "CHAT_ARGON2_MEMORY_KIB": "64",
            "CHAT_ARGON2_ITERATIONS": "1",
        }
    )


@pytest.fixture(scope="session")
def migrated_database(
    postgres: Postgres,
    user_environment: Callable[[str], dict[str, str]],
    tokens: TokenAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A database with the user service's schema, which nobody uses: the template of fresh ones."""
    name = postgres.create_database()
    folder = tmp_path_factory.mktemp("migrate")
    migration = service_program(
        "user", folder, user_environment(name), jwks_file=tokens.jwks_file, args=["migrate"]
    ).program
    assert migration.spawn().wait() == 0, migration.log
    return name


@pytest.fixture(scope="session")
def user_service(
    postgres: Postgres,
    migrated_database: str,
    user_environment: Callable[[str], dict[str, str]],
    tokens: TokenAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """The user service, signing with the key of `tokens`. Tests make accounts of their own in it."""
    env = user_environment(postgres.clone_database(migrated_database))
    with running_service("user", tmp_path_factory.mktemp("user"), env, jwks_file=tokens.jwks_file) as service:
        yield service


@pytest.fixture
async def client(user_service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the user service's public paths."""
    async with httpx.AsyncClient(base_url=f"{user_service.url}/api/v1", timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def gateway_database(postgres: Postgres, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`CHAT_DATABASE_URL` of the gateways under test: API tokens and audit entries of all of them."""
    url = postgres.url(postgres.create_database())
    here = "http://127.0.0.1:1"
    env = {"CHAT_DATABASE_URL": url, "CHAT_REDIS_URL": "redis://127.0.0.1:1/0"}
    env |= {f"CHAT_{name}_URL": here for name in ("USER", "MESSAGE", "FILE", "NOTIFICATION", "PRESENCE")}
    folder = tmp_path_factory.mktemp("gateway-migrate")
    program = service_program("gateway", folder, env, jwks_file=tokens.jwks_file, args=["migrate"]).program
    assert program.spawn().wait() == 0, program.log
    return url


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongoDB]:
    """The document store. Start another by `running_mongodb()` to stop it in a test."""
    with running_mongodb() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """Kafka with SASL PLAIN. Start another by `running_kafka()` to stop it in a test."""
    with running_kafka() as server:
        yield server


@pytest.fixture(scope="module")
def world(
    kafka: Kafka,
    redis: Redis,
    postgres: Postgres,
    tokens: TokenAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """What the notification tests speak to; those of files have a world of their own."""
    with running_world(kafka, redis, postgres, tokens, tmp_path_factory.mktemp("notification")) as running:
        yield running
