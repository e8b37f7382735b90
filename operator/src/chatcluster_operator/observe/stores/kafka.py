"""How Kafka's nodes are, by what each says of itself and of the cluster (`stores/kafka`: `/state`)."""

import asyncio
import json
from http import HTTPStatus
from typing import Final

import aiohttp

from chatcluster_operator.decide.members import Contact, Reach, StoreView
from chatcluster_operator.decide.members.kafka import described
from chatcluster_operator.desired.kafka import STATE_PORT
from chatcluster_operator.observe.stores.probe import MEMBER_SECONDS

_MOST_BYTES: Final = 64 * 1024
"""What a node says is a few kilobytes; more is not Kafka."""


async def probe(reach: Reach) -> StoreView:
    """All nodes, each as it says it is; the cluster as the active controller's node says it is, else as any does."""
    timeout = aiohttp.ClientTimeout(total=MEMBER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        answers = await asyncio.gather(*(_ask(session, contact) for contact in reach.contacts))
    return described(reach, answers)


async def _ask(session: aiohttp.ClientSession, contact: Contact) -> object:
    if not contact.address:
        return None
    host = f"[{contact.address}]" if ":" in contact.address else contact.address
    try:
        async with session.get(f"http://{host}:{STATE_PORT}/state") as answer:
            if answer.status != HTTPStatus.OK or (answer.content_length or 0) > _MOST_BYTES:
                return None
            return json.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
