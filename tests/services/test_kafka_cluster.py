"""Kafka with several members: real nodes, started by the image's own program from the operator's own files.

The first tests share a cluster of three, the later ones one that grows from one to four and shrinks to three.
"""

import asyncio
import base64
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import pytest
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from chatcluster_common.events import MESSAGES_TOPIC, EventProducer, EventsUnavailableError, KafkaSettings, connection
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import generate, kafka, stores
from chatcluster_testing.kafka_cluster import KafkaCluster, kafka_cluster
from chatcluster_testing.specs import body, inputs_maker

PARTITIONS = 6


@contextlib.contextmanager
def new_cluster(members: int) -> Iterator[KafkaCluster]:
    chat = ChatCluster.from_body(body({"version": "1.0", "kafka": {"members": members}}))
    inputs = replace(inputs_maker()(chat), credentials=generate(None, secrets.token_bytes))
    made = kafka.manifests(chat, inputs)
    [config] = [item["data"] for item in made if item["kind"] == "ConfigMap"]
    [secret] = [item["data"] for item in made if item["kind"] == "Secret"]
    users = base64.b64decode(secret["users.properties"]).decode()
    password = stores.access(chat, inputs, "kafka", "message").secrets["chat_kafka_password"]
    with kafka_cluster(config, users, password) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def three() -> Iterator[KafkaCluster]:
    """Three nodes that were started at the same time, with nothing on their disks."""
    with new_cluster(3) as cluster:
        cluster.wish(topics={MESSAGES_TOPIC: PARTITIONS})
        cluster.start(0, 1, 2)
        yield cluster


@pytest.fixture(scope="module")
def growing() -> Iterator[KafkaCluster]:
    """One node."""
    with new_cluster(1) as cluster:
        cluster.wish(topics={MESSAGES_TOPIC: PARTITIONS})
        cluster.start(0)
        yield cluster


def settings(cluster: KafkaCluster) -> KafkaSettings:
    return KafkaSettings.model_construct(
        kafka_bootstrap=cluster.bootstrap, kafka_username="message", kafka_password=SecretStr(cluster.password)
    )


@dataclass
class Talk:
    """Events that a service publishes all the time, as its outbox does: each again until it is acknowledged."""

    cluster: KafkaCluster
    acknowledged: set[bytes] = field(default_factory=set[bytes])

    async def publish(self, over: asyncio.Event) -> None:
        copies = self.cluster.wished["replication"]
        producer = EventProducer(settings(self.cluster), [MESSAGES_TOPIC], partitions=PARTITIONS, replication=copies)
        async with producer:
            while not over.is_set():
                value = secrets.token_hex(8).encode()
                with contextlib.suppress(EventsUnavailableError):
                    await producer.publish(MESSAGES_TOPIC, key=value.decode(), value=value)
                    self.acknowledged.add(value)
                await asyncio.sleep(0.02)

    async def more(self, count: int = 5) -> None:
        """Wait until further events were acknowledged: writes are taken."""
        wanted = len(self.acknowledged) + count
        try:
            async with asyncio.timeout(150):
                while len(self.acknowledged) < wanted:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"nothing is taken any more\n{self.cluster.report()}") from None

    async def all_read(self) -> bool:
        """Whether a consumer that begins at the beginning gets everything that was acknowledged."""
        consumer = AIOKafkaConsumer(MESSAGES_TOPIC, **connection(settings(self.cluster)), auto_offset_reset="earliest")
        await consumer.start()
        missing = set(self.acknowledged)
        try:
            async with asyncio.timeout(120):
                while missing:
                    for records in (await consumer.getmany(timeout_ms=1000)).values():
                        missing -= {record.value for record in records}
        except TimeoutError:
            return False
        finally:
            await consumer.stop()
        return True


@contextlib.asynccontextmanager
async def talking(cluster: KafkaCluster) -> AsyncIterator[Talk]:
    """Events are published meanwhile; afterwards all that were acknowledged must be there."""
    over, talk = asyncio.Event(), Talk(cluster)
    async with asyncio.TaskGroup() as group:
        group.create_task(talk.publish(over))
        await talk.more()
        yield talk
        await talk.more()
        over.set()
    assert await talk.all_read(), "something that was acknowledged is gone"


def view(cluster: KafkaCluster, node: int = 0) -> dict:
    return cluster.state(node).get("view", {})


def holds(cluster: KafkaCluster) -> dict[int, int]:
    """Copies by broker."""
    return {broker["id"]: broker["holds"] for broker in view(cluster).get("brokers", [])}


def in_step(cluster: KafkaCluster, partitions: int = PARTITIONS, node: int = 0) -> bool:
    seen = view(cluster, node)
    held = sum(broker["holds"] for broker in seen.get("brokers", []))
    return bool(seen) and not seen["behindCount"] and not seen["reassigning"] and held >= 3 * partitions


async def test_started_at_once_three_nodes_are_one_cluster(three: KafkaCluster) -> None:
    await asyncio.to_thread(three.until, lambda: in_step(three), "the topic with all its copies")
    states = [three.state(node) for node in range(3)]
    assert {tuple(state["view"]["voters"]) for state in states} == {(0, 1, 2)}
    assert len({state["view"]["leader"] for state in states}) == 1
    assert {broker["leads"] for broker in states[0]["view"]["brokers"]} == {PARTITIONS // 3}, "spread evenly"
    async with talking(three):
        pass


async def test_a_killed_broker_takes_nothing_with_it(three: KafkaCluster) -> None:
    active = view(three)["leader"]
    async with talking(three) as talk:
        three.nodes[active].kill()
        await talk.more(20)
        left = next(node for node in range(3) if node != active)
        await asyncio.to_thread(three.until, lambda: view(three, left)["behindCount"] > 0, "its copies to be missed")
        assert three.state(left)["ready"], "the absence of one is no fault of another"
        await asyncio.to_thread(three.start, active)
    assert in_step(three, node=active)


async def test_brokers_are_restarted_one_after_the_other_while_all_goes_on(three: KafkaCluster) -> None:
    async with talking(three) as talk:
        for node in (2, 1, 0):
            await asyncio.to_thread(three.stop, node)
            await talk.more()
            await asyncio.to_thread(three.start, node)
            assert in_step(three, node=node), "ready means that the next may be taken"


async def test_a_broker_waits_to_stop_while_another_is_away(three: KafkaCluster) -> None:
    three.nodes[2].kill()
    await asyncio.to_thread(three.until, lambda: view(three, 1)["behindCount"] > 0, "its copies to be missed")
    began = time.monotonic()
    waiting = asyncio.create_task(asyncio.to_thread(three.may_stop, 1))
    await asyncio.to_thread(three.lose_disk, 2)
    three.spawn(2)
    await waiting
    # The wait ends after a minute in any case.
    assert in_step(three, node=1) or time.monotonic() - began >= 60
    await asyncio.to_thread(three.until_ready, 2)


async def test_a_member_with_an_empty_disk_joins_as_a_new_voter(three: KafkaCluster) -> None:
    await asyncio.to_thread(three.until, lambda: view(three)["voters"] == [0, 1, 2], "it to vote again")
    await asyncio.to_thread(three.until, lambda: in_step(three), "everything to be copied")
    said = " ".join(program.log for program in three.nodes.values())
    assert "node 2 came back with another disk: its vote as it was is taken out" in said
    async with talking(three):
        pass


async def test_one_becomes_three_without_a_restart(growing: KafkaCluster) -> None:
    first = growing.nodes[0].pid
    async with talking(growing) as talk:
        growing.wish(members=3)
        await asyncio.to_thread(growing.start, 1, 2)
        await talk.more()
    assert view(growing)["voters"] == [0, 1, 2]
    assert in_step(growing, node=2), "ready means that there are three copies"
    assert growing.nodes[0].pid == first
    limits = f"a write to {MESSAGES_TOPIC} needs 2 copies, before 1"
    await asyncio.to_thread(
        growing.until, lambda: any(limits in node.log for node in growing.nodes.values()), "writes to need two copies"
    )


async def test_a_fourth_takes_its_share_and_gives_it_back(growing: KafkaCluster) -> None:
    async with talking(growing) as talk:
        growing.wish(members=4, topics={MESSAGES_TOPIC: PARTITIONS + 2})
        await asyncio.to_thread(growing.start, 3)
        await asyncio.to_thread(
            growing.until,
            lambda: (
                in_step(growing, PARTITIONS + 2) and max(holds(growing).values()) - min(holds(growing).values()) <= 1
            ),
            "copies to be spread over four",
        )
        assert view(growing)["voters"] == [0, 1, 2], "three are enough"
        growing.wish(members=3)
        await asyncio.to_thread(
            growing.until,
            lambda: holds(growing).get(3) == 0 and in_step(growing, PARTITIONS + 2),
            "the fourth to hold nothing",
        )
        await asyncio.to_thread(growing.stop, 3)
        await asyncio.to_thread(growing.until, lambda: 3 not in holds(growing), "the fourth to be forgotten")
        await talk.more()


async def test_fewer_than_vote_are_not_wished_for_in_earnest(growing: KafkaCluster) -> None:
    before = holds(growing)
    growing.wish(members=1, topics={"another": 1})
    await asyncio.to_thread(
        growing.until, lambda: sum(holds(growing).values()) > sum(before.values()), "the wish to be heard"
    )
    assert all(holds(growing)[broker] >= held for broker, held in before.items())
    assert view(growing)["voters"] == [0, 1, 2]
