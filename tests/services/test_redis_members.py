"""Redis with three members, a Sentinel each, as processes: the role moves, what was acknowledged stays, and services go
on by themselves.

The members are used all the time by a service's client; each test ends with all of them well again.
"""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chatcluster_common import redis_client, tasks
from chatcluster_common.realtime import Channels, Frame, Publisher
from chatcluster_common.realtime.channels import ChannelsUnavailableError
from chatcluster_common.redis_client import NotMasterError, execute_copied
from chatcluster_operator.act.stores import redis as acting
from chatcluster_operator.api import MemberState, RotationKind
from chatcluster_operator.decide.members import Contact, Reach, Switchover
from chatcluster_operator.desired import stores
from chatcluster_operator.observe.stores import redis as observing
from chatcluster_testing.redis_members import Member, Members, redis_members
from chatcluster_testing.waiting import until

pytestmark = pytest.mark.timeout(300)

LOG, NEWS = "message:log", "message:news"
FAILOVER_SECONDS = 90.0


@pytest.fixture(scope="module")
def members() -> Iterator[Members]:
    """All started at once, none with data."""
    with redis_members() as found:
        found.start()
        yield found


@dataclass
class Use:
    """What a service does all the time."""

    redis: Redis
    acknowledged: list[int] = field(default_factory=list[int])
    heard: set[bytes] = field(default_factory=set[bytes])
    number: Callable[[], int] = field(default_factory=lambda: itertools.count().__next__)

    async def write(self) -> None:
        """One entry after the other, each with a number of its own."""
        while True:
            number = self.number()
            pipeline = self.redis.pipeline(transaction=False)
            pipeline.rpush(LOG, number)
            try:
                await execute_copied(pipeline)
                self.acknowledged.append(number)
            except (RedisError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.02)

    async def goes_on(self, publisher: Publisher) -> None:
        """Return once something more is acknowledged, and something told is heard."""
        before = len(self.acknowledged)

        async def served() -> bool:
            frame = Frame("news", b"%d" % self.number())
            try:
                await publisher.publish(NEWS, frame)
            except ChannelsUnavailableError:
                return False
            await asyncio.sleep(0.1)
            return frame.body in self.heard and len(self.acknowledged) > before

        await until(served, "writes to be taken, and news to be heard", FAILOVER_SECONDS)


@asynccontextmanager
async def in_use(members: Members) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Somebody uses them meanwhile; gives what waits until that goes on. At the end all members are well, and whatever
    was acknowledged is there, once."""
    async with redis_client.connect(SecretStr(members.url("message"))) as redis:
        await redis.delete(LOG)
        use = Use(redis)
        async with used(use) as goes_on:
            yield goes_on
        await asyncio.to_thread(members.wait_well)
        kept = [int(raw) for raw in await redis.lrange(LOG, 0, -1)]
    assert set(use.acknowledged) <= set(kept), "acknowledged and lost"
    assert len(kept) == len(set(kept)), "written twice, although nobody repeats anything"


@asynccontextmanager
async def used(use: Use) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    async def on_resubscribed() -> None:
        """What was missed is of no interest here."""

    def on_frame(_channel: str, frame: Frame) -> None:
        use.heard.add(frame.body)

    async with (
        Channels(use.redis, on_frame=on_frame, on_resubscribed=on_resubscribed) as channels,
        Publisher(use.redis) as publisher,
    ):
        await channels.subscribe([NEWS])
        writing = asyncio.create_task(use.write())
        try:
            await use.goes_on(publisher)
            yield lambda: use.goes_on(publisher)
        finally:
            await tasks.end([writing])


async def master_of(members: Members) -> Member:
    """Whoever is master, as the Sentinels have it."""
    async with redis_client.connect(SecretStr(members.url("message"))) as client:
        sentinels: redis_client.Sentinels = client.connection_pool.connection_kwargs["sentinels"]
        host, _ = await sentinels.master()
    return members.named(host)


async def direct(members: Members, member: Member, command: str, *words: str) -> Any:
    """A member's answer to its administrator."""
    password = members.inputs.credentials.redis_admin_password
    async with Redis(
        host=member.name, port=members.redis_port, username="admin", password=password, socket_timeout=5
    ) as client:
        return await client.execute_command(command, *words)


async def role(members: Members, member: Member) -> str:
    return (await direct(members, member, "ROLE"))[0].decode()


async def test_of_all_that_begin_at_once_one_is_master(members: Members) -> None:
    roles = [await role(members, member) for member in members.members]
    assert roles == ["master", "slave", "slave"]
    assert await master_of(members) is members.members[0]


async def test_a_master_that_is_gone_is_replaced_and_comes_back_as_replica(members: Members) -> None:
    async with in_use(members) as goes_on:
        old = await master_of(members)
        old.kill()

        async def moved() -> bool:
            try:
                return await master_of(members) is not old
            except RedisError:
                return False

        await until(moved, "another master", FAILOVER_SECONDS)
        await goes_on()
        old.spawn()
    assert await role(members, old) == "slave"


async def test_a_master_that_hangs_is_replaced_and_takes_no_writes_afterwards(members: Members) -> None:
    async with in_use(members) as goes_on:
        old = await master_of(members)
        password = members.inputs.credentials.redis_message_password
        late = Redis(host=old.name, port=members.redis_port, username="message", password=password)
        await late.ping()
        old.signal(signal.SIGSTOP)
        await goes_on()
        assert await master_of(members) is not old
        old.signal(signal.SIGCONT)

        async def refused() -> bool:
            # Whoever speaks to it directly, and asks nobody: as master without replicas, then as a replica.
            try:
                await late.rpush("message:other", "x")
            except (RedisError, OSError):
                return True
            return False

        await until(refused, "the former master to take no writes", FAILOVER_SECONDS)

        async def follows() -> bool:
            return await role(members, old) == "slave"

        await until(follows, "the former master to be a replica", FAILOVER_SECONDS)
        assert await refused()
        await late.aclose()


async def test_a_member_that_goes_hands_its_role_over_first(members: Members) -> None:
    async with in_use(members) as goes_on:
        old = await master_of(members)
        done = await asyncio.to_thread(old.run, "handover")
        assert "no longer master" in done.stdout, done
        await asyncio.to_thread(old.redis.stop)
        await asyncio.to_thread(old.sentinel.stop)
        await goes_on()
        assert await master_of(members) is not old
        idle = members.others(await master_of(members))[0]
        assert not (await asyncio.to_thread(idle.run, "handover")).stdout, "a replica has nothing to hand over"
        old.spawn()


async def test_a_master_that_lost_its_data_does_not_begin_as_master(members: Members) -> None:
    async with in_use(members) as goes_on:
        old = await master_of(members)
        old.kill()
        old.lose_volume()
        # At once, before anybody takes it for gone.
        old.spawn()
        await goes_on()
    assert "has no data" in old.redis.log
    assert "begins as replica" in old.redis.log.rpartition("has no data")[2]


async def test_all_that_begin_again_at_once_have_what_they_had(members: Members) -> None:
    async with in_use(members) as goes_on:
        old = await master_of(members)
        for member in members.members:
            member.kill()
        for member in members.members:
            member.spawn()
        await goes_on()
    assert await master_of(members) is old, "the same one, as nobody had reason to choose another"


async def test_members_take_up_other_passwords_while_they_run(members: Members) -> None:
    before = members.inputs
    rotating = before.credentials.begin(RotationKind.PASSWORDS, lambda size: bytes(range(size)))
    newest = rotating.coming["redis_member_password"]
    async with in_use(members) as goes_on:
        members.bring(replace(before, credentials=rotating))

        async def signs_in_by(member: Member, password: str) -> bool:
            found = await direct(members, member, "CONFIG", "GET", "masterauth")
            return password.encode() in (found.values() if isinstance(found, dict) else found)

        async def all_do() -> bool:
            return all([await signs_in_by(member, newest) for member in members.members])

        await until(all_do, "the members to sign in by the new password", FAILOVER_SECONDS)
        await goes_on()
    members.bring(replace(before, credentials=rotating.completed))
    async with in_use(members) as goes_on:
        # Everything is connected anew, with nothing but the new ones.
        await asyncio.to_thread((await master_of(members)).run, "handover")
        await goes_on()


async def test_the_operator_asks_and_has_another_lead(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (acting, observing):
        monkeypatch.setattr(module, "SENTINEL_PORT", members.sentinel_port)
        monkeypatch.setattr(module, "PORTS", {**stores.PORTS, "redis": members.redis_port})
    contacts = tuple(Contact(member.name, member.name, "node") for member in members.members)
    reach = Reach(members.cluster, "redis", members.inputs.credentials, contacts)
    async with in_use(members) as goes_on:
        view = await observing.probe(reach)
        old = await master_of(members)
        assert (view.leader, view.problem) == (old.name, "")
        assert [member.state for member in view.members] == [MemberState.RUNNING] * 3
        chosen = members.others(old)[-1]
        await acting.command(Switchover("redis", "asked for", chosen.name), reach)
        await goes_on()
        assert await master_of(members) is chosen
        # The former one follows at once, not only when the Sentinels see to it.
        assert await role(members, old) == "slave"


async def test_a_server_that_takes_no_writes_is_left_for_the_master(members: Members) -> None:
    client = redis_client.connect(SecretStr(members.url("message")), connections=1)
    await client.set("message:x", 1)
    master = await master_of(members)
    replica = members.others(master)[0]
    sentinels: redis_client.Sentinels = client.connection_pool.connection_kwargs["sentinels"]

    async def replica_is_named() -> tuple[str, int]:
        return replica.name, members.redis_port

    await client.connection_pool.disconnect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentinels, "master", replica_is_named)
        with pytest.raises(NotMasterError):
            await client.set("message:x", 2)
    await client.set("message:x", 3)
    assert await client.get("message:x") == b"3"
    await client.aclose()
