"""How Redis' members are, by what each and its Sentinel say."""

import asyncio

from chatcluster_operator.decide.members import Contact, Reach, StoreView
from chatcluster_operator.decide.members.redis import Told, described, told
from chatcluster_operator.desired.stores import PORTS, REDIS_GROUP, SENTINEL_PORT
from chatcluster_operator.observe.stores.probe import MEMBER_SECONDS
from chatcluster_operator.resp import RespError, converse


async def probe(reach: Reach) -> StoreView:
    """All members at once."""
    return described(reach, await asyncio.gather(*(ask(reach, contact) for contact in reach.contacts)))


async def ask(reach: Reach, contact: Contact) -> Told | None:
    """What one member says; None when its Redis does not answer."""
    info, named = await asyncio.gather(
        _asked(reach, contact, PORTS["redis"], "INFO"),
        _asked(reach, contact, SENTINEL_PORT, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", REDIS_GROUP),
    )
    return told(info, named[0] if named else None) if isinstance(info, str) else None


async def _asked(reach: Reach, contact: Contact, port: int, *words: str) -> str | list[str] | None:
    if not contact.address:
        return None
    login = ("admin", reach.credentials.redis_admin_password)
    try:
        [answer] = await converse(contact.address, port, login, words, seconds=MEMBER_SECONDS)
    except (RespError, OSError, TimeoutError):
        return None
    return answer
