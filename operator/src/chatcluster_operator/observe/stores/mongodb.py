"""Asks the members of a replica set how they are: replSetGetStatus of each, and of the primary its configuration and
users."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from pymongo.errors import OperationFailure, PyMongoError

from chatcluster_operator.decide.members import Contact, Reach, StoreView
from chatcluster_operator.decide.members.mongodb import Answers, Document, Standstill, all_users, view
from chatcluster_operator.desired.stores import PORTS
from chatcluster_operator.mongo import connected
from chatcluster_operator.observe.stores.probe import MEMBER_SECONDS

_STANDSTILLS: Final = {94: Standstill.NEVER_IN_A_SET, 93: Standstill.TAKEN_OUT}


async def probe(reach: Reach) -> StoreView:
    """All members at the same time."""
    asked = [contact for contact in reach.contacts if contact.address]
    found = await asyncio.gather(*(_ask(reach, contact) for contact in asked))
    statuses = {contact.name: told.status for contact, told in zip(asked, found, strict=True)}
    stats = {contact.name: told.stats for contact, told in zip(asked, found, strict=True) if told.stats}
    primary = next((told for told in found if told.config is not None), _Told(Standstill.SILENT))
    return view(reach, Answers(statuses, primary.config, primary.users, stats))


@dataclass(frozen=True)
class _Told:
    """What one member says; a primary its configuration and users' marks too."""

    status: Document | Standstill
    stats: Document | None = None
    config: Document | None = None
    users: dict[str, str] | None = None


async def _ask(reach: Reach, contact: Contact) -> _Told:
    stats = None
    try:
        key = reach.credentials.mongodb_keyfile
        async with (
            asyncio.timeout(MEMBER_SECONDS),
            connected(contact.address, PORTS["mongodb"], key, MEMBER_SECONDS) as client,
        ):
            status = await client.admin.command("replSetGetStatus")
            with contextlib.suppress(OperationFailure):  # it only says how full the volume is
                stats = await client.admin.command("dbStats")
            if status["myState"] != 1:
                return _Told(status, stats)
            config = (await client.admin.command("replSetGetConfig"))["config"]
            there = (await client.admin.command("usersInfo", list(all_users(reach.credentials))))["users"]
            marks = {user["user"]: str(user.get("customData", {}).get("mark", "")) for user in there}
            return _Told(status, stats, config, marks)
    except OperationFailure as error:
        return _Told(_STANDSTILLS.get(error.code or 0, Standstill.SILENT))
    except (PyMongoError, TimeoutError):
        return _Told(Standstill.SILENT)
