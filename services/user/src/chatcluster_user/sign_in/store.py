"""The rows of `sessions`. Who ends a session gets its id back, so that its access tokens can be revoked."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from chatcluster_user.database import Transaction
from chatcluster_user.people.store import ACCOUNT, Account, is_id, to_account
from chatcluster_user.tables import sessions, users

_PURGE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A row of `sessions`."""

    id: str
    user_id: str
    family_hash: bytes
    secret_hash: bytes
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


async def add(tx: Transaction, session: SessionRow) -> None:
    """A new session."""
    await tx.execute(sa.insert(sessions).values({column.name: getattr(session, column.name) for column in sessions.c}))


async def locked(tx: Transaction, family_hash: bytes) -> tuple[SessionRow, Account] | None:
    """A session and its owner; no other refresh can touch the session until the transaction ends."""
    query = (
        sa.select(*sessions.c, *(column.label(f"owner_{column.name}") for column in ACCOUNT))
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.family_hash == family_hash)
        .with_for_update(of=sessions)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    values = row._mapping
    owner = to_account({column: values[f"owner_{column.name}"] for column in ACCOUNT})
    return SessionRow(*(values[column.name] for column in sessions.c)), owner


async def rotate(tx: Transaction, session_id: str, secret_hash: bytes, now: datetime, expires_at: datetime) -> None:
    """From now on the token of `secret_hash` is the session's current one."""
    await tx.execute(
        sa.update(sessions)
        .where(sessions.c.id == session_id)
        .values(secret_hash=secret_hash, last_used_at=now, expires_at=expires_at)
    )


async def of_user(tx: Transaction, user_id: str, now: datetime) -> list[SessionRow]:
    """The user's living sessions, last used first."""
    query = (
        sa.select(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
        .order_by(sessions.c.last_used_at.desc())
    )
    return [SessionRow(*row) for row in await tx.execute(query)]


async def end(tx: Transaction, user_id: str, session_id: str) -> list[str]:
    """End one session of the user, if there is one of that id."""
    return await _end(tx, user_id, sessions.c.id == session_id) if is_id(session_id) else []


async def end_all(tx: Transaction, user_id: str, *, but: str = "") -> list[str]:
    """End the user's sessions, but for one."""
    return await _end(tx, user_id, sessions.c.id != but if is_id(but) else sa.true())


async def end_surplus(tx: Transaction, user_id: str, keep: int) -> list[str]:
    """End the user's least recently used sessions beyond `keep`."""
    surplus = (
        sa.select(sessions.c.id)
        .where(sessions.c.user_id == user_id)
        .order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
        .offset(keep)
    )
    return await _end(tx, user_id, sessions.c.id.in_(surplus))


async def purge(tx: Transaction, now: datetime) -> bool:
    """Delete some expired sessions; whether there may be more. Their access tokens have expired long before."""
    expired = (
        sa.select(sessions.c.id)
        .where(sessions.c.expires_at <= now)
        .limit(_PURGE_BATCH)
        .with_for_update(skip_locked=True)
    )
    return await tx.write(sa.delete(sessions).where(sessions.c.id.in_(expired))) == _PURGE_BATCH


async def _end(tx: Transaction, user_id: str, which: sa.ColumnElement[bool]) -> list[str]:
    if not is_id(user_id):
        return []
    mine = sa.delete(sessions).where(sessions.c.user_id == user_id, which)
    return list((await tx.execute(mine.returning(sessions.c.id))).scalars())
