"""Each store takes up other passwords while it runs, from the very files that the operator writes, by its own scripts.

Three credentials, one after the other: those of before, both, those of after. While both are good a client of each gets
in, at no moment does an open one fail, and afterwards the old password is refused.
"""

import asyncio
import base64
import contextlib
import os
import secrets
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from minio import Minio
from minio.error import S3Error
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from chatcluster_common.events import KafkaSettings, connection, ensure_topics, kafka_not_refused
from chatcluster_operator.api import ChatCluster, RotationKind
from chatcluster_operator.desired import Inputs, generate, kafka, mongodb, objects, postgres, redis, stores
from chatcluster_operator.desired.types import Turns
from chatcluster_testing.kafka import running_kafka
from chatcluster_testing.postgres import running_postgres
from chatcluster_testing.process import Program, accepts, find_program, free_port, store_env
from chatcluster_testing.redis import redis_server
from chatcluster_testing.specs import MINIMAL, body, inputs_maker
from chatcluster_testing.waiting import until

STORES = Path(__file__).parents[2] / "stores"
CLUSTER = ChatCluster.from_body(body(MINIMAL))

Works = Callable[[], Awaitable[object]]


@dataclass
class Secrets:
    """A store's mounted Secret, as the operator writes it and the kubelet brings it."""

    folder: Path
    make: Callable[[ChatCluster, Inputs], list[dict[str, Any]]]
    inputs: Inputs

    def bring(self, inputs: Inputs) -> None:
        [found] = [item for item in self.make(CLUSTER, inputs) if item["kind"] == "Secret"]
        for name, value in found["data"].items():
            part = self.folder / f".{name}"
            part.write_bytes(base64.b64decode(value))
            part.replace(self.folder / name)

    def config(self) -> dict[str, str]:
        """The store's ConfigMap."""
        [found] = [item for item in self.make(CLUSTER, self.inputs) if item["kind"] == "ConfigMap"]
        return found["data"]

    @property
    def both(self) -> Inputs:
        return replace(self.inputs, credentials=self.rotating)

    @property
    def after(self) -> Inputs:
        return replace(self.inputs, credentials=self.rotating.completed)

    def __post_init__(self) -> None:
        self.rotating = self.inputs.credentials.begin(RotationKind.PASSWORDS, secrets.token_bytes)
        self.bring(self.inputs)

    def access(self, store: str, service: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """What a service is told to get in: before, and in its turn."""
        turned = replace(self.both, turns=Turns(using=frozenset({service})))
        return (
            stores.access(CLUSTER, self.inputs, store, service).secrets,
            stores.access(CLUSTER, turned, store, service).secrets,
        )


@pytest.fixture
def mounted(tmp_path: Path) -> Callable[[Any], Secrets]:
    """Makes the Secret of a store, given the module of its manifests."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    inputs = replace(inputs_maker()(CLUSTER), credentials=generate(None, secrets.token_bytes))
    return lambda module: Secrets(folder, module.manifests, inputs)


@contextlib.asynccontextmanager
async def unbroken(works: Works) -> AsyncIterator[None]:
    """Somebody uses the store all the time meanwhile; any error of theirs is the test's."""
    over = asyncio.Event()

    async def use() -> None:
        while not over.is_set():
            await works()
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        group.create_task(use())
        yield
        over.set()


async def rotate(found: Secrets, lets_in: Callable[[int], Awaitable[bool]], old: Works, new: Callable[[], Any]) -> None:
    """Through all three. `lets_in` says whether the old (0) or new (1) password is good, `old` uses a client that was
    opened with the old one, `new` opens one with the new one and gives its use."""
    assert [await lets_in(0), await lets_in(1)] == [True, False]
    async with unbroken(old):
        found.bring(found.both)
        await until(lambda: lets_in(1), "the new password to be good")
        assert await lets_in(0), "both are"
        use = await new()
        await use()
    async with unbroken(use):
        found.bring(found.after)

        async def refused() -> bool:
            return not await lets_in(0)

        await until(refused, "the old password to be refused")
        assert await lets_in(1)


def at(url: str, port: int) -> str:
    """A URL that the operator made, of the store where the test runs it."""
    return url.replace(urlsplit(url.replace("+asyncpg", "")).netloc.partition("@")[2], f"127.0.0.1:{port}")


async def test_redis(mounted: Any, tmp_path: Path) -> None:
    found, port = mounted(redis), free_port()
    config = found.config()["redis.conf"].replace("/run/secrets/chatcluster", str(found.folder))
    config = config.replace("/var/lib/chatcluster", str(tmp_path)).replace("port 6379", f"port {port}")
    (tmp_path / "redis.conf").write_text(config.replace("bind 0.0.0.0", "bind 127.0.0.1"))
    env = {
        "CHAT_SECRETS_DIR": str(found.folder),
        "REDIS_PORT": str(port),
        "REDIS_CONFIG": str(tmp_path / "redis.conf"),
        **store_env(Path(redis_server(tmp_path)).parent),
    }
    program = Program("redis", [str(STORES / "redis/entrypoint")], tmp_path, lambda: accepts(port), env=env)
    urls = [at(told["chat_redis_url"], port) for told in found.access("redis", "user")]

    async def lets_in(which: int) -> bool:
        async with Redis.from_url(urls[which]) as client:
            try:
                return await client.ping()
            except AuthenticationError:
                return False

    with ended(program.start()):
        async with Redis.from_url(urls[0]) as old, Redis.from_url(urls[1]) as new:
            subscription = old.pubsub()
            await subscription.subscribe("user:news")

            async def use() -> Works:
                return lambda: new.set("user:x", 1)

            await rotate(found, lets_in, lambda: old.set("user:x", 1), use)
            await new.publish("user:news", "still here")
            heard: list[Any] = []

            async def hears() -> bool:
                heard.append(await subscription.get_message(timeout=1))
                return any(item and item["data"] == b"still here" for item in heard)

            await until(hears, "what is told to somebody who was connected all the time")
            await subscription.aclose()


@contextlib.contextmanager
def leading() -> Iterator[str]:
    """The port of somebody who says what Patroni says where it leads."""

    class Patroni(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None: ...  # noqa: A002 its name in the base class

    with ThreadingHTTPServer(("127.0.0.1", 0), Patroni) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


async def test_postgres(mounted: Any, tmp_path: Path) -> None:
    found = mounted(postgres)
    with running_postgres() as server, leading() as patroni_port:
        for role in ("postgres SUPERUSER", "replicator REPLICATION"):
            server.execute(f"CREATE ROLE {role} LOGIN")
        rules = "host all postgres,chat_tests 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        await asyncio.to_thread(Path(server.execute("SHOW hba_file")).write_text, rules)
        server.execute("SELECT pg_reload_conf()")
        # In place of Patroni, something that says when it is told to read its configuration again.
        patroni = 'trap "echo told to read again" HUP; /usr/bin/python3 "$0" watch $$ & until wait; do :; done'
        local = f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"
        env = {"CHAT_SECRETS_DIR": str(found.folder), "CHAT_POSTGRES_LOCAL": local, "CHAT_PATRONI_PORT": patroni_port}
        argv = ["bash", "-c", patroni, str(STORES / "postgres/roles.py")]
        program = Program("roles", argv, tmp_path, lambda: "as the files say" in program.log, env=env)
        urls = [at(told["chat_database_url"], server.port) for told in found.access("postgres", "user")]
        before, turned = (url.replace("+asyncpg", "") for url in urls)

        async def lets_in(which: int) -> bool:
            try:
                await (await asyncpg.connect((before, turned)[which])).close()
            except asyncpg.InvalidAuthorizationSpecificationError:
                return False
            return True

        def verifiers() -> str:
            return server.execute("SELECT rolpassword FROM pg_authid WHERE rolname IN ('postgres', 'replicator')")

        with ended(program.start()):
            own = verifiers()
            pool = await asyncpg.create_pool(before, min_size=2, max_size=2)
            await pool.execute("CREATE TABLE lines (text text)")
            opened: list[Any] = []

            async def use() -> Works:
                opened.append(await asyncpg.create_pool(turned, min_size=2, max_size=2))
                await opened[0].execute("CREATE TABLE more (text text)")
                return lambda: opened[0].execute("INSERT INTO lines VALUES ('x')")

            try:
                await rotate(found, lets_in, lambda: pool.execute("INSERT INTO lines VALUES ('x')"), use)
                owners = await opened[0].fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
                assert [row["tableowner"] for row in owners] == ["chat_user"], "whoever made it"
                with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                    await pool.execute("INSERT INTO lines VALUES ('x')")
            finally:
                pool.terminate()
                [other.terminate() for other in opened]
            await until(lambda: told(program, "told to read again"), "Patroni to be told of its new passwords")
            assert not set(verifiers().split()) & set(own.split())


async def test_kafka(mounted: Any) -> None:
    found = mounted(kafka)
    lines = dict(line.split("=", 1) for line in found.config()["server.properties"].splitlines())
    sign_in = {k: v for k, v in lines.items() if k.startswith(("listener.name.", "sasl.", "listener.security."))}
    passwords = [told["chat_kafka_password"] for told in found.access("kafka", "message")]
    users = f"-Dchatcluster.users={found.folder / 'users.properties'}"
    with running_kafka(sign_in, [users]) as server:
        settings = [
            KafkaSettings.model_construct(
                kafka_bootstrap=f"127.0.0.1:{server.port}", kafka_username="message", kafka_password=SecretStr(password)
            )
            for password in passwords
        ]

        async def lets_in(which: int) -> bool:
            # The same question that a service's readiness asks.
            try:
                await kafka_not_refused(settings[which])()
            except Exception:
                return False
            return True

        await ensure_topics(settings[0], ["news"], partitions=1, replication=1)
        old = AIOKafkaProducer(**connection(settings[0]), acks="all", enable_idempotence=True)
        new = AIOKafkaProducer(**connection(settings[1]), acks="all", enable_idempotence=True)
        consumer = AIOKafkaConsumer("news", **connection(settings[0]), auto_offset_reset="earliest")
        await old.start()
        await consumer.start()
        try:

            async def use() -> Works:
                await new.start()
                return lambda: new.send_and_wait("news", b"x")

            await rotate(found, lets_in, lambda: old.send_and_wait("news", b"x"), use)
            last = await old.send_and_wait("news", b"still here")
            async for record in consumer:
                if record.offset == last.offset:
                    break
        finally:
            for client in (old, new, consumer):
                await client.stop()


async def test_object_store(mounted: Any, tmp_path: Path) -> None:
    found = mounted(objects)
    named = dict(zip(("S3", "MASTER", "STORAGE", "FILER"), free_port_pairs(4), strict=True))
    (tmp_path / "data").mkdir()
    weed = find_program("weed", str(Path(sys.executable).parent))
    env = {f"CHAT_{name}_PORT": str(port) for name, port in named.items()} | {
        "CHAT_BUCKET": stores.BUCKET,
        "CHAT_SECRETS_DIR": str(found.folder),
        "CHAT_DATA_DIR": str(tmp_path / "data"),
        "CHAT_VOLUME_SIZE_MB": "64",
        "TMPDIR": str(tmp_path),
        **store_env(Path(weed).parent),
    }
    program = Program(
        "weed", [str(STORES / "seaweedfs/entrypoint")], tmp_path, (tmp_path / "bucket-ready").exists, env=env
    )
    clients = [
        Minio(
            f"127.0.0.1:{named['S3']}",
            told["chat_s3_access_key"],
            told["chat_s3_secret_key"],
            secure=False,
            region=stores.REGION,
        )
        for told in found.access("objects", "file")
    ]

    async def lists(which: int) -> int:
        return len(await asyncio.to_thread(lambda: list(clients[which].list_objects(stores.BUCKET))))

    async def lets_in(which: int) -> bool:
        try:
            return await lists(which) >= 0
        except S3Error:
            return False

    with ended(program.start()):
        await until(lambda: lets_in(0), "the first answer")

        async def use() -> Works:
            return lambda: lists(1)

        await rotate(found, lets_in, lambda: lists(0), use)


async def test_embedded_mongodb(mounted: Any, tmp_path: Path) -> None:
    found, port = mounted(mongodb), free_port()
    env = {
        "CHAT_MONGODB_PORT": str(port),
        "CHAT_MONGODB_CACHE": "64M",
        "CHAT_MONGODB_DATA": str(tmp_path / "data"),
        "CHAT_SECRETS_DIR": str(found.folder),
        **store_env(),
    }
    argv = [sys.executable, str(STORES / "mongodb-embedded/entrypoint.py")]
    program = Program("mongodb", argv, tmp_path, lambda: accepts(port), env=env)
    urls = [at(told["chat_mongodb_url"], port) for told in found.access("mongodb", "message")]

    async def lets_in(which: int) -> bool:
        async with AsyncMongoClient(urls[which], serverSelectionTimeoutMS=10_000) as client:
            try:
                await client.chat.lines.find_one()
            except OperationFailure:
                return False
            return True

    with ended(program.start()):
        async with AsyncMongoClient(urls[0]) as old, AsyncMongoClient(urls[1]) as new:

            async def use() -> Works:
                return lambda: new.chat.lines.insert_one({})

            await rotate(found, lets_in, lambda: old.chat.lines.insert_one({}), use)


@contextlib.contextmanager
def ended(program: Program) -> Any:
    """With its children, at the end. Its log stays in the test's folder."""
    try:
        yield
    finally:
        program.kill()


async def told(program: Program, words: str) -> bool:
    return words in program.log


def free_port_pairs(count: int) -> list[int]:
    """Ports that are free, and so is the one 10000 above, where SeaweedFS has its gRPC."""
    found: list[int] = []
    for port in range(20_000 + os.getpid() % 5_000, 30_000, 7):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            found.append(port)
        if len(found) == count:
            break
    return found
