"""Redis told to have another member as master, through its Sentinels.

As a member does before it goes (`stores/redis/handover`): writes are held, the replicas come into step, a Sentinel
moves the role, and the former master follows at once, which Sentinels by themselves would see to ten seconds later.
The hold ends by itself, whatever becomes of who asked for it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from chatcluster_operator.act.stores.command import CommandError
from chatcluster_operator.decide.members import Contact, Order, Reach, Switchover
from chatcluster_operator.decide.members.redis import Told, elected, told
from chatcluster_operator.desired.stores import PORTS, REDIS_GROUP, SENTINEL_PORT
from chatcluster_operator.resp import RespError, converse

_ASK_SECONDS: Final = 2.0
_HOLD_MILLISECONDS: Final = 5000
_IN_STEP_SECONDS: Final = 1.5
_MOVED_SECONDS: Final = 3.0
_PRIORITY_SECONDS: Final = 11.0
"""Sentinels read a replica's priority every ten seconds."""
_LOOK_SECONDS: Final = 0.1
_FIRST, _USUAL = "1", "100"


async def command(order: Order, reach: Reach) -> None:
    """Give an order."""
    if not isinstance(order, Switchover):
        raise CommandError(
            "Sentinels move the master's role by themselves as long as those of most members are there, and without "
            "those nobody knows who has all that was acknowledged; bring back the pods of most members"
        )
    try:
        await _switch_over(reach, order.to)
    except RespError as error:
        raise CommandError(f"Redis says: {error}") from error


async def _switch_over(reach: Reach, to: str) -> None:
    answers = await asyncio.gather(*(_ask(reach, contact) for contact in reach.contacts))
    members = {contact.name: (contact, answer) for contact, answer in zip(reach.contacts, answers, strict=True)}
    leader = elected(answers)
    contact, answer = members.get(leader, (None, None))
    if contact is None or answer is None or not answer.master:
        raise CommandError("no member is master at this moment; Sentinels choose one within seconds")
    if leader == to:
        return
    fit = [name for name, copy in answer.copies.items() if copy.copies and name in members]
    if not fit or (to and to not in fit):
        raise CommandError(f"{to or 'no other member'} copies from {leader} at this moment; wait until it does")
    asked = members[to or min(fit)][0]
    if to:
        await _prefer(reach, asked)
    try:
        await _hand_over(reach, contact, asked)
    finally:
        if to:
            with contextlib.suppress(RespError, OSError, TimeoutError):
                await _redis(reach, asked, ("CONFIG", "SET", "replica-priority", _USUAL))


async def _prefer(reach: Reach, chosen: Contact) -> None:
    """Have Sentinels choose that one: the one that is asked must have heard of it."""
    await _redis(reach, chosen, ("CONFIG", "SET", "replica-priority", _FIRST))

    async def known() -> bool:
        for replica in await _sentinel(reach, chosen, ("SENTINEL", "REPLICAS", REDIS_GROUP)):
            fields = dict(zip(replica[::2], replica[1::2], strict=True))
            if fields.get("ip") == chosen.name:
                return fields.get("slave-priority") == _FIRST
        return False

    await _until(known, _PRIORITY_SECONDS, f"the Sentinels did not hear that {chosen.name} is to be master")


async def _hand_over(reach: Reach, leader: Contact, asked: Contact) -> None:
    """`asked` is the one whose Sentinel moves the role."""
    await _redis(reach, leader, ("CLIENT", "PAUSE", str(_HOLD_MILLISECONDS), "WRITE"))
    try:

        async def in_step() -> bool:
            return told(await _redis(reach, leader, ("INFO", "replication")), None).in_step

        await _until(in_step, _IN_STEP_SECONDS, "the replicas do not come into step; ask again when there is less load")
        await _sentinel(reach, asked, ("SENTINEL", "FAILOVER", REDIS_GROUP))

        async def moved() -> bool:
            return await _named(reach, asked) != leader.name

        await _until(moved, _MOVED_SECONDS, "the Sentinels do not move the role; they undo it by themselves")
        master = await _named(reach, asked)
        await _redis(
            reach,
            leader,
            ("REPLICAOF", master, str(PORTS["redis"])),
            # Whoever is connected asks anew who is master.
            ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
            ("CLIENT", "KILL", "TYPE", "pubsub"),
        )
    finally:
        with contextlib.suppress(RespError, OSError, TimeoutError):
            await _redis(reach, leader, ("CLIENT", "UNPAUSE"))


async def _named(reach: Reach, contact: Contact) -> str:
    found = await _sentinel(reach, contact, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", REDIS_GROUP))
    return found[0] if found else ""


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float, otherwise: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise CommandError(otherwise) from None


async def _ask(reach: Reach, contact: Contact) -> Told | None:
    if not contact.address:
        return None
    try:
        info, named = await asyncio.gather(_redis(reach, contact, ("INFO",)), _named(reach, contact))
    except (RespError, OSError, TimeoutError):
        return None
    return told(info, named or None)


async def _redis(reach: Reach, contact: Contact, *commands: tuple[str, ...]) -> Any:
    """The answer to the last of the commands."""
    return await _tell(reach, contact, PORTS["redis"], commands)


async def _sentinel(reach: Reach, contact: Contact, *commands: tuple[str, ...]) -> Any:
    return await _tell(reach, contact, SENTINEL_PORT, commands)


async def _tell(reach: Reach, contact: Contact, port: int, commands: tuple[tuple[str, ...], ...]) -> Any:
    login = ("admin", reach.credentials.redis_admin_password)
    return (await converse(contact.address, port, login, *commands, seconds=_ASK_SECONDS))[-1]
