"""How PostgreSQL's members are, by what each one's Patroni says."""

import asyncio
import json
from http import HTTPStatus
from typing import Final

import aiohttp

from chatcluster_operator.decide.members import Contact, Reach, StoreView
from chatcluster_operator.decide.members.postgres import described
from chatcluster_operator.desired.postgres import patroni_url
from chatcluster_operator.observe.stores.probe import MEMBER_SECONDS

_MOST_BYTES: Final = 64 * 1024


async def probe(reach: Reach) -> StoreView:
    """All members, as the one that leads says they are, else as those do that answer."""
    timeout = aiohttp.ClientTimeout(total=MEMBER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return described(reach, await asyncio.gather(*(_ask(session, contact) for contact in reach.contacts)))


async def _ask(session: aiohttp.ClientSession, contact: Contact) -> object:
    if not contact.address:
        return None
    try:
        async with session.get(patroni_url(contact.address, "/cluster")) as answer:
            if answer.status != HTTPStatus.OK or (answer.content_length or 0) > _MOST_BYTES:
                return None
            return json.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
