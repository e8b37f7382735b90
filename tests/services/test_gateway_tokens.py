"""API tokens and the audit log, through a gateway before the real user service."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from redis.asyncio import Redis as Client
from sqlalchemy.ext.asyncio import create_async_engine

from chatcluster_common import signals
from chatcluster_gateway.tables import metadata
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import INTERNAL_TOKEN, Program, Service, accepts, free_port, running_service
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority

INTERNAL = {"X-Internal-Token": INTERNAL_TOKEN}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Stands for the other services: tells what reached it."""
    port = free_port()
    argv = [sys.executable, "-m", "chatcluster_testing.echo", str(port)]
    support = str(Path(__file__).parents[1] / "support")
    folder = tmp_path_factory.mktemp("echo")
    program = Program("echo", argv, folder, lambda: accepts(port), env={"PYTHONPATH": support}).start()
    yield Service(program, f"http://127.0.0.1:{port}")
    program.stop()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    """A Redis to stop."""
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def settings(own_redis: Redis, gateway_database: str, user_service: Service, echo: Service) -> dict[str, str]:
    """A gateway whose limits are wide but for API tokens'."""
    wide = {
        f"CHAT_{name}_RATE_PER_{per}": "60000"
        for name, per in (("USER", "SECOND"), ("ADDRESS", "SECOND"), ("SIGN_IN", "MINUTE"))
    }
    wide |= {f"CHAT_{name}_BURST": "10000" for name in ("USER", "ADDRESS", "SIGN_IN")}
    others = {f"CHAT_{name}_URL": echo.url for name in ("MESSAGE", "FILE", "NOTIFICATION", "PRESENCE")}
    return {
        "CHAT_REDIS_URL": own_redis.url("gateway"),
        "CHAT_REDIS_SECONDS": "2",
        "CHAT_DATABASE_URL": gateway_database,
        "CHAT_USER_URL": user_service.url,
        "CHAT_TOKENS_PER_PERSON": "4",
        "CHAT_TOKEN_RATE_PER_SECOND": "1",
        "CHAT_TOKEN_BURST": "30",
    } | wide | others  # fmt: skip


@pytest.fixture(scope="module")
def gateways(
    settings: dict[str, str], tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    """Two replicas."""
    folder = tmp_path_factory.mktemp("gateways")
    with (
        running_service("gateway", folder / "1", settings, jwks_file=tokens.jwks_file) as one,
        running_service("gateway", folder / "2", settings, jwks_file=tokens.jwks_file) as other,
    ):
        yield [one, other]


@pytest.fixture
async def clients(gateways: list[Service]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each replica."""
    made = [httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=30) for gateway in gateways]
    yield made
    for client in made:
        await client.aclose()


@pytest.fixture
def client(clients: list[httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of the first replica."""
    return clients[0]


class Person:
    """Someone with an account and a session."""

    def __init__(self, user_id: str, headers: dict[str, str]) -> None:
        self.user_id = user_id
        self.headers = headers

    @classmethod
    async def register(cls, client: httpx.AsyncClient) -> "Person":
        """A new account."""
        name = f"t{secrets.token_hex(6)}"
        body = {"username": name, "email": f"{name}@example.com", "password": "correct horse battery"}
        answer = (await client.post("/auth/register", json=body)).json()
        return cls(answer["user"]["id"], {"Authorization": f"Bearer {answer['access_token']}"})

    async def token(self, client: httpx.AsyncClient, *scopes: str, **fields: Any) -> dict[str, Any]:
        """A new API token."""
        body = {"name": "program", "scopes": list(scopes)} | fields
        response = await client.post("/tokens", json=body, headers=self.headers)
        assert response.status_code == 201, response.text
        return response.json()


def bearer(token: dict[str, Any]) -> dict[str, str]:
    """The header to call with."""
    return {"Authorization": f"Bearer {token['token']}"}


async def test_a_token_is_made_used_listed_and_revoked(clients: list[httpx.AsyncClient]) -> None:
    ada = await Person.register(clients[0])
    made = await ada.token(clients[0], "messages:read", "profile:read", name=" nightly  export ")
    assert (made["name"], made["scopes"]) == ("nightly  export", ["messages:read", "profile:read"])
    assert made["last_used_at"] is None
    for client in clients:
        assert (await client.get("/users/me", headers=bearer(made))).json()["id"] == ada.user_id
        seen = (await client.get("/messages/x", headers=bearer(made))).json()
        sent = dict(seen["headers"])["authorization"]
        assert sent.startswith("Bearer ey"), "a service never sees the secret"
    [listed] = (await clients[1].get("/tokens", headers=ada.headers)).json()["items"]
    assert listed["last_used_at"]
    assert listed | {"last_used_at": None} == {key: value for key, value in made.items() if key != "token"}

    gone = await clients[0].delete(f"/tokens/{made['id']}", headers=ada.headers)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await clients[0].get("/messages/x", headers=bearer(made))).status_code == 401
    async with asyncio.timeout(30):  # heard of by the other replica within a moment
        while (await clients[1].get("/messages/x", headers=bearer(made))).status_code != 401:
            await asyncio.sleep(0.01)
    assert (await clients[1].get("/tokens", headers=ada.headers)).json() == {"items": [], "next_cursor": None}
    assert (await clients[0].delete(f"/tokens/{made['id']}", headers=ada.headers)).status_code == 404


async def test_the_access_token_of_a_revoked_token_ends_with_it(clients: list[httpx.AsyncClient]) -> None:
    ada = await Person.register(clients[0])
    made = await ada.token(clients[0], "messages:read")
    exchanged = (await clients[0].post("/tokens/access", headers=bearer(made))).json()
    assert 800 < exchanged["expires_in"] <= 900
    headers = {"Authorization": f"Bearer {exchanged['access_token']}"}
    for client in clients:
        assert (await client.get("/messages/x", headers=headers)).status_code == 200
    await clients[0].delete(f"/tokens/{made['id']}", headers=ada.headers)
    async with asyncio.timeout(30):
        for client in clients:
            while (await client.get("/messages/x", headers=headers)).status_code != 401:
                await asyncio.sleep(0.01)


async def test_scopes_bound_what_a_token_opens(client: httpx.AsyncClient) -> None:
    ada = await Person.register(client)
    reading = bearer(await ada.token(client, "messages:read"))
    assert (await client.get("/conversations", headers=reading)).status_code == 200
    for method, path in (
        ("POST", "/conversations"), ("GET", "/users/me"), ("GET", "/auth/sessions"), ("GET", "/admin/users"),
        ("GET", "/tokens"), ("POST", "/tokens"), ("DELETE", "/tokens/x"), ("GET", "/moderation/reports"),
    ):  # fmt: skip
        response = await client.request(method, path, headers=reading)
        assert (response.status_code, response.json()["code"]) == (403, "out_of_scope"), path
    assert (await client.post("/tokens/access", headers=ada.headers)).json()["code"] == "not_an_api_token"
    assert (await client.post("/tokens/access")).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "", "scopes": ["messages:read"]}, 422),
        ({"name": "x" * 65, "scopes": ["messages:read"]}, 422),
        ({"name": "a\0b", "scopes": ["messages:read"]}, 422),
        ({"name": "x", "scopes": []}, 422),
        ({"name": "x", "scopes": ["everything"]}, 422),
        ({"name": "x", "scopes": ["messages:read"], "other": 1}, 422),
        ({"name": "x", "scopes": ["messages:read"], "expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"name": "x", "scopes": ["messages:read"], "expires_at": "2999-01-01T00:00:00Z"}, 422),
        ({"name": "x", "scopes": ["messages:read"], "expires_at": "2026-12-01T00:00:00"}, 422),
        ({"name": "x", "scopes": ["admin"]}, 403),
        ({"name": "x", "scopes": ["moderation"]}, 403),
        ([], 422),
    ],
)
async def test_what_is_refused(client: httpx.AsyncClient, tokens: TokenAuthority, body: Any, status: int) -> None:
    response = await client.post("/tokens", json=body, headers=tokens.authorization("ada"))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["ratelimit"]


async def test_there_are_only_so_many(client: httpx.AsyncClient) -> None:
    ada = await Person.register(client)
    body = {"name": "x", "scopes": ["messages:read"]}
    responses = await asyncio.gather(*(client.post("/tokens", json=body, headers=ada.headers) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [201] * 4 + [409] * 4
    assert len((await client.get("/tokens", headers=ada.headers)).json()["items"]) == 4


async def test_a_token_expires(client: httpx.AsyncClient) -> None:
    ada = await Person.register(client)
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    made = await ada.token(client, "messages:read", expires_at=soon)
    assert (await client.get("/messages/x", headers=bearer(made))).status_code == 200
    async with asyncio.timeout(30):
        while (await client.get("/messages/x", headers=bearer(made))).status_code != 401:
            await asyncio.sleep(0.1)


async def test_other_peoples_tokens_are_not_there(client: httpx.AsyncClient) -> None:
    ada, eve = await Person.register(client), await Person.register(client)
    made = await ada.token(client, "messages:read")
    assert (await client.delete(f"/tokens/{made['id']}", headers=eve.headers)).status_code == 404
    assert (await client.get("/tokens", headers=eve.headers)).json()["items"] == []
    assert (await client.get("/messages/x", headers=bearer(made))).status_code == 200


@pytest.mark.parametrize("secret", ["cct_", "cct_x", "cct_" + "A" * 48, "cct_ü"])
async def test_what_is_no_secret(client: httpx.AsyncClient, secret: str) -> None:
    headers = [(b"Authorization", b"Bearer " + secret.encode())]
    response = await client.get("/messages/x", headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_token_has_a_limit_of_its_own(client: httpx.AsyncClient) -> None:
    ada = await Person.register(client)
    made = await ada.token(client, "messages:read")
    responses = await asyncio.gather(*(client.get("/messages/x", headers=bearer(made)) for _ in range(40)))
    statuses = [response.status_code for response in responses]
    assert 30 <= statuses.count(200) < 40
    refused = next(response for response in responses if response.status_code == 429)
    assert '"token";r=0' in refused.headers["ratelimit"]
    assert '"user";r=' in refused.headers["ratelimit"]
    assert (await client.get("/messages/x", headers=ada.headers)).status_code == 200


async def test_the_audit_log(client: httpx.AsyncClient, tokens: TokenAuthority) -> None:
    boss = f"boss-{secrets.token_hex(4)}"
    headers = {"Authorization": f"Bearer {tokens.token_for(boss, claims={'role': 'admin'})}"}
    ada = await Person.register(client)
    made = await ada.token(client, "messages:read")
    await client.get("/messages/x", headers=bearer(made))
    await client.delete(f"/tokens/{made['id']}", headers=ada.headers)
    assert (await client.get("/admin/requests", headers=ada.headers)).status_code == 403
    moderated = await client.get("/moderation/reports?secret=1", headers=headers)
    assert moderated.status_code == 200

    async def entries(**query: str) -> list[dict[str, Any]]:
        response = await client.get("/admin/requests", params=query, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()["items"]

    assert [entry["event"] for entry in await entries(user_id=ada.user_id)] == [
        "admin_call", "token_revoked", "token_first_used", "token_created",
    ]  # fmt: skip
    assert len(await entries(token_id=made["id"])) == 3
    [moderation] = [entry for entry in await entries(user_id=boss) if entry["event"] == "moderation_call"]
    assert (moderation["method"], moderation["path"], moderation["status"]) == (
        "GET",
        "/api/v1/moderation/reports",
        200,
    )
    assert (moderation["address"], moderation["request_id"]) == ("127.0.0.1", moderated.headers["x-request-id"])
    [refused] = [entry for entry in await entries(user_id=ada.user_id) if entry["event"] == "admin_call"]
    assert refused["status"] == 403

    first = (await client.get("/admin/requests?limit=1", headers=headers)).json()
    second = (await client.get(f"/admin/requests?limit=1&cursor={first['next_cursor']}", headers=headers)).json()
    assert first["items"][0]["id"] > second["items"][0]["id"]
    for query in ("cursor=x", "limit=0", "limit=x", "user_id=%00", "user_id="):
        assert (await client.get(f"/admin/requests?{query}", headers=headers)).status_code == 422, query


def test_the_audit_log_can_only_grow(postgres: Postgres, gateway_database: str) -> None:
    database = gateway_database.rpartition("/")[2]
    postgres.execute(
        "INSERT INTO audit SELECT gen_random_uuid(), now() - age, 'admin_call', 'x', NULL, 'GET', '/', 200, '', ''"
        " FROM unnest(ARRAY[interval '1 day', interval '400 days']) AS age",
        database,
    )
    for statement in ("UPDATE audit SET user_id = 'y'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(AssertionError, match="can only be added to"):
            postgres.execute(statement, database)
    postgres.execute("DELETE FROM audit WHERE at < now() - interval '399 days'", database)


async def test_export_and_erasure(gateways: list[Service], clients: list[httpx.AsyncClient]) -> None:
    ada = await Person.register(clients[0])
    made = await ada.token(clients[0], "messages:read")
    await clients[1].get("/messages/x", headers=bearer(made))
    base = f"{gateways[1].url}/internal/users/{ada.user_id}"
    async with httpx.AsyncClient(headers=INTERNAL) as internal:
        exported = [json.loads(line) for line in (await internal.get(f"{base}/export")).text.splitlines()]
        assert [item["kind"] for item in exported] == ["api_token", "audit_entry", "audit_entry"]
        assert exported[0]["data"]["name"] == "program"
        assert made["token"] not in json.dumps(exported)
        for _ in range(2):
            assert (await internal.post(f"{base}/erase")).json() == {"done": True}
        assert [json.loads(line)["kind"] for line in (await internal.get(f"{base}/export")).text.splitlines()] == [
            "audit_entry", "audit_entry",
        ]  # fmt: skip
    async with httpx.AsyncClient() as stranger:
        assert (await stranger.get(f"{base}/export")).status_code == 401
        assert (await stranger.post(f"{base}/erase")).status_code == 401
    async with asyncio.timeout(30):
        for client in clients:
            while (await client.get("/messages/x", headers=bearer(made))).status_code != 401:
                await asyncio.sleep(0.01)


async def test_an_ended_session_is_over_at_the_gateway(clients: list[httpx.AsyncClient], own_redis: Redis) -> None:
    # The gateways here follow another Redis than the user service writes to: the signal is written by hand.
    ada = await Person.register(clients[0])
    for client in clients:
        assert (await client.get("/messages/x", headers=ada.headers)).status_code == 200
    async with Client.from_url(own_redis.url("user")) as redis:
        await signals.send(redis, "user_revoked", user_id=ada.user_id)
    async with asyncio.timeout(30):
        for client in clients:
            while (await client.get("/messages/x", headers=ada.headers)).status_code != 401:
                await asyncio.sleep(0.01)


async def test_without_redis_tokens_work(clients: list[httpx.AsyncClient], own_redis: Redis) -> None:
    ada = await Person.register(clients[0])
    made = await ada.token(clients[0], "messages:read")
    own_redis.program.kill()
    try:
        for client in clients:
            assert (await client.get("/messages/x", headers=bearer(made))).status_code == 200
        gone = await clients[0].delete(f"/tokens/{made['id']}", headers=ada.headers)
        assert gone.status_code == 204
        assert (await clients[0].get("/messages/x", headers=bearer(made))).status_code == 401
    finally:
        own_redis.program.start()


async def test_without_the_database_sessions_work(
    settings: dict[str, str], echo: Service, tokens: TokenAuthority, tmp_path: Path
) -> None:
    env = settings | {"CHAT_DATABASE_URL": "postgresql+asyncpg://x@127.0.0.1:1/x"}
    with running_service("gateway", tmp_path, env, jwks_file=tokens.jwks_file) as gateway:
        async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=30) as client:
            headers = tokens.authorization("ada")
            assert (await client.get("/messages/x", headers=headers)).status_code == 200
            assert (await client.get("/moderation/reports", headers=headers)).status_code == 200
            assert "an audit entry could not be written" in gateway.log
            response = await client.get("/tokens", headers=headers)
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")


async def test_migrations_make_the_tables_that_the_code_uses(gateway_database: str) -> None:
    engine = create_async_engine(gateway_database)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert differences == []


def test_no_secret_is_logged(gateways: list[Service]) -> None:
    assert not any("cct_" in gateway.log for gateway in gateways)
