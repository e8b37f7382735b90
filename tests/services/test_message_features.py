"""What happens to messages and conversations besides being sent: against real stores, through two processes.

Kafka is away throughout: none of this needs it.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis as AsyncRedis

from chatcluster_common import signals
from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.people import Device, Person, Refused
from chatcluster_testing.process import INTERNAL_TOKEN, free_port
from chatcluster_testing.redis import Redis
from chatcluster_testing.replicas import Replicas, running_replicas
from chatcluster_testing.tokens import TokenAuthority

DATABASE = "features"


@pytest.fixture(scope="module")
def replicas(
    mongodb: MongoDB, redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """Two replicas without Kafka, which look for old messages all the time."""
    env = {
        "CHAT_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        "CHAT_MONGODB_DATABASE": DATABASE,
        "CHAT_PURGE_SECONDS": "0.3",
    }
    with running_replicas(mongodb, redis, tokens, tmp_path_factory.mktemp("features"), env) as running:
        yield running


@pytest.fixture
async def three(replicas: Replicas) -> AsyncIterator[list[Person]]:
    """Ann at one replica, Bob and Eve at the other."""
    async with replicas.people(replicas.one.url, replicas.two.url, replicas.two.url) as people:
        for person, name in zip(people, ("ann", "bob", "eve"), strict=True):
            person.user["username"] = f"{name}-{uuid.uuid4().hex[:8]}"
            replicas.peers.people[person.id]["username"] = person.user["username"]
        yield people


@pytest.fixture
async def database(mongodb: MongoDB) -> AsyncIterator[Any]:
    """The database, for what only time would bring about."""
    async with AsyncMongoClient[dict[str, Any]](mongodb.url) as client:
        yield client[DATABASE]


async def send(person: Person, conversation_id: str, body: str, **more: Any) -> dict[str, Any]:
    """A message sent over REST."""
    request = {"client_id": uuid.uuid4().hex, "body": body, **more}
    return await person.rest("POST", f"/conversations/{conversation_id}/messages", json=request)


async def refused(call: Any) -> tuple[int, str]:
    """Status and code of the problem that a call is answered with."""
    with pytest.raises(Refused) as refusal:
        await call
    return refusal.value.problem["status"], refusal.value.problem["code"]


async def until(condition: Any, seconds: float = 30.0) -> Any:
    """The first true answer of an async function."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found


async def told(device: Device, event: str, message_id: str) -> dict[str, Any]:
    """The first event of that name about a message."""
    return await device.wait_for(event, lambda d: message_id in (d.get("id"), d.get("message_id")))


# Changes of messages


async def test_an_edit_is_told_and_keeps_what_was(three: list[Person]) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    phone, other = await ann.device(), await bob.device("polling")
    sent = await send(ann, conversation_id, "frist")
    edited = (await phone.call("message:edit", {"id": sent["id"], "body": "first"}))["message"]
    assert (edited["body"], edited["seq"], edited["revision"]) == ("first", 1, 1)
    assert edited["edited_at"] is not None
    assert await told(other, "message:updated", sent["id"]) == edited
    await ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": "First!"})
    history = await bob.rest("GET", f"/messages/{sent['id']}/history")
    assert [version["body"] for version in history["items"]] == ["frist", "first"]
    path = f"/messages/{sent['id']}"
    assert await refused(bob.rest("PATCH", path, json={"body": "mine"})) == (403, "forbidden")
    assert await refused(ann.rest("PATCH", path, json={"body": " "})) == (422, "invalid")
    assert (await ann.rest("PATCH", path, json={"body": "First!"}))["revision"] == 2


async def test_what_is_deleted_leaves_its_place_and_nothing_else(three: list[Person], replicas: Replicas) -> None:
    ann, bob, eve = three
    conversation_id = await ann.conversation(bob, kind="group", name="team")
    other = await bob.device()
    replicas.peers.files["f1"] = ann.id
    sent = await send(ann, conversation_id, "secret", attachments=["f1"])
    await ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": "secret too"})
    await bob.rest("PUT", f"/messages/{sent['id']}/reactions/👍")
    assert await refused(bob.rest("DELETE", f"/messages/{sent['id']}")) == (403, "forbidden")
    assert await refused(eve.rest("DELETE", f"/messages/{sent['id']}")) == (404, "not_found")
    left = await ann.rest("DELETE", f"/messages/{sent['id']}")
    assert (left["body"], left["attachments"], left["reactions"], left["seq"]) == ("", [], {}, 1)
    assert (left["deletion"], left["deleted_at"] is not None) == ("sender", True)
    assert await told(other, "message:deleted", sent["id"]) == left
    assert (await bob.rest("GET", f"/messages/{sent['id']}/history"))["items"] == []
    assert await ann.rest("DELETE", f"/messages/{sent['id']}") == left
    assert await refused(ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": "x"})) == (409, "message_deleted")

    async def released() -> bool:
        return "f1" not in replicas.peers.files

    await until(released)
    assert [m["body"] for m in await bob.history(conversation_id)] == [""]


async def test_admins_delete_what_others_wrote(three: list[Person]) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob, kind="group", name="team")
    sent = await send(bob, conversation_id, "rude")
    assert (await ann.rest("DELETE", f"/messages/{sent['id']}"))["deletion"] == "moderated"


async def test_changes_are_told_even_when_the_process_that_wrote_them_died(three: list[Person], database: Any) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    device = await bob.device()
    sent = await send(ann, conversation_id, "before")
    now = datetime.now(UTC)
    await database.messages.update_one(
        {"_id": sent["id"]},
        {"$set": {"body": "after", "edited_at": now, "revision": 1, "change_due": now}},
    )
    assert (await told(device, "message:updated", sent["id"]))["body"] == "after"

    async def done() -> bool:
        found = await database.messages.find_one({"_id": sent["id"]})
        return "change_due" not in found

    await until(done)


async def test_two_who_edit_at_once_lose_nothing(three: list[Person]) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    texts = [f"{uuid.uuid4().hex} {n}" for n in range(7)]
    sent = await send(ann, conversation_id, texts[0])
    path = f"/messages/{sent['id']}"
    await asyncio.gather(*(ann.rest("PATCH", path, json={"body": text}) for text in texts[1:]))
    now = await ann.rest("GET", path)
    history = await ann.rest("GET", f"{path}/history")
    assert now["revision"] == 6
    assert sorted([now["body"], *(v["body"] for v in history["items"])]) == sorted(texts)


async def test_reactions(three: list[Person]) -> None:
    ann, bob, eve = three
    conversation_id = await ann.conversation(bob)
    phone, other = await ann.device(), await bob.device()
    sent = await send(ann, conversation_id, "done")
    reacted = (await other.call("reaction:add", {"id": sent["id"], "emoji": "❤️"}))["message"]
    assert reacted["reactions"] == {"❤": [bob.id]}
    changed = await told(phone, "reaction:changed", sent["id"])
    assert (changed["reactions"], changed["conversation_id"], changed["seq"]) == ({"❤": [bob.id]}, conversation_id, 1)
    await ann.rest("PUT", f"/messages/{sent['id']}/reactions/❤")
    await ann.rest("PUT", f"/messages/{sent['id']}/reactions/❤")
    await other.call("reaction:remove", {"id": sent["id"], "emoji": "❤"})
    await bob.rest("DELETE", f"/messages/{sent['id']}/reactions/:tada:")
    assert (await bob.rest("GET", f"/messages/{sent['id']}"))["reactions"] == {"❤": [ann.id]}
    assert await refused(bob.rest("PUT", f"/messages/{sent['id']}/reactions/hello")) == (422, "invalid")
    assert await refused(eve.rest("PUT", f"/messages/{sent['id']}/reactions/❤")) == (404, "not_found")
    for n in range(39):
        await ann.rest("PUT", f"/messages/{sent['id']}/reactions/:e{n}:")
    assert await refused(ann.rest("PUT", f"/messages/{sent['id']}/reactions/:more:")) == (409, "too_many_reactions")


async def test_what_changed_while_away_is_told_by_sync(three: list[Person]) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    sent = [await send(ann, conversation_id, str(n)) for n in range(3)]
    device = await bob.device()
    seen = await device.call("sync", {"conversations": {conversation_id: 0}})
    assert ([m["seq"] for m in seen["messages"]], seen["changed"]) == ([1, 2, 3], [])
    await ann.rest("PATCH", f"/messages/{sent[0]['id']}", json={"body": "changed"})
    await ann.rest("DELETE", f"/messages/{sent[1]['id']}")
    since = {"conversations": {conversation_id: 3}, "changed_since": seen["as_of"]}
    again = await device.call("sync", since)
    assert (again["messages"], again["reload"]) == ([], [])
    assert [(m["seq"], m["body"]) for m in again["changed"]] == [(1, "changed"), (2, "")]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert (await device.call("sync", since | {"changed_since": later}))["changed"] == []


# What a send carries


async def test_a_thread_is_counted_and_followed(three: list[Person]) -> None:
    ann, bob, eve = three
    conversation_id = await ann.conversation(bob, eve, kind="group", name="team")
    phone = await ann.device()
    root = await send(ann, conversation_id, "Lunch?")
    await send(bob, conversation_id, "elsewhere")
    replies = [await send(bob, conversation_id, f"reply {n}", thread_root=root["id"]) for n in range(3)]
    await phone.wait_for("message:updated", lambda d: d["id"] == root["id"] and d["reply_count"] == 3)
    path = f"/conversations/{conversation_id}/messages?thread_root={root['id']}"
    assert [m["seq"] for m in (await eve.rest("GET", path + "&limit=2"))["items"]] == [5, 4]
    page = await eve.rest("GET", path + "&after_seq=3&limit=2")
    assert ([m["seq"] for m in page["items"]], page["has_more"]) == ([4, 5], False)

    followers = f"/messages/{root['id']}/followers"
    assert (await eve.rest("GET", followers))["items"] == [ann.id, bob.id]
    await eve.rest("PUT", f"/messages/{root['id']}/follow")
    await ann.rest("DELETE", f"/messages/{root['id']}/follow")
    assert (await eve.rest("GET", followers))["items"] == [bob.id, eve.id]
    nested = {"client_id": "nested", "body": "x", "thread_root": replies[0]["id"]}
    sends = f"/conversations/{conversation_id}/messages"
    assert await refused(bob.rest("POST", sends, json=nested)) == (422, "invalid")
    assert await refused(bob.rest("POST", sends, json=nested | {"thread_root": "unknown"})) == (422, "invalid")


async def test_files_are_bound_once_however_often_a_message_is_sent(three: list[Person], replicas: Replicas) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    replicas.peers.files |= {"mine": ann.id, "theirs": bob.id}
    body = {"client_id": uuid.uuid4().hex, "body": "", "attachments": ["mine"]}
    path = f"/conversations/{conversation_id}/messages"
    answers = await asyncio.gather(*(ann.rest("POST", path, json=body) for _ in range(5)))
    assert {answer["id"] for answer in answers} == {replicas.peers.attached["mine"]}
    assert answers[0]["attachments"][0] | {"thumbnails": []} == answers[0]["attachments"][0]
    assert (answers[0]["attachments"][0]["id"], answers[0]["attachments"][0]["name"]) == ("mine", "mine.txt")
    for files in (["theirs"], ["unknown"], ["mine"]):
        other = {"client_id": uuid.uuid4().hex, "body": "", "attachments": files}
        assert await refused(ann.rest("POST", path, json=other)) == (422, "invalid")


async def test_mentions_are_members_and_count_until_they_are_read(three: list[Person], replicas: Replicas) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob, kind="channel", name="news")
    names = " ".join(f"@{person.user['username']}" for person in three)
    sent = await send(ann, conversation_id, f"{names} and @nobody-here, x@{bob.user['username']}")
    assert (sent["mentions"], sent["mentions_all"]) == ([bob.id], False)  # Eve is not in it, Ann wrote it
    assert (await send(ann, conversation_id, "@all"))["mentions_all"] is True
    assert (await send(bob, conversation_id, "@all"))["mentions_all"] is False  # in a channel, not for members
    replicas.peers.online.add(bob.id)
    here = await send(ann, conversation_id, "@here")
    assert here["mentions"] == [bob.id]

    async def badge(person: Person) -> tuple[int, int]:
        listed = (await person.rest("GET", "/conversations"))["items"]
        here = next(c for c in listed if c["id"] == conversation_id)
        return here["unread"], here["mentions"]

    async def counted() -> bool:
        return await badge(bob) == (4, 3) and await badge(ann) == (4, 0)

    await until(counted)
    await bob.rest("PUT", f"/conversations/{conversation_id}/read", json={"seq": 3})
    assert await badge(bob) == (1, 1)
    await ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": "nobody"})
    assert (await bob.rest("GET", f"/messages/{sent['id']}"))["mentions"] == []
    await ann.rest("DELETE", f"/messages/{here['id']}")

    async def gone() -> bool:
        return await badge(bob) == (1, 0)

    await until(gone)


# Read marks


async def test_who_hides_what_they_read_sees_nobody_elses(three: list[Person], replicas: Replicas) -> None:
    ann, bob, eve = three
    replicas.peers.hiding_reads.add(eve.id)
    conversation_id = await ann.conversation(bob, eve, kind="group", name="team")
    phone, hers, tablet = await ann.device(), await eve.device(), await eve.device()
    sent = await send(ann, conversation_id, "read me")
    mark = {"conversation_id": conversation_id, "seq": 1}
    await hers.call("read:mark", mark)
    await tablet.wait_for("read:changed", lambda d: d["user_id"] == eve.id)
    await bob.rest("PUT", f"/conversations/{conversation_id}/read", json={"seq": 1})
    await phone.wait_for("read:changed", lambda d: d["user_id"] == bob.id)
    assert [d["user_id"] for d in phone.events["read:changed"]] == [bob.id]
    assert [d["user_id"] for d in tablet.events["read:changed"]] == [eve.id]
    assert (await ann.rest("GET", f"/messages/{sent['id']}/seen"))["items"] == [bob.id]
    assert (await eve.rest("GET", f"/messages/{sent['id']}/seen"))["items"] == []
    marks = await eve.rest("GET", f"/conversations/{conversation_id}/reads")
    assert [m["user_id"] for m in marks["items"]] == [eve.id]


# Search


async def test_search_finds_words_and_phrases_where_one_is(three: list[Person], replicas: Replicas) -> None:
    ann, bob, eve = three
    word = f"zebra{uuid.uuid4().hex[:8]}"
    here = await ann.conversation(bob)
    there = await ann.conversation(eve)
    replicas.peers.files["photo"] = ann.id
    long = await send(ann, here, f"the {word} was seen {'far away ' * 20}")
    short = await send(bob, here, f"{word} {word}, striped Café")
    await send(ann, there, f"a {word} for Eve")
    filed = await send(ann, here, f"{word} on a photo", attachments=["photo"])
    gone = await send(ann, here, f"{word} deleted")
    await ann.rest("DELETE", f"/messages/{gone['id']}")
    renamed = await send(ann, here, f"{word} renamed")
    await ann.rest("PATCH", f"/messages/{renamed['id']}", json={"body": "a horse"})

    async def search(person: Person, query: str, **more: str) -> list[str]:
        page = await person.rest("GET", "/messages/search", params={"query": query, **more})
        assert page["limited"] is False
        return [m["id"] for m in page["items"]]

    async def indexed() -> bool:
        return await search(bob, word) == [short["id"], filed["id"], long["id"]]

    await until(indexed)
    assert await search(bob, f'"{word} striped" cafe') == [short["id"]]
    assert await search(bob, f'"striped {word}"') == []
    assert await search(bob, word, **{"from": bob.id}) == [short["id"]]
    assert await search(bob, "", has="file") == [filed["id"]]
    assert await search(ann, word, conversation_id=there) != []
    assert await search(bob, word, conversation_id=there) == []
    assert await search(bob, word, before=short["created_at"]) == [long["id"]]
    assert await search(bob, word, after=filed["created_at"]) == [filed["id"]]

    async def follows() -> bool:
        return await search(bob, "horse", conversation_id=here) == [renamed["id"]]

    await until(follows)
    first = await bob.rest("GET", "/messages/search", params={"query": word, "limit": "2"})
    assert first["next_cursor"] is not None
    rest = await bob.rest("GET", "/messages/search", params={"query": word, "cursor": first["next_cursor"]})
    assert [m["id"] for m in first["items"] + rest["items"]] == [short["id"], filed["id"], long["id"]]
    assert await refused(bob.rest("GET", "/messages/search", params={"query": "!?"})) == (422, "invalid")


async def test_the_index_follows_a_message_that_was_found_before(three: list[Person], database: Any) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    before, after = f"gnu{uuid.uuid4().hex[:8]}", f"emu{uuid.uuid4().hex[:8]}"
    sent = await send(ann, conversation_id, f"a {before}")

    async def found(word: str) -> bool:
        page = await bob.rest("GET", "/messages/search", params={"query": word})
        return [m["id"] for m in page["items"]] == [sent["id"]]

    async def words() -> list[str]:
        return (await database.search.find_one({"_id": sent["id"]}))["terms"]

    await until(lambda: found(before))
    await ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": f"an {after}"})
    await until(lambda: found(after))
    assert f"{conversation_id}|{before}" not in await words()
    await ann.rest("DELETE", f"/messages/{sent['id']}")

    async def forgotten() -> bool:
        return await words() == []

    await until(forgotten)


async def test_searches_run_on_an_index(three: list[Person], database: Any) -> None:
    queries: list[tuple[str, dict[str, Any]]] = [
        ("search", {"terms": {"$in": ["c|word", "d|word"]}}),
        ("mentions", {"key": {"$gt": "c:u:1", "$lt": "c:u:~"}}),
        ("messages", {"thread": {"$gt": "c:1", "$lt": "c:~"}}),
        ("messages", {"changed": {"$gte": "c:1", "$lt": "c:~"}}),
        ("messages", {"change_due": {"$lte": datetime.now(UTC)}}),
        ("messages", {"reactors": "u"}),
        ("messages", {"sender_id": "u", "client_id": {"$gt": ""}}),
        ("conversations", {"directory": {"$gt": "a", "$lt": "b"}}),
        ("conversations", {"purge_at": {"$lte": datetime.now(UTC)}}),
        ("reports", {"state": "open", "_id": {"$gt": ""}}),
    ]
    await send(three[0], await three[0].conversation(three[1]), "something")
    for collection, query in queries:
        plan = await database.command("explain", {"find": collection, "filter": query})
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"]), (collection, query)


# Conversations


async def test_a_conversation_is_changed_by_who_may(three: list[Person]) -> None:
    ann, bob, eve = three
    conversation_id = await ann.conversation(bob, kind="channel", name="News")
    path = f"/conversations/{conversation_id}"
    device = await bob.device()
    assert await refused(bob.rest("PATCH", path, json={"name": "Mine"})) == (403, "forbidden")
    changed = await ann.rest("PATCH", path, json={"topic": "Daily", "posting": "admins"})
    assert (changed["name"], changed["topic"], changed["posting"]) == ("News", "Daily", "admins")
    await device.wait_for("conversation:changed", lambda d: (d["conversation"] or {}).get("topic") == "Daily")
    assert await refused(send(bob, conversation_id, "hello")) == (403, "forbidden")
    await ann.rest("PATCH", f"{path}/members/{bob.id}", json={"role": "admin"})
    await send(bob, conversation_id, "hello")
    assert await refused(bob.rest("PATCH", path, json={"retention_days": 1})) == (403, "forbidden")
    assert await refused(bob.rest("DELETE", path)) == (403, "forbidden")
    handed = await ann.rest("PATCH", f"{path}/members/{bob.id}", json={"role": "owner"})
    assert {m["user_id"]: m["role"] for m in handed["members"]} == {ann.id: "admin", bob.id: "owner"}
    direct = await ann.conversation(eve)
    assert await refused(ann.rest("PATCH", f"/conversations/{direct}", json={"name": "x"})) == (422, "invalid")
    assert await refused(ann.rest("DELETE", f"/conversations/{direct}")) == (409, "direct_conversation")


async def test_public_channels_are_found_and_joined(three: list[Person]) -> None:
    ann, bob, eve = three
    prefix = f"Zoo-{uuid.uuid4().hex[:8]}"
    names = [f"{prefix}-{n}" for n in range(3)]
    public = {"type": "channel", "members": [], "visibility": "public"}
    made = [await ann.rest("POST", "/conversations", json=public | {"name": name}) for name in names]
    hidden = await ann.conversation(kind="channel", name=f"{prefix}-private")
    device = await bob.device()
    page = await bob.rest("GET", "/conversations/directory", params={"query": prefix.lower(), "limit": "2"})
    rest = await bob.rest(
        "GET", "/conversations/directory", params={"query": prefix, "cursor": page["next_cursor"], "limit": "2"}
    )
    assert [c["name"] for c in page["items"] + rest["items"]] == names
    assert rest["next_cursor"] is None
    assert not page["items"][0]["joined"]
    await bob.rest("POST", f"/conversations/{made[0]['id']}/join")
    await device.wait_for("conversation:changed", lambda d: d["conversation_id"] == made[0]["id"])
    await send(bob, made[0]["id"], "hello")
    assert await refused(eve.rest("POST", f"/conversations/{hidden}/join")) == (404, "not_found")
    await ann.rest("PATCH", f"/conversations/{made[1]['id']}", json={"visibility": "private"})
    assert await refused(eve.rest("POST", f"/conversations/{made[1]['id']}/join")) == (404, "not_found")
    listed = await eve.rest("GET", "/conversations/directory", params={"query": prefix})
    assert [c["name"] for c in listed["items"]] == [names[0], names[2]]


async def test_pins(three: list[Person]) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob, kind="channel", name="team")
    pins = f"/conversations/{conversation_id}/pins"
    sent = [await send(bob, conversation_id, str(n)) for n in range(3)]
    assert await refused(bob.rest("PUT", f"{pins}/{sent[0]['id']}")) == (403, "forbidden")
    for message in sent:
        await ann.rest("PUT", f"{pins}/{message['id']}")
    await ann.rest("PUT", f"{pins}/{sent[0]['id']}")
    await ann.rest("DELETE", f"{pins}/{sent[1]['id']}")
    assert [m["body"] for m in (await bob.rest("GET", pins))["items"]] == ["2", "0"]
    conversation = await bob.rest("GET", f"/conversations/{conversation_id}")
    assert [pin["message_id"] for pin in conversation["pins"]] == [sent[0]["id"], sent[2]["id"]]
    await bob.rest("DELETE", f"/messages/{sent[2]['id']}")
    assert [m["body"] for m in (await bob.rest("GET", pins))["items"]] == ["0"]


async def test_a_deleted_conversation_is_gone_for_everybody(three: list[Person], database: Any) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob, kind="group", name="short-lived")
    device = await bob.device()
    await send(ann, conversation_id, "hello")
    await ann.rest("DELETE", f"/conversations/{conversation_id}")
    await device.wait_for("conversation:changed", lambda d: d["conversation"] is None)
    assert await refused(ann.rest("GET", f"/conversations/{conversation_id}")) == (404, "not_found")
    assert await refused(send(bob, conversation_id, "anybody?")) == (404, "not_found")
    now = datetime.now(UTC)  # instead of the minute of grace
    await database.conversations.update_one({"_id": conversation_id}, {"$set": {"purge_at": now}})

    async def purged() -> bool:
        return await database.conversations.find_one({"_id": conversation_id}) is None

    await until(purged)
    assert await database.messages.count_documents({"conversation_id": conversation_id}) == 0


async def test_old_messages_are_removed_and_numbers_go_on(three: list[Person], database: Any) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob)
    sent = [await send(ann, conversation_id, f"old words {n}") for n in range(4)]
    await ann.rest("PUT", f"/conversations/{conversation_id}/pins/{sent[0]['id']}")
    long_ago = datetime.now(UTC) - timedelta(days=40)
    await database.messages.update_many(
        {"_id": {"$in": [m["id"] for m in sent[:3]]}}, {"$set": {"created_at": long_ago}}
    )
    await bob.rest("PATCH", f"/conversations/{conversation_id}", json={"retention_days": 30})

    async def purged() -> bool:
        return (await bob.rest("GET", f"/conversations/{conversation_id}"))["first_seq"] == 4

    await until(purged)

    async def seqs() -> list[int]:
        page = await bob.rest("GET", f"/conversations/{conversation_id}/messages?after_seq=0")
        assert page["has_more"] is False
        return [m["seq"] for m in page["items"]]

    async def removed() -> bool:
        return await seqs() == [4]

    await until(removed)
    page = await bob.rest("GET", f"/conversations/{conversation_id}/messages")
    assert ([m["seq"] for m in page["items"]], page["has_more"]) == ([4], False)
    assert (await bob.rest("GET", f"/conversations/{conversation_id}/pins"))["items"] == []
    device = await bob.device()
    synced = await device.call("sync", {"conversations": {conversation_id: 1}})
    assert (synced["reload"], synced["messages"]) == ([conversation_id], [])
    await database.messages.update_many({"_id": sent[3]["id"]}, {"$set": {"created_at": long_ago}})
    await database.conversations.update_one({"_id": conversation_id}, {"$set": {"purge_at": datetime.now(UTC)}})

    async def empty() -> bool:
        return await seqs() == []

    await until(empty)
    assert (await send(bob, conversation_id, "after all"))["seq"] == 5


async def test_who_is_blocked_cannot_write_or_add(three: list[Person], replicas: Replicas, redis: Redis) -> None:
    ann, bob, eve = three
    conversation_id = await ann.conversation(bob)
    sent = await send(ann, conversation_id, "hello")
    replicas.peers.blocks.add((bob.id, ann.id))
    async with AsyncRedis.from_url(redis.url("user")) as client:
        await signals.send(client, "relations_changed", user_id=bob.id, other_id=ann.id)

    async def blocked() -> bool:
        try:
            await send(ann, conversation_id, "still there?")
        except Refused as refusal:
            return refusal.problem["code"] == "blocked"
        return False

    await until(blocked)
    assert await refused(send(bob, conversation_id, "no")) == (403, "blocked")
    assert await refused(ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": "x"})) == (403, "blocked")
    group = await ann.conversation(eve, kind="group", name="team")
    add = {"user_id": bob.id}
    assert await refused(ann.rest("POST", f"/conversations/{group}/members", json=add)) == (403, "blocked")
    both = {"type": "group", "members": [bob.id, eve.id]}
    assert await refused(ann.rest("POST", "/conversations", json=both)) == (403, "blocked")
    await ann.rest("DELETE", f"/messages/{sent['id']}")  # taking one's own words back is always possible


# Moderation


async def test_a_report_is_decided_and_written_down(three: list[Person], replicas: Replicas) -> None:
    ann, bob, eve = three
    conversation_id = await ann.conversation(bob)
    sent = await send(ann, conversation_id, "nasty")
    report = {"reason": "abuse", "comment": "look"}
    path = f"/messages/{sent['id']}/reports"
    receipt = await bob.rest("POST", path, json=report)
    assert await bob.rest("POST", path, json=report) == receipt
    assert await refused(ann.rest("POST", path, json=report)) == (409, "own_message")
    assert await refused(eve.rest("POST", path, json=report)) == (404, "not_found")
    assert await refused(bob.rest("GET", "/moderation/reports")) == (403, "forbidden")
    await ann.rest("PATCH", f"/messages/{sent['id']}", json={"body": "nice"})

    moderator = replicas.account(replicas.two.url, "mod", {"role": "moderator"})
    admin = replicas.account(replicas.one.url, "boss", {"role": "admin"})
    async with moderator, admin:
        listed = (await moderator.rest("GET", "/moderation/reports?limit=100"))["items"]
        found = next(item for item in listed if item["id"] == receipt["id"])
        assert (found["body"], found["reporter_id"], found["sender_id"]) == ("nasty", bob.id, ann.id)
        decision = {"state": "resolved", "delete_message": True, "note": "against the rules"}
        resolved = await moderator.rest("PATCH", f"/moderation/reports/{receipt['id']}", json=decision)
        assert (resolved["state"], resolved["resolved_by"]) == ("resolved", moderator.id)
        other = {"state": "dismissed"}
        again = moderator.rest("PATCH", f"/moderation/reports/{receipt['id']}", json=other)
        assert await refused(again) == (409, "report_closed")
        assert (await bob.rest("GET", f"/messages/{sent['id']}"))["deletion"] == "moderated"
        audit = (await admin.rest("GET", "/moderation/audit"))["items"]
        assert [e["action"] for e in audit if e["report_id"] == receipt["id"]] == ["report_resolved", "message_deleted"]
        assert await refused(moderator.rest("GET", "/moderation/audit")) == (403, "forbidden")

        unreported = await send(ann, conversation_id, "private")
        assert await refused(moderator.rest("DELETE", f"/messages/{unreported['id']}")) == (404, "not_found")
        await bob.rest("POST", f"/messages/{unreported['id']}/reports", json=report)
        assert (await moderator.rest("DELETE", f"/messages/{unreported['id']}"))["deletion"] == "moderated"


# A person's data


async def test_a_person_takes_everything_along_and_leaves_nothing(three: list[Person], replicas: Replicas) -> None:
    ann, bob, eve = three
    group = await ann.conversation(bob, eve, kind="group", name="team")
    direct = await ann.conversation(bob)
    sent = [await send(ann, where, "mine") for where in (group, direct) for _ in range(3)]
    await ann.rest("PATCH", f"/messages/{sent[0]['id']}", json={"body": "mine, edited"})
    theirs = await send(bob, group, "theirs")
    await ann.rest("PUT", f"/messages/{theirs['id']}/reactions/👍")
    await ann.rest("PUT", f"/conversations/{group}/read", json={"seq": 4})
    headers = {"X-Internal-Token": INTERNAL_TOKEN}
    url = f"{replicas.one.url}/internal/users/{ann.id}"
    async with ann._session.get(f"{url}/export", headers=headers) as answer:
        lines = [orjson.loads(line) for line in (await answer.read()).splitlines()]
    kinds = sorted(line["kind"] for line in lines)
    assert [k for k in kinds if k != "read_mark"] == ["conversation"] * 2 + ["message"] * 6 + ["reaction"]
    assert "read_mark" in kinds
    first = next(line["data"] for line in lines if line["data"].get("id") == sent[0]["id"])
    assert [version["body"] for version in first["earlier"]] == ["mine"]

    async def erased() -> bool:
        async with ann._session.post(f"{url}/erase", headers=headers) as answer:
            return (await answer.json())["done"]

    await until(erased)
    await until(erased)  # safe to repeat
    history = await bob.history(group)
    assert [(m["body"], m["deletion"]) for m in history] == [("", "erased")] * 3 + [("theirs", None)]
    assert history[3]["reactions"] == {}
    members = (await bob.rest("GET", f"/conversations/{group}"))["members"]
    assert {m["user_id"]: m["role"] for m in members} == {bob.id: "owner", eve.id: "member"}
    async with ann._session.get(f"{url}/export", headers=headers) as answer:
        left = [orjson.loads(line) for line in (await answer.read()).splitlines()]
    assert {line["data"].get("body") for line in left} <= {""}


async def test_other_services_learn_what_kind_of_conversation_it_is(three: list[Person], replicas: Replicas) -> None:
    ann, bob, _ = three
    conversation_id = await ann.conversation(bob, kind="group", name="team")
    url = f"{replicas.one.url}/internal/conversations/{conversation_id}/members"
    async with ann._session.get(url, headers={"X-Internal-Token": INTERNAL_TOKEN}) as answer:
        found = await answer.json()
    assert (found["id"], found["type"], found["name"]) == (conversation_id, "group", "team")
