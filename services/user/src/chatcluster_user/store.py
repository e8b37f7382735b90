"""The database: the only module that speaks to it.

Accounts and sessions come and go as rows; what they mean is for `service`. When the database does not answer, callers
get a 503 `Problem`; the pool mends itself when it is back.
"""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chatcluster_common.database import Schema, transaction
from chatcluster_user import names
from chatcluster_user.tables import sessions, users

_PURGE_BATCH = 1000
_LAST_CODE_POINT = "\U0010ffff"


SCHEMA = Schema("user", Path(__file__).parent / "migrations")


@dataclass(frozen=True, slots=True)
class Account:
    """A row of `users`."""

    id: str
    username: str
    email: str
    display_name: str
    password_hash: str
    created_at: datetime


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


class TakenError(Exception):
    """Another account has this value already; `field` says which."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


_UNIQUE = {"uq_users_username": "username", "uq_users_email_lower": "email"}
_ACCOUNT = (
    users.c.id,
    users.c.username,
    users.c.email,
    users.c.display_name,
    users.c.password_hash,
    users.c.created_at,
)


def _account(row: sa.Row[str, str, str, str, str, datetime] | None) -> Account | None:
    return Account(*row) if row else None


class UserStore:
    """Accounts and sessions in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(sa.select(1))

    async def add_account(self, account: Account, session: SessionRow) -> None:
        """A new account with its first session, or neither. Raises `TakenError`."""
        async with self._transaction() as connection:
            try:
                await connection.execute(
                    sa.insert(users).values(
                        id=account.id,
                        username=account.username,
                        email=account.email,
                        display_name=account.display_name,
                        display_name_key=names.search_key(account.display_name),
                        password_hash=account.password_hash,
                        created_at=account.created_at,
                    )
                )
            except IntegrityError as error:
                for constraint, field in _UNIQUE.items():
                    if constraint in str(error.orig):
                        raise TakenError(field) from error
                raise
            await self._insert_session(connection, session)

    async def account(self, user_id: str) -> Account | None:
        """The account, or None; also for text that is no id at all."""
        if not _is_id(user_id):
            return None
        return await self._one_account(users.c.id == user_id)

    async def account_by_login(self, login: str) -> Account | None:
        """The account whose username or e-mail address is `login`; case does not matter."""
        if "@" in login:
            return await self._one_account(sa.func.lower(users.c.email) == sa.func.lower(login))
        return await self._one_account(users.c.username == login.lower())

    async def accounts(self, user_ids: Sequence[str]) -> list[Account]:
        """Those of the accounts that exist."""
        known = [user_id for user_id in user_ids if _is_id(user_id)]
        async with self._transaction() as connection:
            rows = await connection.execute(sa.select(*_ACCOUNT).where(users.c.id.in_(known)))
            return [Account(*row) for row in rows]

    async def search(self, prefix: str, after: str, limit: int) -> list[Account]:
        """At most `limit` accounts whose username or display name begins with `prefix`, by username, after `after`."""
        name, key = prefix.lower(), names.search_key(prefix)
        found = sa.or_(
            sa.and_(users.c.username >= name, users.c.username < name + _LAST_CODE_POINT),
            sa.and_(users.c.display_name_key >= key, users.c.display_name_key < key + _LAST_CODE_POINT),
        )
        query = sa.select(*_ACCOUNT).where(found, users.c.username > after).order_by(users.c.username).limit(limit)
        async with self._transaction() as connection:
            return [Account(*row) for row in await connection.execute(query)]

    async def set_display_name(self, user_id: str, display_name: str) -> Account | None:
        """The changed account, or None when it is gone."""
        async with self._transaction() as connection:
            rows = await connection.execute(
                sa.update(users)
                .where(users.c.id == user_id)
                .values(display_name=display_name, display_name_key=names.search_key(display_name))
                .returning(*_ACCOUNT)
            )
            return _account(rows.one_or_none())

    async def add_session(
        self, session: SessionRow, *, keep: int, old_hash: str = "", new_hash: str | None = None
    ) -> None:
        """A new session; the user's least recently used ones beyond `keep` end. `new_hash` replaces the account's
        password hash, unless it is no longer `old_hash`."""
        async with self._transaction() as connection:
            await self._insert_session(connection, session)
            surplus = (
                sa.select(sessions.c.id)
                .where(sessions.c.user_id == session.user_id)
                .order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
                .offset(keep)
            )
            await connection.execute(sa.delete(sessions).where(sessions.c.id.in_(surplus)))
            if new_hash:
                unchanged = sa.and_(users.c.id == session.user_id, users.c.password_hash == old_hash)
                await connection.execute(sa.update(users).where(unchanged).values(password_hash=new_hash))

    @asynccontextmanager
    async def locked_session(self, family_hash: bytes) -> AsyncGenerator["LockedSession | None"]:
        """One session in a transaction of its own, which no other refresh can touch meanwhile; None: no such one."""
        async with self._transaction() as connection:
            rows = await connection.execute(
                sa.select(sessions).where(sessions.c.family_hash == family_hash).with_for_update()
            )
            row = rows.one_or_none()
            yield LockedSession(connection, SessionRow(**row._mapping)) if row else None

    async def sessions_of(self, user_id: str, now: datetime) -> list[SessionRow]:
        """The user's living sessions, last used first."""
        query = (
            sa.select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
            .order_by(sessions.c.last_used_at.desc())
        )
        async with self._transaction() as connection:
            return [SessionRow(**row._mapping) for row in await connection.execute(query)]

    async def end_session(self, user_id: str, session_id: str) -> bool:
        """End one session of the user; False when there is none of that id."""
        if not _is_id(session_id):
            return False
        mine = sa.and_(sessions.c.id == session_id, sessions.c.user_id == user_id)
        async with self._transaction() as connection:
            result = await connection.execute(sa.delete(sessions).where(mine))
            return result.rowcount > 0

    async def purge_sessions(self, now: datetime) -> int:
        """Delete expired sessions, so many at a time that nobody waits for it; returns how many went."""
        total = 0
        while True:
            expired = (
                sa.select(sessions.c.id)
                .where(sessions.c.expires_at <= now)
                .limit(_PURGE_BATCH)
                .with_for_update(skip_locked=True)
            )
            async with self._transaction() as connection:
                result = await connection.execute(sa.delete(sessions).where(sessions.c.id.in_(expired)))
            total += result.rowcount
            if result.rowcount < _PURGE_BATCH:
                return total

    async def _one_account(self, condition: sa.ColumnElement[bool]) -> Account | None:
        async with self._transaction() as connection:
            return _account((await connection.execute(sa.select(*_ACCOUNT).where(condition))).one_or_none())

    @staticmethod
    async def _insert_session(connection: AsyncConnection, session: SessionRow) -> None:
        await connection.execute(
            sa.insert(sessions).values({column.name: getattr(session, column.name) for column in sessions.c})
        )

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return transaction(self._engine)


class LockedSession:
    """A session whose row is locked until its transaction ends."""

    def __init__(self, connection: AsyncConnection, row: SessionRow) -> None:
        self._connection = connection
        self.row = row

    async def rotate(self, secret_hash: bytes, now: datetime, expires_at: datetime) -> None:
        """From now on the token of `secret_hash` is the current one."""
        await self._connection.execute(
            sa.update(sessions)
            .where(sessions.c.id == self.row.id)
            .values(secret_hash=secret_hash, last_used_at=now, expires_at=expires_at)
        )

    async def end(self) -> None:
        """No token of it works any more."""
        await self._connection.execute(sa.delete(sessions).where(sessions.c.id == self.row.id))


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
