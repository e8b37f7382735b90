"""A backup under writes, all stores empty, restored: what was acknowledged before the moment is there, and whole.

PostgreSQL with pgBackRest, the document store and two S3s run as processes; the steps are those of the Jobs.
"""

import asyncio
import contextlib
import io
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pymongo import AsyncMongoClient

from chatcluster_backup import backups, settings
from chatcluster_backup.manifest import Manifest
from chatcluster_backup.repository import Repository
from chatcluster_testing.backups import (
    PASSPHRASE,
    Destination,
    archiving_postgres,
    restored_postgres,
    running_destination,
    step,
)
from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.s3 import ACCESS_KEY, S3, SECRET_KEY

PACE_SECONDS = 0.2
"""Between two messages of one who writes: what there is to back up must not grow with the machine's slowness."""
KEYS = {"encryption_key": "of second factors", "token_key": "of tokens"}


@pytest.fixture(scope="module")
def destination() -> Iterator[Destination]:
    with running_destination() as found:
        yield found


@dataclass(frozen=True)
class Sent:
    """A message that was acknowledged, after its sender's account and its file were."""

    at: datetime
    conversation: str
    seq: int
    person: str
    file: str


@dataclass
class Talk:
    """People who register, upload and write."""

    mongodb: MongoDB
    postgres: Postgres
    s3: S3
    database: str
    bucket: str
    sent: list[Sent] = field(default_factory=list)

    async def talk(self, conversation: str, over: asyncio.Event) -> None:
        files = self.s3.client
        database: Any = await asyncpg.connect(self.postgres.url("chat_user").replace("+asyncpg", ""))
        # A server that is slow to answer, on a busy machine, is not gone.
        async with AsyncMongoClient(self.mongodb.url, heartbeatFrequencyMS=600_000) as client:
            chat = client[self.database]
            await chat.conversations.insert_one({"_id": conversation})
            seq = 0
            while not over.is_set():
                seq += 1
                person, file = str(uuid.uuid4()), f"content/{uuid.uuid4()}"
                content = file.encode() * 20
                await database.execute("INSERT INTO people VALUES ($1)", person)
                await asyncio.to_thread(
                    files.put_object, self.bucket, file, io.BytesIO(content), len(content), "text/x-chat"
                )
                message = {"_id": str(uuid.uuid4()), "conversation_id": conversation, "seq": seq}
                await chat.messages.insert_one({**message, "sender_id": person, "file": file})
                self.sent.append(Sent(datetime.now(UTC), conversation, seq, person, file))
                await chat.reads.update_one({"_id": conversation}, {"$set": {"seq": seq}}, upsert=True)
                await chat.search.insert_one({"_id": message["_id"], "terms": [person]})
                await asyncio.sleep(PACE_SECONDS)
        await database.close()

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """While this is open, four write as fast as they are acknowledged."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(self.talk(str(uuid.uuid4()), over))
            try:
                await self.grows()
                yield
                await self.grows()
            finally:
                over.set()

    async def grows(self) -> None:
        async def more(than: int) -> None:
            while len(self.sent) < than:
                await asyncio.sleep(0.05)

        await asyncio.wait_for(more(len(self.sent) + 20), 60)


@dataclass
class Jobs:
    """Runs steps."""

    folder: Path
    env: dict[str, str]
    secrets: dict[str, str]
    id: str = ""

    def begin(self) -> str:
        self.id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        return self.id

    async def run(self, *names: str, **more: str) -> dict[str, Any]:
        """Steps one after the other; what the last one says."""
        result: dict[str, Any] = {}
        work = self.folder / f"work-{self.id}"
        work.mkdir(exist_ok=True)
        env = {**self.env, "CHAT_BACKUP_ID": self.id, "CHAT_BACKUP_WORK": str(work), **more}
        for name in names:
            result = await asyncio.to_thread(step, name, self.folder, env, self.secrets)
            assert "failed" not in result, result
        return result

    async def fails(self, name: str, **more: str) -> str:
        """What a step says that fails."""
        with pytest.raises(AssertionError) as caught:
            await self.run(name, **more)
        return str(caught.value)


@pytest.fixture
def talk(mongodb: MongoDB, s3: S3, destination: Destination, tmp_path: Path) -> Iterator[Talk]:
    with archiving_postgres(destination.env(f"tests/{tmp_path.name}")) as postgres:
        postgres.execute("CREATE DATABASE chat_user")
        postgres.execute("CREATE TABLE people (id uuid PRIMARY KEY)", "chat_user")
        yield Talk(mongodb, postgres, s3, f"t{secrets.token_hex(4)}", s3.create_bucket())


@pytest.fixture
def jobs(talk: Talk, destination: Destination, tmp_path: Path) -> Jobs:
    env = {
        **destination.env(f"tests/{tmp_path.name}"),
        "CHAT_BACKUP_NAMESPACE": "tests",
        "CHAT_BACKUP_CLUSTER": "demo",
        "CHAT_BACKUP_RELEASE": "dev",
        "CHAT_BACKUP_MONGODB_DATABASE": talk.database,
        "CHAT_BACKUP_SOURCE_ENDPOINT": f"http://127.0.0.1:{talk.s3.port}",
        "CHAT_BACKUP_SOURCE_BUCKET": talk.bucket,
    }
    values = {
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "passphrase": PASSPHRASE,
        "mongodb_url": talk.mongodb.url,
        "source_access_key": ACCESS_KEY,
        "source_secret_key": SECRET_KEY,
        "database_url": f"postgresql://chat_backup@127.0.0.1:{talk.postgres.port}/chat_backup",
        "keys": json.dumps(KEYS),
    }
    return Jobs(tmp_path, env, {f"chat_backup_{name}": value for name, value in values.items()})


BACKUP = ("postgres", "objects", "messages", "index", "seal")


@pytest.mark.timeout(900)
async def test_everything_acknowledged_before_the_moment_is_restored(
    talk: Talk, jobs: Jobs, destination: Destination, tmp_path: Path
) -> None:
    first = jobs.begin()
    async with talk.going_on():
        await jobs.run(*BACKUP)
        await talk.grows()
        last = jobs.begin()
        done = await jobs.run(*BACKUP, CHAT_BACKUP_KEEP_LAST="2")
    assert done["removed"] == []
    assert first < last
    moment = datetime.fromisoformat(done["moment"])
    due = [sent for sent in talk.sent if sent.at < moment]
    assert len(due) >= 40, "the test says something only when much was acknowledged before"
    assert len(talk.sent) > len(due), "and when people wrote on"

    bucket, database = talk.s3.create_bucket(), f"r{secrets.token_hex(4)}"
    into = {
        "CHAT_BACKUP_SOURCE_BUCKET": bucket,
        "CHAT_BACKUP_MONGODB_DATABASE": database,
        "CHAT_BACKUP_TARGET": "restored",
    }
    await jobs.run("verify", "restore-objects", "restore-objects", **into)
    loaded = await jobs.run("restore-messages", **into)
    assert await jobs.run("restore-messages", **into) == loaded, "what is done is not done again"
    into["CHAT_BACKUP_TARGET"] = "another"
    assert "is not empty" in await jobs.fails("restore-messages", **into), "nobody's messages are written over"
    async with AsyncMongoClient(talk.mongodb.url) as client:
        messages = await client[database].messages.find().to_list()
        reads = {item["_id"]: item["seq"] for item in await client[database].reads.find().to_list()}
        found = {item["_id"] for item in await client[database].search.find().to_list()}
    by_place = {(item["conversation_id"], item["seq"]): item for item in messages}
    assert {(sent.conversation, sent.seq) for sent in due} <= by_place.keys()
    for conversation, seq in by_place:
        assert seq == 1 or (conversation, seq - 1) in by_place, "each conversation is an unbroken beginning"
    for conversation, seq in reads.items():
        assert seq == 0 or (conversation, seq) in by_place, "nobody has read what is not there"
    assert {by_place[sent.conversation, sent.seq]["_id"] for sent in due} <= found

    objects = talk.s3.objects(bucket)
    assert {sent.file for sent in due} | {item["file"] for item in messages} <= objects
    sample = talk.s3.client.get_object(bucket, due[-1].file)
    assert sample.read() == due[-1].file.encode() * 20
    assert sample.headers["content-type"] == "text/x-chat"

    made = manifest(jobs, last).postgres
    assert made is not None
    env = {
        **destination.env(f"tests/{tmp_path.name}", "CHAT_RECOVERY"),
        "CHAT_RECOVERY_LABEL": made.label,
        "CHAT_RECOVERY_POINT": made.point,
    }
    with restored_postgres(env) as restored:
        people = set(restored.execute("SELECT id FROM people", "chat_user").split())
    assert {sent.person for sent in due} | {item["sender_id"] for item in messages} <= people


def manifest(jobs: Jobs, id_: str) -> Manifest:
    """What the backup consists of."""
    prefix = "chat_backup_"
    given = {name.lower().removeprefix(prefix): value for name, value in jobs.env.items()}
    given |= {name.removeprefix(prefix): value for name, value in jobs.secrets.items()}
    return backups.read(Repository(settings.Destination.model_validate(given)), id_)
