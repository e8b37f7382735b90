"""Confirmed addresses, passwords and second factors from outside; mails are read where the service hands them over."""

import asyncio
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from chatcluster_testing.account_peers import AccountPeers, running_accounts
from chatcluster_testing.accounts import PASSWORD, bearer, becomes_unauthorized, eventually, fresh_name, register
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import Service, wait_until
from chatcluster_testing.tokens import TokenAuthority
from chatcluster_user.credentials import totp

NEW_PASSWORD = "another horse battery"


@pytest.fixture(scope="module")
def accounts(
    postgres: Postgres,
    migrated_database: str,
    user_environment: Callable[[str], dict[str, str]],
    tokens: TokenAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Service, AccountPeers]]:
    """A service that requires confirmed addresses, and what answers it."""
    database = postgres.clone_database(migrated_database)
    settings = {"CHAT_EMAIL_VERIFICATION": "required", "CHAT_ADMIN_EMAILS": "Boss@example.com, other@example.com"}
    folder = tmp_path_factory.mktemp("credentials")
    with running_accounts(folder, user_environment, database, jwks_file=tokens.jwks_file, **settings) as running:
        yield running


@pytest.fixture
def peers(accounts: tuple[Service, AccountPeers]) -> AccountPeers:
    """What the others were told."""
    return accounts[1]


@pytest.fixture
async def client(accounts: tuple[Service, AccountPeers]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that service."""
    async with httpx.AsyncClient(base_url=f"{accounts[0].url}/api/v1", timeout=30) as client:
        yield client


async def mailed_token(peers: AccountPeers, address: str, kind: str, number: int = 1) -> str:
    """The token of the latest link of a kind that was mailed to somebody."""
    await eventually(lambda: len(peers.mails_to(address, kind)) == number, f"mail {number} of {kind}")
    link = peers.mails_to(address, kind)[-1]["link"]
    assert link.startswith(f"https://chat.example/{kind.replace('_', '-')}?token=")
    return urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["token"][0]


async def verified(client: httpx.AsyncClient, peers: AccountPeers, **changes: Any) -> dict[str, Any]:
    """Somebody who has confirmed their address, signed in."""
    first = await register(client, **changes)
    token = await mailed_token(peers, first["user"]["email"], "verify_email")
    assert (await client.post("/auth/email/verify", json={"token": token})).status_code == 204
    return await login(client, first)


async def login(client: httpx.AsyncClient, who: dict[str, Any], status: int = 200, **changes: Any) -> dict[str, Any]:
    """The answer to a login; `address` is where it comes from."""
    address = changes.pop("address", "198.51.100.1")
    body = {"login": who["user"]["username"], "password": PASSWORD} | changes
    response = await client.post("/auth/login", json=body, headers={"X-Forwarded-For": address})
    assert response.status_code == status, response.text
    return response.json()


async def test_an_address_is_confirmed_by_its_mail(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    ada = await register(client, display_name="Ada")
    assert (ada["user"]["role"], ada["user"]["email_verified"]) == ("unverified", False)
    refused = await client.get("/users?query=a", headers=bearer(ada))
    assert (refused.status_code, refused.json()["code"]) == (403, "email_unverified")
    assert (await client.get("/users/me", headers=bearer(ada))).status_code == 200

    address = ada["user"]["email"]
    token = await mailed_token(peers, address, "verify_email")
    mail = peers.mails_to(address, "verify_email")[0]
    assert {key: mail[key] for key in ("user_id", "name", "locale")} == {
        "user_id": ada["user"]["id"],
        "name": "Ada",
        "locale": "en",
    }
    throttled = await client.post("/auth/email/resend", headers=bearer(ada))
    assert (throttled.status_code, int(throttled.headers["retry-after"]) <= 60) == (429, True)
    assert (await client.post("/auth/email/verify", json={"token": token[:-1] + "x"})).status_code == 404
    assert (await client.post("/auth/email/verify", json={"token": token})).status_code == 204
    again = await client.post("/auth/email/verify", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (404, "link_invalid")

    fresh = (await client.post("/auth/refresh", json={"refresh_token": ada["refresh_token"]})).json()
    assert (await client.get("/users?query=a", headers=bearer(fresh))).status_code == 200
    me = (await client.get("/users/me", headers=bearer(fresh))).json()
    assert (me["role"], me["email_verified"]) == ("user", True)
    assert (await client.post("/auth/email/resend", headers=bearer(fresh))).json()["code"] == "email_verified"


async def test_who_confirms_a_named_address_is_an_admin(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    boss = await verified(client, peers, email="boss@example.com")
    assert boss["user"]["role"] == "admin"
    assert (await client.get("/admin/users", headers=bearer(boss))).status_code == 200


async def test_mails_wait_for_the_notification_service(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    peers.failing.add("notification")
    try:
        ada = await register(client)
        address = ada["user"]["email"]
    finally:
        peers.failing.clear()
    await mailed_token(peers, address, "verify_email")


async def test_a_new_password_ends_the_other_sessions(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    here = await verified(client, peers)
    there = await login(client, here)
    body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    wrong = await client.post("/auth/password", json=body | {"password": "wrong password"}, headers=bearer(here))
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")
    for refused in (here["user"]["email"], "short"):
        answer = await client.post("/auth/password", json=body | {"new_password": refused}, headers=bearer(here))
        assert answer.status_code == 422, refused
    assert (await client.post("/auth/password", json=body, headers=bearer(here))).status_code == 204
    assert await becomes_unauthorized(client, there)
    assert (await client.get("/users/me", headers=bearer(here))).status_code == 200
    await login(client, here, status=401)
    await login(client, here, password=NEW_PASSWORD)
    address = here["user"]["email"]
    await eventually(lambda: bool(peers.mails_to(address, "password_changed")), "the notice")


async def test_a_forgotten_password(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    ada = await register(client)
    address = ada["user"]["email"]
    answers = [
        await client.post("/auth/password/forgot", json={"email": email})
        for email in (address.upper(), "nobody@example.com", "no address")
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"null")] * 3
    token = await mailed_token(peers, address, "reset_password")
    assert all(mail["address"] != "nobody@example.com" for mail in peers.mails)

    body = {"token": token, "new_password": NEW_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body | {"new_password": "short"})).status_code == 422
    assert (await client.post("/auth/password/reset", json=body | {"new_password": address})).status_code == 422
    reset = await client.post("/auth/password/reset", json=body)
    assert reset.status_code == 200
    assert (await client.post("/auth/password/reset", json=body)).status_code == 404
    assert await becomes_unauthorized(client, ada), "every session ends"
    fresh = await login(client, ada, password=NEW_PASSWORD, device_token=reset.json()["device_token"])
    assert fresh["user"]["role"] == "user", "the mail has shown that the address is theirs"


async def test_links_are_mailed_seldom(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    ada = await register(client)
    address = ada["user"]["email"]
    for _ in range(3):
        assert (await client.post("/auth/password/forgot", json={"email": address})).status_code == 202
    await mailed_token(peers, address, "reset_password")
    other = (await register(client))["user"]["email"]
    await client.post("/auth/password/forgot", json={"email": other})
    await mailed_token(peers, other, "reset_password")  # later requests were dealt with, too
    assert len(peers.mails_to(address, "reset_password")) == 1


class Authenticator:
    """A device that shows codes, each once: a test must not wait for the next thirty seconds."""

    def __init__(self, secret: str) -> None:
        self._secret, self._offsets = secret, [1, 0, -1]

    def code(self) -> str:
        offset = self._offsets.pop()
        if offset < 0:  # a code of the past is taken until the present one ends: it must not end on the way
            wait_until(lambda: time.time() % totp.STEP_SECONDS < totp.STEP_SECONDS - 5, "a code that lasts")
        return totp.code(self._secret, int(time.time()) // totp.STEP_SECONDS + offset)


async def enrol(client: httpx.AsyncClient, who: dict[str, Any]) -> tuple[Authenticator, list[str]]:
    """Turn the second factor on."""
    enrolment = await client.post("/auth/totp", json={"password": PASSWORD}, headers=bearer(who))
    assert enrolment.status_code == 200, enrolment.text
    assert enrolment.json()["secret"] in enrolment.json()["uri"]
    authenticator = Authenticator(enrolment.json()["secret"])
    codes = await client.post("/auth/totp/confirm", json={"code": authenticator.code()}, headers=bearer(who))
    assert codes.status_code == 200, codes.text
    return authenticator, codes.json()["recovery_codes"]


async def test_a_second_factor(
    client: httpx.AsyncClient, peers: AccountPeers, accounts: tuple[Service, AccountPeers]
) -> None:
    ada = await verified(client, peers)
    assert (await client.get("/auth/totp", headers=bearer(ada))).json() == {"active": False, "recovery_codes_left": 0}
    assert (await client.post("/auth/totp/confirm", json={"code": "123456"}, headers=bearer(ada))).status_code == 409
    authenticator, recovery = await enrol(client, ada)
    assert (await client.get("/auth/totp", headers=bearer(ada))).json() == {"active": True, "recovery_codes_left": 10}

    assert (await login(client, ada, status=401))["code"] == "totp_required"
    assert (await login(client, ada, status=401, totp="000000"))["code"] == "totp_wrong"
    code = authenticator.code()
    await login(client, ada, totp=code)
    assert (await login(client, ada, status=401, totp=code))["code"] == "totp_wrong"
    await login(client, ada, totp=recovery[0].lower())
    assert (await login(client, ada, status=401, totp=recovery[0]))["code"] == "totp_wrong"
    assert (await client.get("/auth/totp", headers=bearer(ada))).json()["recovery_codes_left"] == 9

    body = {"password": PASSWORD}
    needed = await client.post("/auth/totp/recovery-codes", json=body, headers=bearer(ada))
    assert (needed.status_code, needed.json()["code"]) == (401, "totp_required")
    fresh = await client.post("/auth/totp/recovery-codes", json=body | {"totp": recovery[1]}, headers=bearer(ada))
    assert (await login(client, ada, status=401, totp=recovery[2]))["code"] == "totp_wrong"
    code = fresh.json()["recovery_codes"][0]
    assert (await client.post("/auth/totp", json=body | {"totp": code}, headers=bearer(ada))).status_code == 409
    body["totp"] = fresh.json()["recovery_codes"][1]
    assert (await client.post("/auth/totp/disable", json=body, headers=bearer(ada))).status_code == 204
    assert (await client.post("/auth/totp/disable", json=body, headers=bearer(ada))).status_code == 409
    await login(client, ada)
    for secret in (*recovery, *fresh.json()["recovery_codes"]):
        assert secret not in accounts[0].log


async def test_of_many_logins_with_one_code_one_succeeds(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    ada = await verified(client, peers)
    authenticator, _ = await enrol(client, ada)
    body = {"login": ada["user"]["username"], "password": PASSWORD, "totp": authenticator.code()}
    body["device_token"] = ada["device_token"]
    answers = await asyncio.gather(*(client.post("/auth/login", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_guessing_is_slowed_down_and_locks_nobody_out(client: httpx.AsyncClient) -> None:
    ada = await register(client)
    for _ in range(5):
        await login(client, ada, status=401, password="wrong password", address="203.0.113.9")
    refused = await client.post(
        "/auth/login",
        json={"login": ada["user"]["email"], "password": PASSWORD},
        headers={"X-Forwarded-For": "203.0.113.9"},
    )
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert 1 <= int(refused.headers["retry-after"]) <= 4
    await login(client, ada, address="198.51.100.77")
    await login(client, ada, address="203.0.113.9", device_token=ada["device_token"])

    nobody = {"user": {"username": fresh_name()}}
    for _ in range(5):
        await login(client, nobody, status=401, address="203.0.113.10")
    assert (await login(client, nobody, status=429, address="203.0.113.10"))["code"] == "too_many_attempts"


async def test_an_account_under_attack_is_open_to_its_owner(client: httpx.AsyncClient) -> None:
    ada = await register(client)
    attacks = [
        client.post(
            "/auth/login",
            json={"login": ada["user"]["username"], "password": "wrong password"},
            headers={"X-Forwarded-For": f"2001:db8:{n:x}::1"},
        )
        for n in range(40)
    ]
    statuses = {answer.status_code for answer in await asyncio.gather(*attacks)}
    assert statuses == {401, 429}, "more than thirty failures, from wherever, make strangers wait"
    await login(client, ada, status=429, address="198.51.100.78")
    await login(client, ada, address="198.51.100.78", device_token=ada["device_token"])
    strange = await register(client)
    await login(client, ada, status=429, address="198.51.100.78", device_token=strange["device_token"])


async def test_what_happened_is_seen_by_its_owner(client: httpx.AsyncClient, peers: AccountPeers) -> None:
    ada = await verified(client, peers)
    await login(client, ada, status=401, password="wrong password", address="203.0.113.30")
    headers = bearer(ada)
    page = (await client.get("/users/me/security-events", headers=headers)).json()
    assert [event["kind"] for event in page["items"]] == [
        "sign_in_failed",
        "signed_in",
        "email_verified",
        "registered",
    ]
    assert page["items"][0]["address"] == "203.0.113.30"
    assert {event["user_id"] for event in page["items"]} == {ada["user"]["id"]}
    first = (await client.get("/users/me/security-events?limit=3", headers=headers)).json()
    rest = (await client.get(f"/users/me/security-events?cursor={first['next_cursor']}", headers=headers)).json()
    assert (first["items"] + rest["items"], rest["next_cursor"]) == (page["items"], None)
    for query in ("cursor=x", "kind=x", "limit=0"):
        assert (await client.get(f"/users/me/security-events?{query}", headers=headers)).status_code == 422
