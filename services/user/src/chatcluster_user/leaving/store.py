"""The rows of `erasures`, and everything this service holds about a person, for their export."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from chatcluster_user.database import Transaction
from chatcluster_user.tables import (
    audit_events,
    contacts,
    erasures,
    mail_tokens,
    outbox,
    second_factors,
    sessions,
    users,
)


def _hash(username: str) -> bytes:
    return hashlib.sha256(username.encode()).digest()


async def is_reserved(tx: Transaction, username: str) -> bool:
    """Whether the name was that of somebody who is gone: nobody may be taken for them."""
    return bool((await tx.execute(sa.select(sa.exists().where(erasures.c.username_hash == _hash(username))))).scalar())


async def begin(tx: Transaction, user_id: str, username: str, services: tuple[str, ...], now: datetime) -> None:
    """The account is gone, and with it its sessions, contacts and credentials; the other services are still to come."""
    waiting = sa.and_(outbox.c.lane == "mail", outbox.c.payload["user_id"].astext == user_id)
    await tx.execute(sa.delete(outbox).where(waiting))
    await tx.execute(sa.delete(users).where(users.c.id == user_id))
    await tx.execute(
        sa.insert(erasures).values(
            user_id=user_id,
            username_hash=_hash(username),
            requested_at=now,
            pending=dict.fromkeys(services, "not yet asked"),
            due_at=now,
        )
    )


async def claim(tx: Transaction, now: datetime, lease: timedelta) -> sa.RowMapping | None:
    """One erasure that is due; no other process takes it before the lease ends."""
    due = (
        sa.select(erasures.c.user_id)
        .where(erasures.c.due_at <= now)
        .order_by(erasures.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    mine = sa.update(erasures).where(erasures.c.user_id.in_(due))
    rows = await tx.execute(mine.values(due_at=now + lease, attempts=erasures.c.attempts + 1).returning(erasures))
    return rows.mappings().one_or_none()


async def progress(tx: Transaction, user_id: str, **values: Any) -> None:
    """What has become of it."""
    await tx.execute(sa.update(erasures).where(erasures.c.user_id == user_id).values(**values))


async def revive(tx: Transaction, user_id: str, now: datetime) -> bool:
    """Try an unfinished one again at once; False when there is none."""
    mine = sa.and_(erasures.c.user_id == user_id, erasures.c.finished_at.is_(None))
    return await tx.write(sa.update(erasures).where(mine).values(due_at=now, attempts=0)) == 1


async def page(tx: Transaction, *, unfinished: bool, before: str | None, limit: int) -> list[sa.RowMapping]:
    """At most `limit`, by the person's id, the latest accounts first."""
    query = sa.select(erasures).order_by(erasures.c.user_id.desc()).limit(limit)
    if unfinished:
        query = query.where(erasures.c.finished_at.is_(None))
    if before is not None:
        query = query.where(erasures.c.user_id < before)
    return list((await tx.execute(query)).mappings())


async def unfinished(tx: Transaction) -> int:
    """How many are not done."""
    return (await tx.execute(sa.select(sa.func.count()).where(erasures.c.finished_at.is_(None)))).scalar_one()


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of what is held about a person."""

    kind: str
    table: sa.Table
    names: tuple[str, ...]
    """What of a row the person gets: all but hashes and secrets."""
    key: str
    """What the rows of one person are told apart, and paged, by."""


PARTS = (
    Part("session", sessions, ("id", "user_agent", "created_at", "last_used_at", "expires_at"), "id"),
    Part("contact", contacts, ("other_id", "state", "since"), "other_id"),
    Part("mailed_link", mail_tokens, ("purpose", "email", "created_at", "expires_at"), "id"),
    Part("second_factor", second_factors, ("confirmed_at", "created_at"), "user_id"),
    Part("security_event", audit_events, ("at", "kind", "actor_id", "address", "user_agent", "details"), "id"),
)
"""Everything but the account itself."""

PART_PAGE = 500


async def part(tx: Transaction, part: Part, user_id: str, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """At most `PART_PAGE` rows with a key beyond `after`; and the last key, None when there are no more."""
    key = part.table.c[part.key]
    columns = [part.table.c[name] for name in part.names]
    query = sa.select(*columns, key.label("page_key")).where(part.table.c.user_id == user_id)
    if after is not None:
        query = query.where(key > after)
    rows = (await tx.execute(query.order_by(key).limit(PART_PAGE))).mappings().all()
    following = rows[-1]["page_key"] if len(rows) == PART_PAGE else None
    return [{name: row[name] for name in part.names} for row in rows], following
