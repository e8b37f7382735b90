"""Stores that the service tests share: real programs, started once a run when the first test asks for them.

No test may depend on another's data: take a fresh database, fresh ids, fresh prefixes.
"""

from collections.abc import Iterator

import pytest
from chatcluster_testing.postgres import Postgres, running_postgres
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
