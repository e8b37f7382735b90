"""Roles, suspension, the audit log, export and erasure from outside, with other services that answer as told."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from chatcluster_testing.account_peers import SERVICES, AccountPeers, running_accounts
from chatcluster_testing.accounts import PASSWORD, bearer, becomes_unauthorized, eventually, register
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import INTERNAL_TOKEN, Service, service_program
from chatcluster_testing.tokens import TokenAuthority

NOBODY = "019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d"


@dataclass
class Accounts:
    """The running service and what is around it."""

    service: Service
    peers: AccountPeers
    database: str
    promote: Callable[[str], int]


@pytest.fixture(scope="module")
def accounts(
    postgres: Postgres,
    migrated_database: str,
    user_environment: Callable[[str], dict[str, str]],
    tokens: TokenAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Accounts]:
    """A service, and the command that makes its first admin."""
    database, folder = postgres.clone_database(migrated_database), tmp_path_factory.mktemp("admin")

    def promote(username: str) -> int:
        command = service_program(
            "user",
            folder / "promote",
            user_environment(database),
            jwks_file=tokens.jwks_file,
            args=["promote", username],
        )
        return command.program.spawn().wait()

    with running_accounts(folder, user_environment, database, jwks_file=tokens.jwks_file) as (service, peers):
        yield Accounts(service, peers, database, promote)


@pytest.fixture
async def client(accounts: Accounts) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that service."""
    async with httpx.AsyncClient(base_url=f"{accounts.service.url}/api/v1", timeout=30) as client:
        yield client


@pytest.fixture
async def boss(client: httpx.AsyncClient, accounts: Accounts, postgres: Postgres) -> AsyncIterator[dict[str, Any]]:
    """The only admin; nobody is one afterwards."""
    admin = await register(client)
    promote = f"UPDATE users SET role = 'admin' WHERE id = '{admin['user']['id']}'"  # noqa: S608 an id of our own
    postgres.execute(promote, accounts.database)
    yield await refresh(client, admin)
    postgres.execute("UPDATE users SET role = 'user'", accounts.database)


async def refresh(client: httpx.AsyncClient, who: dict[str, Any]) -> dict[str, Any]:
    """The same session with new tokens."""
    answer = await client.post("/auth/refresh", json={"refresh_token": who["refresh_token"]})
    assert answer.status_code == 200, answer.text
    return who | answer.json()


def role_in(tokens: dict[str, Any]) -> str:
    """The role that an access token carries."""
    return jwt.decode(tokens["access_token"], options={"verify_signature": False})["role"]


async def test_the_first_admin_is_made_by_a_command(
    client: httpx.AsyncClient, accounts: Accounts, postgres: Postgres
) -> None:
    ada = await register(client)
    assert await asyncio.to_thread(accounts.promote, ada["user"]["username"]) == 0
    assert await becomes_unauthorized(client, ada), "tokens of the former role are void"
    assert role_in(await refresh(client, ada)) == "admin"
    postgres.execute("UPDATE users SET role = 'user'", accounts.database)


async def test_roles(client: httpx.AsyncClient, boss: dict[str, Any]) -> None:
    ada = await register(client)
    path = f"/admin/users/{ada['user']['id']}"
    assert (await client.put(f"{path}/role", json={"role": "admin"}, headers=bearer(ada))).status_code == 403
    changed = await client.put(f"{path}/role", json={"role": "moderator"}, headers=bearer(boss))
    assert (changed.status_code, changed.json()["role"]) == (200, "moderator")
    assert await becomes_unauthorized(client, ada)
    moderator = await refresh(client, ada)
    assert role_in(moderator) == "moderator"
    assert (await client.get("/users/me", headers=bearer(moderator))).status_code == 200, "in the same second, too"
    assert (await client.get("/admin/users", headers=bearer(moderator))).status_code == 403
    for role in ("unverified", "owner"):
        assert (await client.put(f"{path}/role", json={"role": role}, headers=bearer(boss))).status_code == 422
    nobody = await client.put(f"/admin/users/{NOBODY}/role", json={"role": "user"}, headers=bearer(boss))
    assert nobody.status_code == 404


async def test_the_last_admin_stays(client: httpx.AsyncClient, boss: dict[str, Any]) -> None:
    me = f"/admin/users/{boss['user']['id']}"
    for attempt in (
        client.put(f"{me}/role", json={"role": "user"}, headers=bearer(boss)),
        client.put(f"{me}/suspension", json={"reason": "x"}, headers=bearer(boss)),
        client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=bearer(boss)),
    ):
        answer = await attempt
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


async def test_of_two_admins_who_demote_each_other_one_stays(client: httpx.AsyncClient, boss: dict[str, Any]) -> None:
    other = await register(client)
    pair = [boss["user"]["id"], other["user"]["id"]]
    await client.put(f"/admin/users/{pair[1]}/role", json={"role": "admin"}, headers=bearer(boss))
    answers = await asyncio.gather(
        *(client.put(f"/admin/users/{one}/role", json={"role": "user"}, headers=bearer(boss)) for one in pair)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_suspension(client: httpx.AsyncClient, accounts: Accounts, boss: dict[str, Any]) -> None:
    ada = await register(client)
    user_id, path = ada["user"]["id"], f"/admin/users/{ada['user']['id']}/suspension"
    suspended = await client.put(path, json={"reason": " Spam. "}, headers=bearer(boss))
    assert (suspended.json()["state"], suspended.json()["suspended_reason"]) == ("suspended", "Spam.")
    assert await becomes_unauthorized(client, ada)
    assert (await client.post("/auth/refresh", json={"refresh_token": ada["refresh_token"]})).status_code == 401
    login = {"login": ada["user"]["username"], "password": PASSWORD}
    refused = await client.post("/auth/login", json=login)
    assert (refused.status_code, refused.json()["code"]) == (403, "suspended")
    assert "Spam." in refused.json()["detail"]
    found = await client.get(f"/users?query={ada['user']['username']}", headers=bearer(boss))
    assert found.json()["items"] == []
    async with httpx.AsyncClient(headers={"X-Internal-Token": INTERNAL_TOKEN}) as internal:
        url = f"{accounts.service.url}/internal"
        body = {"user_id": user_id, "token_id": "t", "scopes": []}
        assert (await internal.post(f"{url}/access-tokens", json=body)).status_code == 404
        seen = (await internal.post(f"{url}/users/lookup", json={"ids": [user_id]})).json()["items"]
        assert [person["state"] for person in seen] == ["suspended"]

    for _ in range(2):
        assert (await client.delete(path, headers=bearer(boss))).json()["state"] == "active"
    assert (await client.post("/auth/login", json=login)).status_code == 200


async def test_an_admin_looks_through_accounts_and_ends_sessions(
    client: httpx.AsyncClient, boss: dict[str, Any]
) -> None:
    ada = await register(client)
    name, email, user_id = (ada["user"][key] for key in ("username", "email", "id"))
    for query in (name[:8], name.upper(), email.upper()):
        page = (await client.get("/admin/users", params={"query": query}, headers=bearer(boss))).json()
        assert [(item["id"], item["email"]) for item in page["items"]] == [(user_id, email)], query
    admins = (await client.get("/admin/users?role=admin&limit=1", headers=bearer(boss))).json()
    assert [item["id"] for item in admins["items"]] == [boss["user"]["id"]]
    first = (await client.get("/admin/users?limit=1", headers=bearer(boss))).json()
    assert first["next_cursor"]
    assert (await client.get(f"/admin/users/{user_id}", headers=bearer(boss))).json()["username"] == name
    sessions = (await client.get(f"/admin/users/{user_id}/sessions", headers=bearer(boss))).json()
    assert len(sessions["items"]) == 1
    assert (await client.delete(f"/admin/users/{user_id}/sessions", headers=bearer(boss))).status_code == 204
    assert await becomes_unauthorized(client, ada)
    for path in (f"/admin/users/{NOBODY}", f"/admin/users/{NOBODY}/sessions", "/admin/users/%00"):
        assert (await client.get(path, headers=bearer(boss))).status_code == 404, path


async def test_the_audit_log_is_read_by_admins_and_changed_by_nobody(
    client: httpx.AsyncClient, accounts: Accounts, boss: dict[str, Any], postgres: Postgres
) -> None:
    ada = await register(client)
    user_id = ada["user"]["id"]
    await client.put(f"/admin/users/{user_id}/role", json={"role": "moderator"}, headers=bearer(boss))
    assert (await client.get("/admin/audit", headers=bearer(ada))).status_code in {401, 403}
    page = (await client.get(f"/admin/audit?user_id={user_id}", headers=bearer(boss))).json()
    assert [(event["kind"], event["actor_id"]) for event in page["items"]] == [
        ("role_changed", boss["user"]["id"]),
        ("registered", user_id),
    ]
    assert page["items"][0]["details"] == {"role": "moderator", "before": "user"}
    by_boss = (await client.get(f"/admin/audit?actor_id={boss['user']['id']}", headers=bearer(boss))).json()
    assert page["items"][0] in by_boss["items"]
    assert (await client.get("/admin/audit?user_id=x", headers=bearer(boss))).json()["items"] == []

    for spoil in ("UPDATE audit_events SET kind = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"):
        with pytest.raises(AssertionError, match="append-only"):
            postgres.execute(spoil, accounts.database)
    purge = "SET chatcluster.audit_purge = '2020-01-01'; DELETE FROM audit_events"
    with pytest.raises(AssertionError, match="append-only"):
        postgres.execute(purge, accounts.database)
    long_ago = f"SELECT '{NOBODY}', '2019-01-01', 'old', '', '', '{{}}'"
    columns = "(id, at, kind, address, user_agent, details)"
    postgres.execute(f"INSERT INTO audit_events {columns} {long_ago}", accounts.database)
    postgres.execute(f"{purge} WHERE at < '2020-01-01'", accounts.database)
    assert postgres.execute("SELECT count(*) FROM audit_events WHERE kind = 'old'", accounts.database) == "0"


async def test_an_avatar_goes_on_to_the_file_service(client: httpx.AsyncClient, accounts: Accounts) -> None:
    ada = await register(client)
    put = await client.put("/users/me/avatar", files={"file": ("a.png", b"pixels" * 10_000)}, headers=bearer(ada))
    assert put.status_code == 200, put.text
    content_type, body = accounts.peers.uploads[-1]
    assert content_type.startswith("multipart/form-data; boundary=")
    assert body.count(b"pixels") == 10_000
    assert (await client.get("/users/me", headers=bearer(ada))).json()["avatar_url"] == put.json()["avatar_url"]
    refused = await client.put("/users/me/avatar", files={"file": ("a.png", b"bomb")}, headers=bearer(ada))
    assert (refused.status_code, refused.json()["code"]) == (422, "not_an_image")
    for _ in range(2):
        assert (await client.delete("/users/me/avatar", headers=bearer(ada))).status_code == 204
    assert (await client.get("/users/me", headers=bearer(ada))).json()["avatar_url"] is None


async def test_an_export_has_everything_or_says_what_is_missing(
    client: httpx.AsyncClient, accounts: Accounts, tokens: TokenAuthority
) -> None:
    ada, bob = await register(client), await register(client)
    await client.post("/contacts", json={"user_id": bob["user"]["id"]}, headers=bearer(ada))
    lines = [{"kind": "message", "data": {"body": f"one\n{n}"}} for n in range(3000)]
    accounts.peers.exports = {"message": b"".join(json.dumps(line).encode() + b"\n" for line in lines)}
    export = await client.get("/users/me/export", headers=bearer(ada))
    assert export.status_code == 200
    assert "attachment" in export.headers["content-disposition"]
    document = export.json()
    assert (document["complete"], document["missing"], document["user_id"]) == (True, [], ada["user"]["id"])
    assert set(document["services"]) == {"user", *SERVICES}
    assert document["services"]["message"] == lines
    own = document["services"]["user"]
    assert own[0] == {"kind": "account", "data": ada["user"]}
    assert {item["kind"] for item in own} == {"account", "session", "contact", "security_event"}
    assert "hash" not in json.dumps(own)

    accounts.peers.failing.add("file")
    accounts.peers.exports["presence"] = b'{"kind": "status", "data": {}}\n{"cut'
    try:
        document = (await client.get("/users/me/export", headers=bearer(ada))).json()
    finally:
        accounts.peers.failing.clear()
        accounts.peers.exports.clear()
    assert (document["complete"], document["missing"]) == (False, ["file", "presence"])
    scoped = {"access_token": tokens.token_for(ada["user"]["id"], claims={"scope": "profile:read profile:write"})}
    for call in (
        client.get("/users/me/export", headers=bearer(scoped)),
        client.get("/users/me/security-events", headers=bearer(scoped)),
        client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=bearer(scoped)),
    ):
        assert (await call).json()["code"] == "out_of_scope"


async def test_erasure_goes_on_until_every_service_is_done(
    client: httpx.AsyncClient, accounts: Accounts, boss: dict[str, Any], postgres: Postgres
) -> None:
    ada, bob = await register(client), await register(client)
    user_id, name = ada["user"]["id"], ada["user"]["username"]
    await client.post("/contacts", json={"user_id": user_id}, headers=bearer(bob))
    wrong = await client.request("DELETE", "/users/me", json={"password": "wrong password"}, headers=bearer(ada))
    assert wrong.status_code == 401
    assert (await client.request("DELETE", "/users/me", headers=bearer(ada))).status_code == 422
    peers = accounts.peers
    peers.failing.add("file")
    peers.erase_calls["message"] = 3
    erased = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=bearer(ada))
    assert erased.status_code == 204
    assert await becomes_unauthorized(client, ada)
    assert (await client.post("/auth/refresh", json={"refresh_token": ada["refresh_token"]})).status_code == 401
    assert (await client.post("/auth/login", json={"login": name, "password": PASSWORD})).status_code == 401
    assert (await client.get(f"/users/{user_id}", headers=bearer(bob))).status_code == 404
    assert (await client.get("/contacts", headers=bearer(bob))).json()["items"] == []
    again = {"username": name, "email": ada["user"]["email"], "password": PASSWORD}
    taken = await client.post("/auth/register", json=again)
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")

    def state() -> str:
        query = f"SELECT pending FROM erasures WHERE user_id = '{user_id}'"  # noqa: S608 an id of our own
        return postgres.execute(query, accounts.database)

    await eventually(lambda: state() == '{"file": "does not answer"}', "the others to be done")
    assert peers.erased.count(("message", user_id)) == 3
    page = (await client.get("/admin/erasures", headers=bearer(boss))).json()
    assert {item["user_id"]: item["pending"] for item in page["items"]}[user_id] == {"file": "does not answer"}
    peers.failing.clear()
    assert (await client.post(f"/admin/erasures/{user_id}/retry", headers=bearer(boss))).status_code == 202
    await eventually(lambda: state() == "{}", "the file service to be done")
    assert (await client.post(f"/admin/erasures/{user_id}/retry", headers=bearer(boss))).status_code == 404
    assert (await client.get("/admin/erasures", headers=bearer(boss))).json()["items"] == []
    await eventually(lambda: bool(peers.mails_to(ada["user"]["email"], "account_erased")), "the farewell")

    def kept() -> str:
        dump = subprocess.run(
            [postgres.bin / "pg_dump", "--data-only", postgres.url(accounts.database).replace("+asyncpg", "")],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return dump.stdout

    await eventually(lambda: ada["user"]["email"] not in kept(), "the last trace of the address to go")
    assert name not in kept()
