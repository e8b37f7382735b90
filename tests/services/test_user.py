"""The user service from outside: a real process on a real PostgreSQL."""

import asyncio
import secrets

import httpx
import jwt
import pytest

from chatcluster_common.auth import TokenVerifier
from chatcluster_common.permissions import Role, Scope
from chatcluster_testing.accounts import PASSWORD, bearer, becomes_unauthorized, fresh_name, register
from chatcluster_testing.process import INTERNAL_TOKEN, Service
from chatcluster_testing.tokens import TokenAuthority


async def test_register_gives_user_and_tokens(client: httpx.AsyncClient, tokens: TokenAuthority) -> None:
    name = fresh_name()
    response = await client.post(
        "/auth/register",
        json={
            "username": f" {name.upper()} ",
            "email": f"{name}@EXAMPLE.com",
            "password": PASSWORD,
            "display_name": " Ada   Lovelace ",
        },
    )
    body = response.json()
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"]
    assert body["user"] == {
        "id": body["user"]["id"],
        "username": name,
        "email": f"{name}@example.com",
        "email_verified": False,
        "display_name": "Ada Lovelace",
        "about": "",
        "avatar_url": None,
        "role": "user",
        "locale": "en",
        "time_zone": "UTC",
        "privacy": {"read_receipts": True, "last_seen": "everyone"},
        "created_at": body["user"]["created_at"],
    }
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)

    principal = TokenVerifier(tokens.jwks_file).verify(body["access_token"])
    assert principal.user_id == body["user"]["id"]
    assert jwt.get_unverified_header(body["access_token"]) == {"alg": "EdDSA", "typ": "JWT", "kid": tokens.key_id}
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 900
    assert (claims["iss"], claims["aud"], bool(claims["jti"])) == ("chatcluster", "chatcluster", True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "ab"}, "username"),
        ({"username": "with space"}, "username"),
        ({"username": "аdа"}, "username"),  # noqa: RUF001 Cyrillic letters that look like Latin ones
        ({"username": "a" * 33}, "username"),
        ({"username": ".dot"}, "username"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"username": "just-my-name", "password": "Just-My-Name"}, "password"),
        ({"display_name": "   "}, "display_name"),
        ({"display_name": "a\u202eb"}, "display_name"),
        ({"display_name": "a\u0000b"}, "display_name"),
        ({"display_name": "x" * 65}, "display_name"),
    ],
)
async def test_register_names_the_refused_field(client: httpx.AsyncClient, changes: dict[str, str], field: str) -> None:
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | changes
    response = await client.post("/auth/register", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [f"body.{field}"]
    assert body["password"] not in response.text


async def test_names_are_taken_whatever_their_case(client: httpx.AsyncClient) -> None:
    user = (await register(client))["user"]
    same_name = {"username": user["username"].upper(), "email": "other@example.com", "password": PASSWORD}
    response = await client.post("/auth/register", json=same_name)
    assert (response.status_code, response.json()["code"]) == (409, "username_taken")
    same_address = {"username": fresh_name(), "email": user["email"].upper(), "password": PASSWORD}
    response = await client.post("/auth/register", json=same_address)
    assert (response.status_code, response.json()["code"]) == (409, "email_taken")


async def test_one_of_many_registrations_of_a_name_at_once_succeeds(client: httpx.AsyncClient) -> None:
    name = fresh_name()

    async def attempt(n: int) -> int:
        body = {"username": name, "email": f"{name}{n}@example.com", "password": PASSWORD}
        return (await client.post("/auth/register", json=body)).status_code

    assert sorted(await asyncio.gather(*(attempt(n) for n in range(8)))) == [201] + [409] * 7


async def test_login_by_name_and_by_address(client: httpx.AsyncClient) -> None:
    user = (await register(client))["user"]
    for login in (user["username"], user["username"].upper(), user["email"], user["email"].upper()):
        response = await client.post("/auth/login", json={"login": login, "password": PASSWORD})
        assert response.status_code == 200, login
        assert response.json()["user"] == user


async def test_login_tells_not_which_part_is_wrong(client: httpx.AsyncClient) -> None:
    user = (await register(client))["user"]
    answers = []
    for login, password in [
        (user["username"], "wrong password"),
        (user["username"], "short"),
        (fresh_name(), PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
    ]:
        response = await client.post("/auth/login", json={"login": login, "password": password})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        answers.append({k: v for k, v in response.json().items() if k != "request_id"})
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["code"] == "bad_credentials"


async def test_refresh_rotates(client: httpx.AsyncClient) -> None:
    first = await register(client)
    spent = first["refresh_token"]
    for _ in range(3):
        response = await client.post("/auth/refresh", json={"refresh_token": spent})
        assert response.status_code == 200
        following = response.json()
        assert following["refresh_token"] != spent
        assert (await client.get("/users/me", headers=bearer(following))).json() == first["user"]
        spent = following["refresh_token"]


async def test_a_spent_token_ends_the_session_however_old_it_is(client: httpx.AsyncClient) -> None:
    first = await register(client)
    spent, current = first["refresh_token"], first["refresh_token"]
    for _ in range(3):
        current = (await client.post("/auth/refresh", json={"refresh_token": current})).json()["refresh_token"]
    for token in (spent, current):
        response = await client.post("/auth/refresh", json={"refresh_token": token})
        assert (response.status_code, response.json()["code"]) == (401, "session_ended")


async def test_a_spent_token_leaves_other_sessions_alone(client: httpx.AsyncClient) -> None:
    first = await register(client)
    login = {"login": first["user"]["username"], "password": PASSWORD}
    other = (await client.post("/auth/login", json=login)).json()
    await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert (await client.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})).status_code == 200


async def test_of_parallel_refreshes_one_succeeds_and_the_session_ends(client: httpx.AsyncClient) -> None:
    first = await register(client)

    async def attempt() -> httpx.Response:
        return await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})

    responses = await asyncio.gather(*(attempt() for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 7
    winner = next(response.json() for response in responses if response.status_code == 200)
    response = await client.post("/auth/refresh", json={"refresh_token": winner["refresh_token"]})
    assert response.status_code == 401
    assert (await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).status_code == 401
    assert await becomes_unauthorized(client, first)


async def test_a_made_up_token_ends_nothing(client: httpx.AsyncClient) -> None:
    first = await register(client)
    good = first["refresh_token"]
    for bad in ("x", "é", good[:-4], good + "AAAA", "A" * 64, ("B" if good[0] == "A" else "A") + good[1:]):
        assert (await client.post("/auth/refresh", json={"refresh_token": bad})).status_code == 401, bad
    assert (await client.post("/auth/refresh", json={"refresh_token": good})).status_code == 200


async def test_logout_ends_the_session_and_can_be_repeated(client: httpx.AsyncClient) -> None:
    body = {"refresh_token": (await register(client))["refresh_token"]}
    for _ in range(2):
        response = await client.post("/auth/logout", json=body)
        assert (response.status_code, response.content) == (204, b"")
    assert (await client.post("/auth/refresh", json=body)).status_code == 401


async def test_sessions_are_listed_and_ended(client: httpx.AsyncClient) -> None:
    first = await register(client)
    login = {"login": first["user"]["username"], "password": PASSWORD}
    other = (await client.post("/auth/login", json=login, headers={"User-Agent": "Test/1"})).json()
    page = (await client.get("/auth/sessions", headers=bearer(other))).json()
    assert page["items"][0]["user_agent"] == "Test/1"
    assert [item["current"] for item in page["items"]] == [True, False]

    stranger = await register(client)
    path = f"/auth/sessions/{page['items'][1]['id']}"
    assert (await client.delete(path, headers=bearer(stranger))).status_code == 404
    assert (await client.delete(path, headers=bearer(other))).status_code == 204
    assert (await client.delete(path, headers=bearer(other))).status_code == 404
    assert (await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).status_code == 401
    assert await becomes_unauthorized(client, first), "its access token is revoked, too"


async def test_every_other_device_is_signed_out(client: httpx.AsyncClient) -> None:
    first = await register(client)
    login = {"login": first["user"]["username"], "password": PASSWORD}
    others = [(await client.post("/auth/login", json=login)).json() for _ in range(3)]
    assert (await client.delete("/auth/sessions", headers=bearer(first))).status_code == 204
    for other in others:
        assert await becomes_unauthorized(client, other)
    assert len((await client.get("/auth/sessions", headers=bearer(first))).json()["items"]) == 1


async def test_profiles(client: httpx.AsyncClient) -> None:
    ada, bob = await register(client), await register(client)
    seen = (await client.get(f"/users/{ada['user']['id']}", headers=bearer(bob))).json()
    public = ("id", "username", "display_name", "about", "avatar_url", "created_at")
    assert seen == {key: ada["user"][key] for key in public}

    changed = await client.patch("/users/me", json={"display_name": "Ada 🧮"}, headers=bearer(ada))
    assert changed.json() == ada["user"] | {"display_name": "Ada 🧮"}
    assert (await client.get("/users/me", headers=bearer(ada))).json() == changed.json()
    assert (await client.patch("/users/me", json={}, headers=bearer(ada))).json() == changed.json()
    more = {"about": " Engines\r\nand wheels ", "locale": "pt-br", "time_zone": "America/Sao_Paulo"}
    changed = await client.patch("/users/me", json=more | {"privacy": {"last_seen": "nobody"}}, headers=bearer(ada))
    assert changed.json() == ada["user"] | {
        "display_name": "Ada 🧮",
        "about": "Engines\nand wheels",
        "locale": "pt-BR",
        "time_zone": "America/Sao_Paulo",
        "privacy": {"read_receipts": True, "last_seen": "nobody"},
    }
    for wrong in ({"time_zone": "Mars/Olympus"}, {"locale": "x"}, {"privacy": {"last_seen": "me"}}, {"about": "\0"}):
        assert (await client.patch("/users/me", json=wrong, headers=bearer(ada))).status_code == 422, wrong
    unknown = await client.patch("/users/me", json={"email": "x@example.com"}, headers=bearer(ada))
    assert unknown.status_code == 422


@pytest.mark.parametrize("user_id", ["019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d", "nobody", "%00"])
async def test_unknown_user(client: httpx.AsyncClient, tokens: TokenAuthority, user_id: str) -> None:
    headers = tokens.authorization("019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2e")
    response = await client.get(f"/users/{user_id}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_search_finds_by_the_beginning_of_both_names_and_pages(client: httpx.AsyncClient) -> None:
    prefix = f"s{secrets.token_hex(5)}"
    for n in range(5):
        await register(client, username=f"{prefix}{n}", display_name="Straße")
    await register(client, display_name=f"{prefix.upper()} Display")
    caller = await register(client)

    found: list[str] = []
    cursor = None
    for _ in range(4):
        params = {"query": prefix.upper(), "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/users", params=params, headers=bearer(caller))).json()
        assert len(page["items"]) <= 2
        found += [item["username"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 6
    assert found == sorted(found)
    assert {f"{prefix}{n}" for n in range(5)} < set(found)


@pytest.mark.parametrize(
    "params",
    [{}, {"query": ""}, {"query": "  "}, {"query": "a\0"}, {"query": "a", "limit": "0"}, {"query": "a", "limit": "101"},
     {"query": "a", "cursor": "!"}, {"query": "a", "cursor": "AA"}],
)  # fmt: skip
async def test_search_refuses(client: httpx.AsyncClient, tokens: TokenAuthority, params: dict[str, str]) -> None:
    response = await client.get("/users", params=params, headers=tokens.authorization("u"))
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


async def test_wildcards_mean_themselves(client: httpx.AsyncClient) -> None:
    caller = await register(client)
    for query in ("%", "_", "\\"):
        page = (await client.get("/users", params={"query": query}, headers=bearer(caller))).json()
        assert page == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("path", ["/users/me", "/users/x", "/users?query=a", "/auth/sessions"])
async def test_a_token_is_needed(client: httpx.AsyncClient, tokens: TokenAuthority, path: str) -> None:
    expired = {"Authorization": f"Bearer {tokens.token_for('u', lifetime=-60)}"}
    for headers in ({}, expired, {"Authorization": "Bearer x"}):
        assert (await client.get(path, headers=headers)).status_code == 401


async def test_token_of_an_account_that_is_gone(client: httpx.AsyncClient, tokens: TokenAuthority) -> None:
    headers = tokens.authorization("019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d")
    assert (await client.get("/users/me", headers=headers)).status_code == 401


async def test_internal_lookup(user_service: Service, client: httpx.AsyncClient) -> None:
    ada = (await register(client))["user"]
    url = f"{user_service.url}/internal/users/lookup"
    body = {"ids": [ada["id"], "019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d", "nonsense"]}
    assert (await client.post(url, json=body)).status_code == 401
    response = await client.post(url, json=body, headers={"X-Internal-Token": INTERNAL_TOKEN})
    shared = ("id", "username", "display_name", "email", "email_verified", "role", "locale", "time_zone", "avatar_url")
    assert response.json() == {
        "items": [{key: ada[key] for key in shared} | {"state": "active", "privacy": ada["privacy"]}]
    }


async def test_internal_names(user_service: Service, client: httpx.AsyncClient) -> None:
    ada = (await register(client))["user"]
    url = f"{user_service.url}/internal/users/names"
    body = {"usernames": [ada["username"].upper(), fresh_name(), "%", "\0", "ü"]}
    assert (await client.post(url, json=body)).status_code == 401
    response = await client.post(url, json=body, headers={"X-Internal-Token": INTERNAL_TOKEN})
    assert response.json() == {"items": [{"id": ada["id"], "username": ada["username"]}]}


async def test_internal_access_tokens(user_service: Service, client: httpx.AsyncClient, tokens: TokenAuthority) -> None:
    ada = (await register(client))["user"]
    url, headers = f"{user_service.url}/internal/access-tokens", {"X-Internal-Token": INTERNAL_TOKEN}
    body = {"user_id": ada["id"], "token_id": "api-token-7", "scopes": ["profile:read", "messages:write"]}
    assert (await client.post(url, json=body)).status_code == 401
    answer = (await client.post(url, json=body, headers=headers)).json()
    principal = TokenVerifier(tokens.jwks_file).verify(answer["access_token"])
    assert (principal.user_id, principal.session_id, principal.role) == (ada["id"], "api-token-7", Role.USER)
    assert principal.scopes == {Scope.PROFILE_READ, Scope.MESSAGES_WRITE}
    assert answer["expires_in"] == 900

    assert (await client.get("/users/me", headers=bearer(answer))).status_code == 200
    assert (await client.patch("/users/me", json={}, headers=bearer(answer))).json()["code"] == "out_of_scope"
    assert (await client.get("/auth/sessions", headers=bearer(answer))).json()["code"] == "out_of_scope"
    stranger = {"user_id": "019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d"}
    assert (await client.post(url, json=body | stranger, headers=headers)).status_code == 404
    assert (await client.post(url, json=body | {"scopes": ["everything"]}, headers=headers)).status_code == 422


async def test_published_keys_and_document(
    user_service: Service, client: httpx.AsyncClient, tokens: TokenAuthority
) -> None:
    keys = (await client.get("/auth/jwks.json")).json()["keys"]
    assert [key["kid"] for key in keys] == [tokens.key_id]
    assert "d" not in keys[0]
    document = (await client.get(f"{user_service.url}/openapi.json")).json()
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert {op["operationId"] for op in operations} >= {"register", "login", "refresh", "logout", "searchUsers"}
    assert not any(path.startswith("/internal") for path in document["paths"])


async def test_nothing_secret_is_logged(user_service: Service, client: httpx.AsyncClient) -> None:
    answer = await register(client, password="a very secret password")
    await client.post("/auth/login", json={"login": answer["user"]["username"], "password": "a very secret password"})
    for secret in ("a very secret password", answer["access_token"], answer["refresh_token"], answer["user"]["email"]):
        assert secret not in user_service.log
