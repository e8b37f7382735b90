"""Contacts from outside: two people and what each of them sees, and what the other services are told."""

import asyncio
from typing import Any, cast

import httpx
import pytest
from redis.asyncio import Redis as RedisClient

from chatcluster_common import signals
from chatcluster_testing.accounts import bearer, register
from chatcluster_testing.process import INTERNAL_TOKEN, Service
from chatcluster_testing.redis import Redis


class Person:
    """Somebody with an account, and their way of dealing with others."""

    def __init__(self, client: httpx.AsyncClient, signed_in: dict[str, Any]) -> None:
        self.id: str = signed_in["user"]["id"]
        self.username: str = signed_in["user"]["username"]
        self._client, self.headers = client, bearer(signed_in)

    async def ask(self, other: "Person") -> httpx.Response:
        return await self._client.post("/contacts", json={"user_id": other.id}, headers=self.headers)

    async def make(self, other: "Person", state: str) -> httpx.Response:
        return await self._client.patch(f"/contacts/{other.id}", json={"state": state}, headers=self.headers)

    async def remove(self, other: "Person") -> int:
        return (await self._client.delete(f"/contacts/{other.id}", headers=self.headers)).status_code

    async def sees(self, **params: str) -> dict[str, tuple[str, bool]]:
        page = (await self._client.get("/contacts", params=params, headers=self.headers)).json()
        return {item["user"]["username"]: (item["state"], item["incoming"]) for item in page["items"]}

    async def finds(self, other: "Person") -> bool:
        page = await self._client.get("/users", params={"query": other.username}, headers=self.headers)
        return bool(page.json()["items"])


@pytest.fixture
async def people(client: httpx.AsyncClient) -> list[Person]:
    """Two people who have nothing to do with each other."""
    return [Person(client, await register(client)) for _ in range(2)]


async def relations(service: Service, person: Person, others: list[Person]) -> dict[str, list[str]]:
    async with httpx.AsyncClient(headers={"X-Internal-Token": INTERNAL_TOKEN}) as internal:
        body = {"user_id": person.id, "others": [other.id for other in others] + ["nonsense"]}
        return (await internal.post(f"{service.url}/internal/users/relations", json=body)).json()


async def test_a_request_is_accepted(user_service: Service, people: list[Person]) -> None:
    ada, bob = people
    answer = await ada.ask(bob)
    assert answer.status_code == 201
    assert {key: answer.json()[key] for key in ("state", "incoming")} == {"state": "requested", "incoming": False}
    assert answer.json()["user"]["id"] == bob.id
    assert (await ada.ask(bob)).status_code == 200
    assert await ada.sees() == {bob.username: ("requested", False)}
    assert await bob.sees() == {ada.username: ("requested", True)}
    assert (await ada.make(bob, "accepted")).json()["code"] == "no_request"

    assert (await bob.make(ada, "accepted")).json()["state"] == "accepted"
    assert await ada.sees(state="accepted") == {bob.username: ("accepted", False)}
    assert await ada.sees(state="blocked") == {}
    assert await relations(user_service, ada, [bob]) == {"blocking": [], "blocked_by": [], "contacts": [bob.id]}
    assert (await bob.remove(ada), await bob.remove(ada)) == (204, 404)
    assert await ada.sees() == {}


async def test_a_block_is_seen_by_who_set_it_alone(user_service: Service, people: list[Person]) -> None:
    ada, bob = people
    await ada.ask(bob)
    await bob.make(ada, "accepted")
    assert (await ada.make(bob, "blocked")).json()["state"] == "blocked"
    assert await ada.sees() == {bob.username: ("blocked", False)}
    assert await bob.sees() == {}
    assert (await bob.ask(ada)).json()["state"] == "requested"
    assert await ada.sees() == {bob.username: ("blocked", False)}
    assert (await ada.ask(bob)).json()["code"] == "blocked"
    assert (await ada.finds(bob), await bob.finds(ada)) == (False, False)
    assert await relations(user_service, ada, [bob]) == {"blocking": [bob.id], "blocked_by": [], "contacts": []}
    assert await relations(user_service, bob, [ada]) == {"blocking": [], "blocked_by": [ada.id], "contacts": []}

    assert await ada.remove(bob) == 204
    assert await ada.sees() == {bob.username: ("requested", True)}
    assert (await ada.finds(bob), await bob.finds(ada)) == (True, True)


async def test_two_who_ask_each_other_at_once_are_contacts(people: list[Person]) -> None:
    ada, bob = people
    answers = await asyncio.gather(*(one.ask(other) for one, other in ((ada, bob), (bob, ada)) * 3))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert await ada.sees() == {bob.username: ("accepted", False)}
    assert await bob.sees() == {ada.username: ("accepted", False)}


async def test_contacts_page_by_name(client: httpx.AsyncClient, people: list[Person]) -> None:
    ada, bob = people
    others = [bob, *[Person(client, await register(client)) for _ in range(3)]]
    await others[0].ask(ada)
    await ada.ask(others[1])
    await ada.make(others[2], "blocked")
    await others[3].ask(ada)
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        params = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/contacts", params=params, headers=ada.headers)).json()
        seen += [item["user"]["username"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == sorted(other.username for other in others)


async def test_refused(client: httpx.AsyncClient, people: list[Person]) -> None:
    ada, bob = people
    nobody = "019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d"
    for user_id, status in ((ada.id, 409), (ada.id.upper(), 409), (nobody, 404), ("\0", 404), ("x" * 65, 422)):
        response = await client.post("/contacts", json={"user_id": user_id}, headers=ada.headers)
        assert response.status_code == status, user_id
    assert (await ada.make(bob, "requested")).status_code == 422
    assert (await client.patch("/contacts/%00", json={"state": "blocked"}, headers=ada.headers)).status_code == 404
    assert (await client.get("/contacts?state=none", headers=ada.headers)).status_code == 422
    assert (await client.get("/contacts")).status_code == 401


async def test_the_others_hear_of_it(redis: Redis, people: list[Person]) -> None:
    ada, bob = people
    await ada.ask(bob)
    expected = {b"kind": b"relations_changed", b"user_id": ada.id.encode(), b"other_id": bob.id.encode()}
    async with RedisClient.from_url(redis.url("message")) as reader:
        async with asyncio.timeout(30):
            while expected not in [fields for _, fields in cast("Any", await reader.xrange(signals.STREAM))]:
                await asyncio.sleep(0.02)
