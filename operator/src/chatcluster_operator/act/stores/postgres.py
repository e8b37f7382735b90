"""PostgreSQL told to have another member lead, by its members' Patroni."""

import asyncio
import contextlib
import json
from http import HTTPStatus
from typing import Any

import aiohttp

from chatcluster_operator.act.stores.command import COMMAND_SECONDS, CommandError
from chatcluster_operator.decide.members import Contact, Failover, Order, Reach, Switchover
from chatcluster_operator.decide.members.postgres import Told, Voter, elected, successor, told
from chatcluster_operator.desired.postgres import REST_USER, patroni_url

_ASK_SECONDS = 2.0


async def command(order: Order, reach: Reach) -> None:
    """Give an order. Patroni answers to a handover once it is over, so this returns before, when it takes long."""
    login = aiohttp.BasicAuth(REST_USER, reach.credentials.postgres_rest_password)
    timeout = aiohttp.ClientTimeout(total=COMMAND_SECONDS - 1)
    async with aiohttp.ClientSession(auth=login, timeout=timeout) as session:
        heard = await asyncio.gather(*(_ask(session, contact) for contact in reach.contacts))
        there = {
            contact.name: (contact, answer) for contact, answer in zip(reach.contacts, heard, strict=True) if answer
        }
        leader = elected([answer for _, answer in there.values()])
        match order:
            case Switchover(to=to):
                await _switch_over(session, there, leader, to)
            case Failover(to=to):
                await _fail_over(session, there, leader, to, len(reach.contacts))
            case _:
                raise CommandError(f"PostgreSQL knows no {type(order).__name__}")


async def _switch_over(
    session: aiohttp.ClientSession, there: dict[str, tuple[Contact, Told]], leader: str, to: str
) -> None:
    if leader not in there:
        raise CommandError("no member that leads answers, so none can hand over; ask for a failover")
    contact, answer = there[leader]
    fit = [member.name for member in answer.members if member.in_step and not member.leads]
    if to == leader:
        return
    if not fit or (to and to not in fit):
        raise CommandError(f"{to or 'no other member'} is not in step with {leader}; wait until it is")
    await _tell(session, contact, "/switchover", {"leader": leader, "candidate": to or min(fit)})


async def _fail_over(
    session: aiohttp.ClientSession, there: dict[str, tuple[Contact, Told]], leader: str, to: str, members: int
) -> None:
    if leader in there:
        raise CommandError(f"{leader} leads and answers; ask for a switchover, which loses nothing and is quicker")
    known = {member.name for _, answer in there.values() for member in answer.members if member.in_step}
    voters = await asyncio.gather(
        *(_position(session, contact) for name, (contact, _) in there.items() if name in known)
    )
    chosen = successor(voters, len(known - {leader}), members, to)
    if chosen is None:
        raise CommandError(
            f"{to or 'no member'} is not known to have all that was acknowledged: too few of those in step answer, or "
            "another has more; bring their pods back, or name the one that has"
        )
    await _tell(session, there[chosen][0], "/failover", {"candidate": chosen})


async def _ask(session: aiohttp.ClientSession, contact: Contact) -> Told | None:
    return told(await _get(session, contact, "/cluster"))


async def _position(session: aiohttp.ClientSession, contact: Contact) -> Voter:
    answer = await _get(session, contact, "/patroni")
    log: dict[str, Any] = answer.get("xlog", {})
    return Voter(contact.name, max(int(log.get("received_location") or 0), int(log.get("replayed_location") or 0)))


async def _get(session: aiohttp.ClientSession, contact: Contact, path: str) -> dict[str, Any]:
    if not contact.address:
        return {}
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
        async with (
            asyncio.timeout(_ASK_SECONDS),
            session.get(patroni_url(contact.address, path)) as answer,
        ):
            return json.loads(await answer.read())
    return {}


async def _tell(session: aiohttp.ClientSession, contact: Contact, path: str, body: dict[str, Any]) -> None:
    with contextlib.suppress(TimeoutError):
        async with session.post(patroni_url(contact.address, path), json=body) as answer:
            said = (await answer.text())[:300]
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise CommandError(f"{contact.name} says: {said}")
