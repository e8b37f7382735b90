"""Every route and socket event, called by everybody, does what the one table says (`chatcluster_testing.access`)."""

import asyncio
import contextlib
import functools
import itertools
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import aiohttp
import pytest
import pytest_asyncio
import socketio
from socketio.exceptions import ConnectionError as SocketConnectionError

from chatcluster_message.asyncapi import CHANNEL as MESSAGE
from chatcluster_presence.asyncapi import CHANNEL as PRESENCE
from chatcluster_testing.access import CALLERS, ENDED_BY_A_BLOCK, EVENTS, ROUTES, Entry, Policy, filled
from chatcluster_testing.openapi import operations
from chatcluster_testing.people import Person
from chatcluster_testing.platform import Platform
from chatcluster_testing.sockets import hang_up

pytestmark = [pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

_ROLES = {"unverified": "unverified", "moderator": "moderator", "administrator": "admin"}
NOTHING = "0198c1a2-7b3c-7def-8123-000000000000"
"""An id that nothing has."""
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)


class Answer(NamedTuple):
    """How a call ended."""

    status: int
    code: str = ""
    """Of the problem; empty when there is none."""

    @classmethod
    def of(cls, problem: Mapping[str, Any]) -> Self:
        """A refusal."""
        return cls(problem["status"], problem["code"])


@dataclass
class World:
    """The callers with their tokens, and what they do things to."""

    platform: Platform
    session: aiohttp.ClientSession
    people: dict[str, Person]
    tokens: dict[str, str]
    direct: Mapping[str, dict[str, str]]
    """The direct conversation of `stranger` and `blocked`, from before the block, with a message of each."""

    async def room(self) -> dict[str, str]:
        """A conversation with one message and one file, and everybody in the part that their name says."""
        owner, member = self.people["owner"], self.people["member"]
        others = [self.people[name].id for name in ("admin", "blocked", "member", "left", "bystander")]
        made = await owner.rest("POST", "/conversations", json={"type": "group", "members": others, "name": "Room"})
        room = f"/conversations/{made['id']}"
        for name in ("admin", "blocked"):
            await owner.rest("PATCH", f"{room}/members/{self.people[name].id}", json={"role": "admin"})
        await self.people["left"].rest("DELETE", f"{room}/members/{self.people['left'].id}")
        form = aiohttp.FormData({"conversation_id": made["id"]})
        form.add_field("file", _PNG, filename="dot.png")
        file = (await member.rest("POST", "/files", data=form))["items"][0]
        send = {"client_id": _fresh(), "body": "Hello"}
        message = await member.rest("POST", f"{room}/messages", json=send)
        return {"conversation_id": made["id"], "message_id": message["id"], "file_id": file["id"]}

    def ids(self, path: str) -> dict[str, str]:
        """Of what is no part of a conversation."""
        return {
            "user_id": self.people["bystander"].id if "/members/" in path else NOTHING,
            "other_id": self.people["stranger"].id,
            "emoji": "%F0%9F%91%8D",
            "size": "small",
            "fresh": _fresh(),
        }

    @contextlib.asynccontextmanager
    async def socket(self, caller: str, path: str) -> AsyncIterator[Callable[[str, Any], Awaitable[Answer]]]:
        """A way to send events: gives the problem that an event, or the handshake, is refused with."""
        async with aiohttp.ClientSession() as session:
            client = socketio.AsyncClient(reconnection=False, http_session=session)
            refusals: list[dict[str, Any]] = []
            client.on("connect_error", refusals.append)
            options: dict[str, Any] = {"transports": ["websocket"], "socketio_path": path, "wait_timeout": 10}
            with contextlib.suppress(SocketConnectionError):
                await client.connect(self.platform.url, auth={"token": self.tokens.get(caller)}, **options)

            async def call(event: str, data: Any) -> Answer:
                if refusals:
                    return Answer.of(refusals[0]["data"])
                answer = await client.call(event, data, timeout=10)
                assert isinstance(answer, dict)
                return Answer(200) if answer["ok"] else Answer.of(answer["error"])

            try:
                yield call
            finally:
                await hang_up(client, session)

    async def call(self, caller: str, method: str, path: str, entry: Entry, ids: Mapping[str, str]) -> Answer:
        """What a caller gets."""
        headers = dict(entry.headers)
        if caller in self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens[caller]}"
        body = filled(entry.body, ids)
        if body is None and method in {"POST", "PUT", "PATCH"}:
            body = {}
        url = self.platform.url + re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], NOTHING), path)
        query = filled(dict(entry.query), ids)
        async with self.session.request(method, url, headers=headers, json=body, params=query) as response:
            if response.content_type == "application/problem+json" and method != "HEAD":
                return Answer.of(await response.json(content_type=None))
            await response.read()
            return Answer(response.status)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(platform: Platform) -> AsyncIterator[World]:
    """All callers, signed in."""
    people = {name: await Person.register(platform.url, name) for name in (*CALLERS[1:], "bystander")}
    tokens = {name: await person.token() for name, person in people.items()}
    for name, role in _ROLES.items():
        tokens[name] = platform.tokens.token_for(people[name].id, claims={"role": role})
    tokens["expired"] = platform.tokens.token_for(people["expired"].id, lifetime=-60)
    tokens["narrow"] = platform.tokens.token_for(people["narrow"].id, claims={"scope": ""})
    direct = await _direct(people, "stranger", "blocked")
    await people["stranger"].rest("PATCH", f"/contacts/{people['blocked'].id}", json={"state": "blocked"})
    await people["revoked"].sign_out()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield World(platform, session, people, tokens, direct)
    for person in people.values():
        await person.__aexit__(None, None, None)


async def test_every_route_has_an_entry(platform: Platform) -> None:
    assert {operation.id for operation in operations(platform)} == set(ROUTES)


async def test_every_event_has_an_entry() -> None:
    assert {event.name for channel in (MESSAGE, PRESENCE) for event in channel.client} == set(EVENTS)


async def test_routes(platform: Platform, world: World) -> None:
    wrong: list[str] = []
    for operation in operations(platform):
        entry = ROUTES[operation.id]
        in_room = bool({"conversation_id", "message_id", "file_id"} & set(re.findall(r"\{(\w+)\}", operation.path)))
        ids = world.ids(operation.path) | (await world.room() if in_room else {})
        for caller in _denied_first(entry.policy):
            if in_room and operation.method == "DELETE" and caller not in entry.policy:
                ids |= await world.room()  # the one before may have done away with it
            status, _ = await world.call(caller, operation.method, operation.path, entry, ids)
            if problem := _problem(entry.policy, caller, status):
                wrong.append(f"{operation.id} by {caller}: {status}, {problem}")
    assert not wrong, "\n".join(wrong)


async def test_events(world: World) -> None:
    wrong: list[str] = []
    for channel, caller in itertools.product((MESSAGE, PRESENCE), CALLERS):
        ids = await world.room() | world.ids(channel.path)
        async with world.socket(caller, channel.path) as call:
            for event in sorted(channel.client, key=lambda event: event.name == "message:delete"):
                entry = EVENTS[event.name]
                status, _ = await call(event.name, filled(entry.body, ids))
                if problem := _problem(entry.policy, caller, status):
                    wrong.append(f"{event.name} by {caller}: {status}, {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("caller", ["stranger", "blocked"])
async def test_a_block_ends_what_two_send_each_other(platform: Platform, world: World, caller: str) -> None:
    ids = world.ids("") | world.direct[caller]
    calls: dict[str, Callable[[], Awaitable[Answer]]] = {}
    for operation in operations(platform):
        if re.search(r"\{(conversation|message)_id\}", operation.path):
            entry = ROUTES[operation.id]
            calls[operation.id] = functools.partial(
                world.call, caller, operation.method, operation.path, entry, ids | {"fresh": _fresh()}
            )
    async with world.socket(caller, MESSAGE.path) as send:
        for event in MESSAGE.client:
            body = filled(EVENTS[event.name].body, ids | {"fresh": _fresh()})
            calls[event.name] = functools.partial(send, event.name, body)
        # First what needs the message to be there.
        names = sorted(calls, key=lambda name: name in {"deleteMessage", "message:delete"})
        ended = {name for name in names if await _is_ended(name, calls[name])}
    assert ended == ENDED_BY_A_BLOCK


async def test_a_block_hides_who_is_there(world: World) -> None:
    one, other = world.people["stranger"], world.people["blocked"]

    async def seen_by(watcher: Person) -> list[str]:
        found = await watcher.rest("GET", f"/presence?user_ids={one.id},{other.id}")
        status = {presence["user_id"]: presence["status"] for presence in found["items"]}
        return [status[one.id], status[other.id]]

    await asyncio.gather(*(person.device(path="/presence/socket.io") for person in (one, other)))
    async with asyncio.timeout(15):
        while await seen_by(world.people["bystander"]) != ["online", "online"]:
            await asyncio.sleep(0.1)
    assert await seen_by(one) == ["online", "offline"]
    assert await seen_by(other) == ["offline", "online"]


async def _direct(people: Mapping[str, Person], one: str, other: str) -> dict[str, dict[str, str]]:
    conversation = await people[one].conversation(people[other])
    made: dict[str, dict[str, str]] = {}
    for name in (one, other):
        send = {"client_id": _fresh(), "body": "Hello"}
        message = await people[name].rest("POST", f"/conversations/{conversation}/messages", json=send)
        made[name] = {"conversation_id": conversation, "message_id": message["id"]}
    return made


def _fresh() -> str:
    """An id for a new message."""
    return str(uuid.uuid4())


async def _is_ended(name: str, call: Callable[[], Awaitable[Answer]]) -> bool:
    """Whether the block forbids the call. Every replica knows of it within a moment."""
    answer = await call()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while name in ENDED_BY_A_BLOCK and answer != (403, "blocked"):
                await asyncio.sleep(0.1)
                answer = await call()
    return answer == (403, "blocked")


def _denied_first(policy: Policy) -> list[str]:
    """Before those who are let in can change anything."""
    return sorted(CALLERS, key=lambda caller: caller not in policy)


def _problem(policy: Policy, caller: str, status: int) -> str:
    """What is wrong with a status; empty when it is as the policy says."""
    if caller in policy:
        return "" if status == policy[caller] else f"where {policy[caller]} turns them away"
    unseen = {404} if 404 in policy.values() else set()
    return "where they are let in" if status in {401, 403, *unseen} or status >= 500 else ""


@pytest.mark.parametrize("path", ["/internal/users/lookup", "/metrics", "/livez", "/readyz", "/openapi.json"])
async def test_the_inside_is_out_of_reach(platform: Platform, world: World, path: str) -> None:
    token = world.tokens["administrator"]
    for origin in (platform.url, platform.url + "/api/v1", platform.url + "/api/v1/users/.."):
        headers = {"Authorization": f"Bearer {token}", "X-Internal-Token": "internal-token-of-the-tests"}
        async with world.session.get(origin + path, headers=headers) as response:
            assert response.status in ({400, 404} if path != "/openapi.json" else {200, 400, 404}), origin + path
