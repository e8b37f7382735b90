"""The rows of `contacts`: one for each side that does not stand at `none`."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chatcluster_user.contacts.rules import Relation, Stance
from chatcluster_user.database import Transaction
from chatcluster_user.people.store import ACCOUNT, Account, to_account
from chatcluster_user.tables import contacts, users


async def lock_pair(tx: Transaction, one: str, other: str) -> None:
    """Nobody else changes what is between the two until the transaction ends."""
    await tx.lock("contacts " + " ".join(sorted((one, other))))


async def relation(tx: Transaction, mine: str, theirs: str) -> tuple[Relation, datetime | None]:
    """How I stand to them and they to me, and since when."""
    sides = sa.or_(_side(mine, theirs), _side(theirs, mine))
    rows = (await tx.execute(sa.select(contacts.c.user_id, contacts.c.state, contacts.c.since).where(sides))).all()
    found = {row.user_id: row for row in rows}
    stances = (Stance(found[side].state) if side in found else Stance.NONE for side in (mine, theirs))
    first = found.get(mine) or found.get(theirs)
    return Relation(*stances), first.since if first else None


async def put(tx: Transaction, one: str, other: str, stance: Stance, now: datetime) -> None:
    """How `one` stands to `other` from now on."""
    if stance is Stance.NONE:
        await tx.execute(sa.delete(contacts).where(_side(one, other)))
        return
    new = insert(contacts).values(user_id=one, other_id=other, state=stance, since=now)
    await tx.execute(new.on_conflict_do_update(constraint="pk_contacts", set_={"state": stance, "since": now}))


async def count(tx: Transaction, user_id: str) -> int:
    """How many people someone stands to in some way of their own."""
    return (await tx.execute(sa.select(sa.func.count()).where(contacts.c.user_id == user_id))).scalar_one()


async def page(
    tx: Transaction, user_id: str, state: str | None, after: str, limit: int
) -> list[tuple[Account, Relation, datetime]]:
    """At most `limit` relations that `user_id` may see, by the other's username, after `after`."""
    own, back = contacts.alias("own"), contacts.alias("back")
    mine = sa.select(own.c.other_id, own.c.state.label("mine"), sa.literal("none").label("theirs"), own.c.since).where(
        own.c.user_id == user_id
    )
    asked = sa.select(
        back.c.user_id.label("other_id"), sa.literal("none").label("mine"), back.c.state.label("theirs"), back.c.since
    ).where(
        back.c.other_id == user_id,
        back.c.state == "requested",
        ~sa.exists().where(own.c.user_id == user_id, own.c.other_id == back.c.user_id),
    )
    either = sa.union_all(mine, asked).subquery()
    query = (
        sa.select(*ACCOUNT, either.c.mine, either.c.theirs, either.c.since)
        .join(either, either.c.other_id == users.c.id)
        .where(users.c.username > after)
        .order_by(users.c.username)
        .limit(limit)
    )
    if state is not None:
        query = query.where(sa.case((either.c.mine == "none", either.c.theirs), else_=either.c.mine) == state)
    return [
        (to_account(row._mapping), Relation(Stance(row.mine), Stance(row.theirs)), row.since)
        for row in await tx.execute(query)
    ]


async def towards(tx: Transaction, user_id: str, others: Sequence[str]) -> list[tuple[str, str, str]]:
    """`(user_id, other_id, state)` of the sides between the person and the others, blocks and contacts alone."""
    between = sa.or_(
        sa.and_(contacts.c.user_id == user_id, contacts.c.other_id.in_(others)),
        sa.and_(contacts.c.other_id == user_id, contacts.c.user_id.in_(others)),
    )
    query = sa.select(contacts.c.user_id, contacts.c.other_id, contacts.c.state).where(
        between, contacts.c.state.in_(("accepted", "blocked"))
    )
    return [(row[0], row[1], row[2]) for row in await tx.execute(query)]


def _side(one: str, other: str) -> sa.ColumnElement[bool]:
    return sa.and_(contacts.c.user_id == one, contacts.c.other_id == other)
