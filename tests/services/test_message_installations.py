"""What an installation decides for all conversations: to do without files, and for how long messages are kept."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.people import Person, Refused
from chatcluster_testing.process import Service, free_port, running_service
from chatcluster_testing.redis import Redis
from chatcluster_testing.replicas import Replicas, running_replicas
from chatcluster_testing.tokens import TokenAuthority

DATABASE = "installations"


@pytest.fixture(scope="module")
def usual(
    mongodb: MongoDB, redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """Two replicas that keep messages for ever and know a file service."""
    env = {"CHAT_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}", "CHAT_MONGODB_DATABASE": DATABASE}
    with running_replicas(mongodb, redis, tokens, tmp_path_factory.mktemp("installations"), env) as running:
        yield running


@pytest.fixture
async def people(usual: Replicas) -> AsyncIterator[list[Person]]:
    async with usual.people(usual.one.url, usual.two.url) as people:
        yield people


@pytest.fixture
async def database(mongodb: MongoDB) -> AsyncIterator[Any]:
    async with AsyncMongoClient[dict[str, Any]](mongodb.url) as client:
        yield client[DATABASE]


def installed(usual: Replicas, folder: Path, **changes: str | None) -> Any:
    """Another replica on the same stores; None leaves a setting out."""
    env = {name: value for name, value in (usual.env | changes).items() if value is not None}
    return running_service("message", folder, env, jwks_file=usual.tokens.jwks_file)


async def send(person: Person, conversation_id: str, body: str, **more: Any) -> dict[str, Any]:
    request = {"client_id": uuid.uuid4().hex, "body": body, **more}
    return await person.rest("POST", f"/conversations/{conversation_id}/messages", json=request)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.05)


def at(person: Person, service: Service) -> Person:
    person.edge = service.url
    return person


async def test_without_a_file_service_messages_are_text_alone(
    usual: Replicas, people: list[Person], database: Any, tmp_path: Path
) -> None:
    ann, bob = people
    conversation_id = await ann.conversation(bob)
    usual.peers.files["photo"] = ann.id
    old = await send(ann, conversation_id, "a photo", attachments=["photo"])
    with installed(usual, tmp_path, CHAT_FILE_URL=None) as service:
        at(ann, service)
        with pytest.raises(Refused) as refused:
            await send(ann, conversation_id, "another", attachments=["photo"])
        problem = refused.value.problem
        assert (problem["status"], problem["code"]) == (422, "invalid")
        assert problem["errors"] == [
            {"field": "attachments", "message": "this ChatCluster has no file service: send text alone"}
        ]
        assert (await send(ann, conversation_id, "text"))["seq"] == 2
        # What had files before is deleted like anything else.
        await ann.rest("DELETE", f"/messages/{old['id']}")

        async def told() -> bool:
            return "change_due" not in await database.messages.find_one({"_id": old["id"]})

        await until(told)
    assert "photo" in usual.peers.files


async def test_the_installations_limit_holds_for_every_conversation(
    usual: Replicas, people: list[Person], database: Any, tmp_path: Path
) -> None:
    ann, bob = people
    silent, longer, shorter = [await ann.conversation(bob, kind="group", name=name) for name in ("a", "b", "c")]
    await ann.rest("PATCH", f"/conversations/{longer}", json={"retention_days": 365})
    await ann.rest("PATCH", f"/conversations/{shorter}", json={"retention_days": 5})
    now = datetime.now(UTC)
    for conversation_id in (silent, longer, shorter):
        for days in (50, 40, 10, 0):
            message = await send(ann, conversation_id, f"{days} days old")
            created = {"created_at": now - timedelta(days=days)}
            await database.messages.update_one({"_id": message["id"]}, {"$set": created})
    limits = {"CHAT_MESSAGE_RETENTION_DAYS": "30", "CHAT_PURGE_SECONDS": "0.2"}
    with installed(usual, tmp_path / "limited", **limits) as service:
        at(bob, service)

        async def first(conversation_id: str) -> int:
            return (await bob.rest("GET", f"/conversations/{conversation_id}"))["first_seq"]

        async def removed() -> bool:
            return [await first(each) for each in (silent, longer, shorter)] == [3, 3, 4]

        # Those with a limit of their own were looked through when they got it: as if their hour were over.
        own = {"_id": {"$in": [longer, shorter]}}
        await database.conversations.update_many(own, {"$set": {"purge_at": now}})
        await until(removed)
        page = await bob.rest("GET", f"/conversations/{silent}/messages?after_seq=0")
        assert [message["seq"] for message in page["items"]] == [3, 4]
        assert (await send(bob, silent, "on it goes"))["seq"] == 5
        planned = (await database.conversations.find_one({"_id": silent}))["purge_at"].replace(tzinfo=UTC)
        assert timedelta(hours=20) < planned - now < timedelta(hours=28)

    # Without the limit nobody looks through it any more.
    await database.conversations.update_one({"_id": silent}, {"$set": {"purge_at": now}})
    with installed(usual, tmp_path / "unlimited", CHAT_PURGE_SECONDS="0.2"):

        async def left_alone() -> bool:
            return "purge_at" not in await database.conversations.find_one({"_id": silent})

        await until(left_alone)
    at(bob, usual.two)
    assert await first(silent) == 3
