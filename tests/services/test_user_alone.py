"""The user service of a ChatCluster without a file and a notification service."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from chatcluster_common import ids
from chatcluster_testing.account_peers import SERVICES, AccountPeers, running_account_peers
from chatcluster_testing.accounts import PASSWORD, bearer, eventually, register
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import running_service, service_program
from chatcluster_testing.tokens import TokenAuthority

Environment = Callable[[str], dict[str, str]]
LEFT_OUT = {"file", "notification"}


@pytest.fixture
def database(postgres: Postgres, migrated_database: str) -> str:
    return postgres.clone_database(migrated_database)


@pytest.fixture
def alone(database: str, user_environment: Environment) -> dict[str, str]:
    """Settings without the addresses of the two."""
    left_out = {f"CHAT_{name.upper()}_URL" for name in LEFT_OUT}
    return {name: value for name, value in user_environment(database).items() if name not in left_out}


@pytest.fixture
def peers(alone: dict[str, str]) -> Iterator[AccountPeers]:
    with running_account_peers() as (peers, url):
        alone |= {f"CHAT_{name.upper()}_URL": f"{url}/{name}" for name in set(SERVICES) - LEFT_OUT}
        yield peers


@pytest.fixture
async def client(
    alone: dict[str, str], peers: AccountPeers, tokens: TokenAuthority, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    with running_service("user", tmp_path, alone, jwks_file=tokens.jwks_file) as service:
        async with httpx.AsyncClient(base_url=f"{service.url}/api/v1", timeout=30) as client:
            yield client


async def test_what_needs_the_services_says_that_they_are_not_there(client: httpx.AsyncClient) -> None:
    ada = await register(client)
    refused = [
        await client.put("/users/me/avatar", content=b"picture", headers=bearer(ada)),
        await client.post("/auth/password/forgot", json={"email": ada["user"]["email"]}),
        await client.post("/auth/email/resend", headers=bearer(ada)),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(404, "not_installed")] * 3
    assert (await client.delete("/users/me/avatar", headers=bearer(ada))).status_code == 204
    new = {"password": PASSWORD, "new_password": "another horse battery"}
    assert (await client.post("/auth/password", json=new, headers=bearer(ada))).status_code == 204


async def test_export_and_erasure_are_complete_without_them(
    client: httpx.AsyncClient, peers: AccountPeers, postgres: Postgres, database: str
) -> None:
    ada = await register(client)
    exported = (await client.get("/users/me/export", headers=bearer(ada))).json()
    assert (exported["complete"], exported["missing"]) == (True, [])
    assert set(exported["services"]) == {"user", *SERVICES} - LEFT_OUT
    gone = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=bearer(ada))
    assert gone.status_code == 204
    done = "SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL"
    await eventually(lambda: postgres.execute(done, database) == "1", "the erasure")
    assert {service for service, _ in peers.erased} == set(SERVICES) - LEFT_OUT
    assert postgres.execute("SELECT count(*) FROM outbox WHERE lane = 'mail'", database) == "0"


async def test_who_was_to_be_erased_before_a_service_went_is_not_forgotten(
    alone: dict[str, str],
    peers: AccountPeers,
    postgres: Postgres,
    tokens: TokenAuthority,
    tmp_path: Path,
) -> None:
    database = alone["CHAT_DATABASE_URL"].rpartition("/")[2]
    columns = "user_id, username_hash, requested_at, due_at, pending, attempts"
    pending = '{"file": "does not answer", "message": "does not answer"}'
    user_id = ids.new_id()
    postgres.execute(
        f"INSERT INTO erasures ({columns}) VALUES ('{user_id}', '\\x00', now(), now(), '{pending}', 3)",  # noqa: S608
        database,
    )
    with running_service("user", tmp_path, alone, jwks_file=tokens.jwks_file):
        left = "SELECT pending::text FROM erasures"
        await eventually(
            lambda: postgres.execute(left, database) == '{"file": "is no longer installed"}', "the others to be asked"
        )
    assert peers.erased == [("message", user_id)]


def test_what_cannot_work_without_mails_is_named(
    alone: dict[str, str], peers: AccountPeers, tokens: TokenAuthority, tmp_path: Path
) -> None:
    env = alone | {"CHAT_EMAIL_VERIFICATION": "required"}
    program = service_program("user", tmp_path, env, jwks_file=tokens.jwks_file).program.spawn()
    assert program.wait() == 78
    assert "CHAT_NOTIFICATION_URL" in program.log
