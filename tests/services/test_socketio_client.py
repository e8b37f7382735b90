"""The official Socket.IO client for JavaScript against the message service, over each transport and between them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcluster_testing import node
from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.process import find_program
from chatcluster_testing.redis import Redis
from chatcluster_testing.replicas import Replicas, running_replicas
from chatcluster_testing.tokens import TokenAuthority

COUNT = 30


@pytest.fixture(scope="module")
def client() -> Path:
    """The client's folder, its packages installed."""
    return node.install(Path(__file__).parent / "socketio")


@pytest.fixture(scope="module")
def message(
    mongodb: MongoDB, redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """The service; Kafka is away, which it bears."""
    env = {"CHAT_MONGODB_DATABASE": "socketio", "CHAT_KAFKA_BOOTSTRAP": "127.0.0.1:9"}
    with running_replicas(mongodb, redis, tokens, tmp_path_factory.mktemp("socketio"), env) as replicas:
        yield replicas


async def run(client: Path, **options: Any) -> dict[str, Any]:
    """What one run of the client saw."""
    process = await asyncio.create_subprocess_exec(
        find_program("node"), "client.js", json.dumps(options), cwd=client, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return json.loads(output)


@pytest.mark.parametrize(
    ("transports", "ends_with"),
    [(["websocket"], "websocket"), (["polling"], "polling"), (["polling", "websocket"], "websocket")],
)
async def test_messages_are_acknowledged_and_arrive_in_order(
    message: Replicas, client: Path, transports: list[str], ends_with: str
) -> None:
    async with message.people(message.one.url, message.two.url) as (ann, bob):
        report = await run(
            client,
            url=ann.edge,
            token=await ann.token(),
            conversation=await ann.conversation(bob, kind="group", name="x"),
            transports=transports,
            count=COUNT,
            text="ü 🙂 " + "long " * 500,
        )
    assert report["transport"] == ends_with
    assert report["seqs"] == list(range(1, COUNT + 1))
    assert [int(body.split()[0]) for body in report["heard"]] == list(range(COUNT))
    assert all("🙂 long" in body for body in report["heard"])


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_bad_token_is_refused_with_its_code(message: Replicas, client: Path, transport: str) -> None:
    report = await run(
        client, url=message.one.url, token="nonsense", conversation="", transports=[transport], count=1, text=""
    )
    assert report["refused"]["code"] == "unauthorized"
