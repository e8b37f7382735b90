"""Each store on a volume of its own that is filled to its last byte while somebody writes, and then grown.

While it is full, writes are refused in words that services understand, reads go on, and the store comes up again after
it was killed. Once grown it writes again, with nobody's help; all that was acknowledged is there.
"""

import asyncio
import base64
import io
import itertools
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import urllib3
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from minio import Minio
from minio.error import MinioException
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from chatcluster_common.errors import store_away
from chatcluster_common.events import MESSAGES_TOPIC, KafkaSettings, connection
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import Inputs, generate, stores
from chatcluster_operator.desired import kafka as kafka_manifests
from chatcluster_operator.desired import redis as redis_manifests
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.full_volume import Volume, told, volume
from chatcluster_testing.kafka_cluster import KafkaCluster, kafka_cluster
from chatcluster_testing.patroni import Members, Writer
from chatcluster_testing.process import Program, accepts, find_program, free_port, store_env
from chatcluster_testing.redis import redis_server
from chatcluster_testing.specs import MINIMAL, body, inputs_maker

STORES = Path(__file__).parents[2] / "stores"
CLUSTER = ChatCluster.from_body(body(MINIMAL))
SIZE, GROWN = 600, 900
"""MiB."""
FILE = 64 * 1024
"""Bytes."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Like `tmp_path`, and shorter: sockets have short names alone."""
    made = Path(tempfile.mkdtemp(prefix="full-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def disk(folder: Path) -> Iterator[Volume]:
    """An empty one, which everybody may write to."""
    with volume(folder / "0/data", SIZE) as made:
        made.path.chmod(0o777)
        yield made


def test_postgres(disk: Volume, folder: Path) -> None:
    cluster, inputs = CLUSTER, inputs_maker()(CLUSTER)
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    (folder / "plane").mkdir()
    with running(folder / "plane") as plane:
        plane.api.create("/api/v1/namespaces", {"metadata": {"name": cluster.namespace}})
        members = Members(plane, cluster, inputs, folder, url)
        [member] = members.members
        port = free_port()
        member.env |= {"CHAT_RESERVE_MB": "64", "CHAT_VOLUME_PORT": str(port)}
        try:
            members.start()
            _postgres_fills_and_grows(disk, members, port)
        except Exception as error:
            error.add_note(member.log[-6000:])
            raise
        finally:
            member.close()


def _postgres_fills_and_grows(disk: Volume, members: Members, port: int) -> None:
    [member] = members.members
    with Writer(members) as writer:

        def count() -> int:
            return member.ask(members.url, "SELECT count(*) FROM numbers")

        until((disk.path / ".reserve").exists, "a reserve to be made")
        server = member.administer("SELECT pg_postmaster_start_time()")
        disk.fill()
        until(lambda: "ReadOnlySqlTransaction" in writer.error, "writes to be refused for what is about to come")
        until(lambda: not (disk.path / ".reserve").exists(), "the reserve to be given up")
        until(lambda: told(port)["chat_volume_full"] == 1, "the volume to be told of as full")
        assert count() >= len(writer.acknowledged)
        assert member.administer("SELECT pg_postmaster_start_time()") == server, "it went on all the time"

        member.kill()
        member.spawn()
        until(lambda: member.ready, "it to start on what the reserve has left", 60)
        writer.error = ""
        until(lambda: "ReadOnlySqlTransaction" in writer.error, "writes to be refused after the start, too")
        assert count() >= len(writer.acknowledged)

        disk.fill()  # not a byte is left, of the reserve either
        member.kill()
        member.spawn()
        disk.grow(GROWN)
        until(lambda: member.ready, "it to start once it has room", 90)
        writer.goes_on()
        until(lambda: told(port)["chat_volume_full"] == 0, "the volume to be told of as one with room")
    writer.check()


@dataclass
class Numbers:
    """Somebody who writes one number after the other, and what was acknowledged."""

    write: Callable[[int], Awaitable[object]]
    refused: Callable[[Exception], bool]
    """Whether an error says that there is no room."""
    counter: Iterator[int] = field(default_factory=itertools.count)
    acknowledged: set[int] = field(default_factory=set[int])

    async def until_refused(self) -> None:
        """Write on until there is no room."""
        last: Exception | None = None
        try:
            async with asyncio.timeout(90):
                while True:
                    try:
                        await self._one()
                    except Exception as error:
                        last = error
                        if self.refused(error):
                            return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"writes were not refused for want of room, but: {last!r}") from None

    async def go_on(self) -> None:
        """Write on until that is acknowledged, three times."""
        wanted = len(self.acknowledged) + 3
        last: Exception | None = None
        try:
            async with asyncio.timeout(150):
                while len(self.acknowledged) < wanted:
                    try:
                        await self._one()
                    except Exception as error:
                        last = error
                        await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"nothing is written any more: {last!r}") from None

    async def _one(self) -> None:
        number = next(self.counter)
        await self.write(number)
        self.acknowledged.add(number)


async def fill_and_grow(
    disk: Volume, program: Program, numbers: Numbers, read: Callable[[], Awaitable[set[int]]], *, port: int
) -> None:
    """A store that has started goes through all of it. `port` is where its volume is told of."""
    try:
        await numbers.go_on()
        before = set(numbers.acknowledged)
        await asyncio.to_thread(disk.fill)
        await numbers.until_refused()
        assert await read() >= numbers.acknowledged
        await asyncio.to_thread(until, lambda: told(port)["chat_volume_full"] == 1, "the volume to be told of as full")

        program.kill()
        await asyncio.to_thread(program.start)
        await numbers.until_refused()
        assert await read() >= before

        disk.grow(GROWN)
        await numbers.go_on()
        assert await read() >= before | set(sorted(numbers.acknowledged)[-3:])
        await asyncio.to_thread(until, lambda: told(port)["chat_volume_full"] == 0, "the volume to have room")
    except Exception as error:
        error.add_note(program.log[-6000:])
        raise


@pytest.fixture
def inputs() -> Inputs:
    """What the operator makes a store's files from."""
    return replace(inputs_maker()(CLUSTER), credentials=generate(None, secrets.token_bytes))


def says_full(error: Exception) -> bool:
    """Whether services tell it as a store without room."""
    return store_away(error).code == "storage_full"


async def test_redis(disk: Volume, folder: Path, inputs: Inputs) -> None:
    """What it took in the last moment before is in its memory: it is written once there is room, and lost if it is
    killed before. Nothing that must survive is in Redis alone."""
    port, told_at = free_port(), free_port()
    made = redis_manifests.manifests(CLUSTER, inputs)
    [secret] = [item["data"] for item in made if item["kind"] == "Secret"]
    [config] = [item["data"]["redis.conf"] for item in made if item["kind"] == "ConfigMap"]
    for name, value in secret.items():
        (folder / name).write_bytes(base64.b64decode(value))
    for there, here in {
        "/run/secrets/chatcluster": folder,
        "/var/lib/chatcluster": disk.path,
        "port 6379": f"port {port}",
    }.items():
        config = config.replace(there, str(here))
    (folder / "redis.conf").write_text(config)
    env = store_env(Path(redis_server(folder)).parent) | {
        "CHAT_SECRETS_DIR": str(folder),
        "CHAT_VOLUME_PORT": str(told_at),
        "REDIS_PORT": str(port),
        "REDIS_DATA": str(disk.path),
        "REDIS_CONFIG": str(folder / "redis.conf"),
    }
    program = Program("redis", [str(STORES / "redis/entrypoint")], folder, lambda: accepts(port), env=env)
    program.start()
    try:
        password = inputs.credentials.redis_message_password
        async with Redis(port=port, username="message", password=password) as client:
            numbers = Numbers(lambda n: client.set(f"message:{n}", "x" * 1000), says_full)

            async def read() -> set[int]:
                return {int(key.rpartition(b":")[2]) async for key in client.scan_iter("message:*", count=1000)}

            await fill_and_grow(disk, program, numbers, read, port=told_at)
    finally:
        program.kill()


async def test_embedded_mongodb(disk: Volume, folder: Path) -> None:
    port, told_at = free_port(), free_port()
    (folder / "users.json").write_text(json.dumps({"chat": "password"}))
    env = store_env() | {
        "CHAT_SECRETS_DIR": str(folder),
        "CHAT_VOLUME_PORT": str(told_at),
        "CHAT_RESERVE_MB": "64",
        "CHAT_MONGODB_PORT": str(port),
        "CHAT_MONGODB_CACHE": "64M",
        "CHAT_MONGODB_DATA": str(disk.path / "mongodb"),
    }
    argv = [sys.executable, str(STORES / "mongodb-embedded/entrypoint.py")]
    program = Program("mongodb", argv, folder, lambda: accepts(port), env=env)
    program.start()
    try:
        url = f"mongodb://chat:password@127.0.0.1:{port}/?directConnection=true&retryWrites=false"
        async with AsyncMongoClient(url, serverSelectionTimeoutMS=10_000) as client:
            lines = client.chat.lines
            numbers = Numbers(lambda n: lines.insert_one({"_id": n, "text": "x" * 1000}), says_full)

            async def read() -> set[int]:
                return {line["_id"] async for line in lines.find({}, {"_id": 1})}

            await fill_and_grow(disk, program, numbers, read, port=told_at)
    finally:
        program.kill()


async def test_object_store(disk: Volume, folder: Path) -> None:
    ports = {name: _port_pair() for name in ("S3", "MASTER", "STORAGE", "FILER")}
    told_at = free_port()
    identity = {
        "name": "file",
        "credentials": [{"accessKey": "file", "secretKey": "object-store-password"}],
        "actions": [f"{action}:{stores.BUCKET}" for action in ("Read", "Write", "List", "Tagging")],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    env = (
        store_env(Path(find_program("weed", str(Path(sys.executable).parent))).parent)
        | {f"CHAT_{name}_PORT": str(port) for name, port in ports.items()}
        | {
            "CHAT_BUCKET": stores.BUCKET,
            "CHAT_SECRETS_DIR": str(folder),
            "CHAT_DATA_DIR": str(disk.path),
            "CHAT_VOLUME_PORT": str(told_at),
            "CHAT_VOLUME_SIZE_MB": "64",
            "CHAT_RESERVE_MB": "16",
            "TMPDIR": str(folder),
        }
    )
    program = Program(
        "weed",
        [str(STORES / "seaweedfs/entrypoint")],
        folder,
        lambda: (folder / "bucket-ready").exists() and accepts(ports["S3"]),
        env=env,
        timeout=150,
    )
    http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=10), retries=False)
    address = f"127.0.0.1:{ports['S3']}"
    client = Minio(address, "file", "object-store-password", secure=False, region=stores.REGION, http_client=http)

    def put(number: int) -> None:
        client.put_object(stores.BUCKET, str(number), io.BytesIO(secrets.token_bytes(FILE)), FILE)

    def get() -> set[int]:
        found = {str(item.object_name) for item in client.list_objects(stores.BUCKET)}
        for name in sorted(found)[:: max(1, len(found) // 20)]:
            answer = client.get_object(stores.BUCKET, name)
            assert len(answer.read()) == FILE
            answer.release_conn()
        return {int(name) for name in found}

    program.start()
    try:
        numbers = Numbers(lambda n: asyncio.to_thread(put, n), lambda error: isinstance(error, MinioException))
        await fill_and_grow(disk, program, numbers, lambda: asyncio.to_thread(get), port=told_at)
    finally:
        program.kill()


async def test_kafka(inputs: Inputs) -> None:
    """It ends when it cannot write, and nobody waits for it: what is to be told waits in the message store."""
    made = kafka_manifests.manifests(CLUSTER, inputs)
    [config] = [item["data"] for item in made if item["kind"] == "ConfigMap"]
    [secret] = [item["data"] for item in made if item["kind"] == "Secret"]
    users = base64.b64decode(secret["users.properties"]).decode()
    password = stores.access(CLUSTER, inputs, "kafka", "message").secrets["chat_kafka_password"]
    with kafka_cluster(config, users, password) as cluster:
        cluster.wish(topics={MESSAGES_TOPIC: 1})
        node = cluster.program(0)
        with volume(cluster.data(0), SIZE) as disk:
            # What the image's entry does around the node itself.
            entry = 'volume keep & volume await && exec "$@"'
            node.argv = ["bash", "-c", entry, "entry", *node.argv]
            node.env = {**node.env, **store_env(), "CHAT_DATA_DIR": str(disk.path), "CHAT_RESERVE_MB": "0"}
            try:
                await asyncio.to_thread(cluster.start, 0)
                await _kafka_fills_and_grows(disk, cluster)
            finally:
                node.kill()


async def _kafka_fills_and_grows(disk: Volume, cluster: KafkaCluster) -> None:
    settings = KafkaSettings.model_construct(
        kafka_bootstrap=cluster.bootstrap.partition(",")[0],
        kafka_username="message",
        kafka_password=SecretStr(cluster.password),
    )
    node = cluster.nodes[0]
    producer = AIOKafkaProducer(**connection(settings), acks="all")
    await producer.start()
    try:
        text = secrets.token_bytes(200_000)
        numbers = Numbers(lambda n: producer.send_and_wait(MESSAGES_TOPIC, text, key=str(n).encode()), lambda _: True)
        await numbers.go_on()
        await asyncio.to_thread(disk.fill)
        await numbers.until_refused()
        if not node.running:
            node.kill()
            node.spawn()
            await asyncio.to_thread(until, lambda: "has to grow before" in node.log, "it to wait for room")
        disk.grow(GROWN)
        await asyncio.to_thread(cluster.until_ready, 0)
        await numbers.go_on()
        assert {int(key) for key in await _keys(settings, len(numbers.acknowledged))} >= numbers.acknowledged
    except Exception as error:
        error.add_note(cluster.report()[-6000:])
        raise
    finally:
        await producer.stop()


async def _keys(settings: KafkaSettings, least: int) -> set[bytes]:
    """Keys of everything that is there, so many at the least."""
    consumer = AIOKafkaConsumer(MESSAGES_TOPIC, **connection(settings), auto_offset_reset="earliest")
    await consumer.start()
    found: set[bytes] = set()
    try:
        async with asyncio.timeout(60):
            while len(found) < least:
                found.add((await consumer.getone()).key or b"")
    finally:
        await consumer.stop()
    return found


def _port_pair() -> int:
    """A port that is free, as is the one 10000 above it, where SeaweedFS has its gRPC."""
    while (port := free_port()) > 50_000:
        pass
    return port
