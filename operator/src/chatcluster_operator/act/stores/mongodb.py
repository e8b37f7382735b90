"""Tells a replica set what to do, by the commands of its own protocol."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from pymongo.errors import OperationFailure, PyMongoError

from chatcluster_operator.act.stores.command import COMMAND_SECONDS, CommandError
from chatcluster_operator.decide.members import Contact, Failover, Order, Reach, Switchover
from chatcluster_operator.decide.members.mongodb import (
    Document,
    Initiate,
    MakeUsers,
    Reconfigure,
    all_users,
    marks,
    roles,
    users,
)
from chatcluster_operator.desired.stores import PORTS
from chatcluster_operator.mongo import Client, connected

_SECONDS: Final = COMMAND_SECONDS - 2
_BEGUN: Final = 23
"""AlreadyInitialized."""
_UNKNOWN_USER: Final = 11
_USER_EXISTS: Final = 51003
_MAJORITY: Final = {"w": "majority", "wtimeout": 5000}
CATCH_UP_SECONDS: Final = 8
"""How long a primary that hands over waits for a successor to have everything."""
AWAY_SECONDS: Final = 60
"""How long it does not stand for election afterwards, nor do those that are not meant."""


async def command(order: Order, reach: Reach) -> None:
    """One order. Raises CommandError, TimeoutError."""
    try:
        match order:
            case Initiate():
                await _initiate(order, reach)
            case Reconfigure():
                async with _primary(reach) as client:
                    await client.admin.command("replSetReconfig", dict(order.config), maxTimeMS=10_000)
            case MakeUsers():
                async with _primary(reach) as client:
                    await make_users(client, reach)
            case Switchover():
                await _hand_over(order, reach)
            case Failover():
                raise CommandError(
                    "a replica set elects another primary by itself as soon as a majority of its members misses the one"
                    " it had; bring back members until there is a majority"
                )
            case _:
                raise CommandError(f"unknown order {type(order).__name__}")
    except OperationFailure as error:
        # Messages of servers may carry what was sent; the code's name says what a person needs.
        name = (error.details or {}).get("codeName", error.code)
        raise CommandError(f"MongoDB refuses with {name}") from None
    except PyMongoError as error:
        raise TimeoutError(type(error).__name__) from None


def _member(reach: Reach, contact: Contact) -> AbstractAsyncContextManager[Client]:
    return connected(contact.address, PORTS["mongodb"], reach.credentials.mongodb_keyfile, _SECONDS)


async def _initiate(order: Initiate, reach: Reach) -> None:
    contact = next(contact for contact in reach.contacts if contact.name == order.member)
    async with _member(reach, contact) as client:
        try:
            await client.admin.command("replSetInitiate", dict(order.config))
        except OperationFailure as error:
            if error.code != _BEGUN:
                raise


async def make_users(client: Client, reach: Reach) -> None:
    """Users with the passwords that they should have; those without one go. Open connections stay."""
    wanted, known = users(reach.credentials), marks(reach.credentials)
    for name in all_users(reach.credentials):
        if name not in wanted:
            await _unless(_UNKNOWN_USER, client.admin.command("dropUser", name, writeConcern=_MAJORITY))
            continue
        document: Mapping[str, Any] = {
            "pwd": wanted[name],
            "roles": roles(reach.credentials, name),
            "customData": {"mark": known[name]},
            "mechanisms": ["SCRAM-SHA-256"],
            "writeConcern": _MAJORITY,
        }
        await _unless(_USER_EXISTS, client.admin.command("createUser", name, **document))
        await client.admin.command("updateUser", name, **document)


async def _unless(code: int, call: Any) -> None:
    try:
        await call
    except OperationFailure as error:
        if error.code != code:
            raise


async def _hand_over(order: Switchover, reach: Reach) -> None:
    """The primary steps down. Where one member is meant, the others do not stand for election meanwhile."""
    async with _primary(reach) as client:
        hello: Document = await client.admin.command("hello")
        leads = str(hello["me"]).partition(".")[0]
        if order.to == leads:
            return
        others = [
            contact
            for contact in reach.contacts
            if order.to and contact.address and contact.name not in {order.to, leads}
        ]
        await asyncio.gather(*(_freeze(reach, contact) for contact in others))
        catching_up: dict[str, Any] = {"secondaryCatchUpPeriodSecs": CATCH_UP_SECONDS}
        await client.admin.command("replSetStepDown", AWAY_SECONDS, **catching_up)


async def _freeze(reach: Reach, contact: Contact) -> None:
    async with _member(reach, contact) as client:
        await client.admin.command("replSetFreeze", AWAY_SECONDS)


@asynccontextmanager
async def _primary(reach: Reach) -> AsyncGenerator[Client]:
    """The member that says it is the primary; CommandError when none does."""
    for contact in reach.contacts:
        if not contact.address:
            continue
        async with _member(reach, contact) as client:
            try:
                leads = (await client.admin.command("hello"))["isWritablePrimary"]
            except PyMongoError:
                continue
            if leads:
                yield client
                return
    raise CommandError("no member is primary; wait until one is")
