"""The message store goes, hangs or loses an answer under sends: each is stored once, or to be sent again."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from chatcluster_testing.cable import Cable, running_cable
from chatcluster_testing.delivery import check, settle
from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.people import Person, Refused
from chatcluster_testing.process import answers, free_port
from chatcluster_testing.redis import Redis
from chatcluster_testing.replicas import Replicas, running_replicas
from chatcluster_testing.tokens import TokenAuthority

SENDS = 20


@pytest.fixture(scope="module")
def cable(mongodb: MongoDB) -> Iterator[Cable]:
    """The way to the message store."""
    with running_cable(mongodb.port) as whole:
        yield whole


@pytest.fixture(scope="module")
def replicas(
    cable: Cable, mongodb: MongoDB, redis: Redis, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """The service on that way. Kafka is away throughout: it has no part in a send."""
    env = {
        "CHAT_MONGODB_URL": f"mongodb://127.0.0.1:{cable.port}/?directConnection=true&retryWrites=false",
        "CHAT_MONGODB_DATABASE": "failover",
        "CHAT_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        "CHAT_STORE_GRACE_SECONDS": "600",  # nobody asks them how they are between the start and the fault
    }
    with running_replicas(mongodb, redis, tokens, tmp_path_factory.mktemp("failover"), env) as running:
        yield running


@pytest.fixture
async def pair(replicas: Replicas, cable: Cable) -> AsyncIterator[tuple[Person, Person, str]]:
    """Two people and their conversation; the cable is whole again afterwards."""
    async with replicas.people(replicas.one.url, replicas.two.url) as (ann, bob):
        room = await ann.conversation(bob)
        yield ann, bob, room
        cable.mend()


async def kept(room: str, people: list[Person], sent: int) -> None:
    """All that was sent is there once, and everybody has it."""
    await settle(room, people)
    verdict = await check(room, people)
    assert verdict.problems == []
    assert verdict.stored == verdict.acknowledged == sent


async def test_a_store_that_is_replaced_under_sends(pair: tuple[Person, Person, str], cable: Cable) -> None:
    ann, bob, room = pair
    device = await ann.device()
    await bob.device()
    sending = asyncio.gather(*(device.send(room, f"m{n}") for n in range(SENDS)))
    for _ in range(3):
        await asyncio.sleep(0.02)
        cable.reset()
    await sending
    await kept(room, [ann, bob], SENDS)


async def test_a_send_waits_for_a_store_that_is_away_for_a_moment(
    pair: tuple[Person, Person, str], cable: Cable
) -> None:
    ann, _, room = pair
    cable.cut()
    sending = asyncio.create_task(ann.rest("POST", f"/conversations/{room}/messages", json=message("patient")))
    await asyncio.sleep(0.3)  # the first attempt is refused meanwhile
    cable.mend()
    assert (await sending)["seq"] == 1


async def test_a_store_that_hangs_is_a_problem_that_says_when_to_send_again(
    pair: tuple[Person, Person, str], cable: Cable, replicas: Replicas
) -> None:
    ann, bob, room = pair
    await ann.rest("POST", f"/conversations/{room}/messages", json=message("before"))
    cable.hang()
    async with asyncio.timeout(30):  # the service gives up well before; the machine may be busy
        with pytest.raises(Refused) as refused:
            await ann.rest("POST", f"/conversations/{room}/messages", json=message("hangs"))
    assert (refused.value.problem["status"], refused.value.problem["code"]) == (503, "unavailable")
    assert refused.value.problem["retry_after_ms"] > 0
    assert all(answers(f"{replica.url}/readyz") for replica in (replicas.one, replicas.two)), "none leaves its Service"
    cable.reset()
    cable.mend()
    async with asyncio.timeout(30):
        while True:
            try:
                again = await ann.rest("POST", f"/conversations/{room}/messages", json=message("hangs"))
                break
            except Refused:
                await asyncio.sleep(0.1)
    assert again["seq"] == 2
    assert len(await bob.history(room)) == 2


async def test_an_answer_that_was_lost_stores_nothing_twice(pair: tuple[Person, Person, str], cable: Cable) -> None:
    ann, bob, room = pair
    cable.lost_after = b"the answer to this is lost"
    sending = asyncio.create_task(
        ann.rest("POST", f"/conversations/{room}/messages", json=message("the answer to this is lost"))
    )
    await asyncio.sleep(0.5)
    cable.mend()
    cable.reset()
    stored = await sending
    assert [m["id"] for m in await bob.history(room)] == [stored["id"]]


def message(body: str) -> dict[str, str]:
    """A send whose `client_id` is that of its text."""
    return {"client_id": body.replace(" ", "-"), "body": body}
