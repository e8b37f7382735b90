"""Asks the masters of the object store who leads them, and the one that leads which volumes are where."""

import asyncio
from typing import Any, Final, cast

import aiohttp

from chatcluster_operator.decide.members import Contact, Reach, StoreView
from chatcluster_operator.decide.members.objects import Answers, Document, view
from chatcluster_operator.desired.objects import MASTER_PORT
from chatcluster_operator.observe.stores.probe import MEMBER_SECONDS

_MOST_BYTES: Final = 32 * 1024 * 1024
"""A volume is told in a few hundred bytes, and a terabyte has eight thousand of them."""


async def probe(reach: Reach) -> StoreView:
    """All members at the same time. A master that does not lead passes questions on to the one that does."""
    timeout = aiohttp.ClientTimeout(total=MEMBER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        asked = [contact for contact in reach.contacts if contact.address]
        found = await asyncio.gather(*(_get(session, contact, "/cluster/status") for contact in asked))
        statuses = {contact.name: status for contact, status in zip(asked, found, strict=True) if status is not None}
        volumes = None
        for contact in asked:
            if contact.name in statuses and (volumes := await _get(session, contact, "/vol/status")) is not None:
                break
    return view(reach, Answers(statuses, volumes))


async def _get(session: aiohttp.ClientSession, contact: Contact, path: str) -> Document | None:
    """What a master answers; None when it does not, or the pod has none."""
    try:
        async with session.get(f"http://{contact.address}:{MASTER_PORT}{path}") as answer:
            if answer.status != 200 or (answer.content_length or 0) > _MOST_BYTES:
                return None
            document: Any = await answer.json(content_type=None)
            return cast("Document", document) if isinstance(document, dict) else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
