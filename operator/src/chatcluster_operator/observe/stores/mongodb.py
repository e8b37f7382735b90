"""Asks the members of a replica set how they are: replSetGetStatus of each, and of the primary its configuration and
users."""

import asyncio
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
    statuses = {contact.name: status for contact, (status, _, _) in zip(asked, found, strict=True)}
    config, users = next(((config, users) for _, config, users in found if config is not None), (None, None))
    return view(reach, Answers(statuses, config, users))


async def _ask(reach: Reach, contact: Contact) -> tuple[Document | Standstill, Document | None, dict[str, str] | None]:
    """A member's status; a primary's configuration and users' marks too."""
    try:
        key = reach.credentials.mongodb_keyfile
        async with (
            asyncio.timeout(MEMBER_SECONDS),
            connected(contact.address, PORTS["mongodb"], key, MEMBER_SECONDS) as client,
        ):
            status = await client.admin.command("replSetGetStatus")
            if status["myState"] != 1:
                return status, None, None
            config = (await client.admin.command("replSetGetConfig"))["config"]
            there = (await client.admin.command("usersInfo", list(all_users(reach.credentials))))["users"]
            marks = {user["user"]: str(user.get("customData", {}).get("mark", "")) for user in there}
            return status, config, marks
    except OperationFailure as error:
        return _STANDSTILLS.get(error.code or 0, Standstill.SILENT), None, None
    except (PyMongoError, TimeoutError):
        return Standstill.SILENT, None, None
