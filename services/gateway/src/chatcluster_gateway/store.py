"""The database: the only module that speaks to it. API tokens come and go as rows, the audit log only grows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from chatcluster_common.database import Schema, transaction
from chatcluster_gateway.tables import api_tokens, audit

SCHEMA = Schema("gateway", Path(__file__).parent / "migrations")

_PURGE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A row of `api_tokens`, without the secret's hash."""

    id: str
    user_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of `audit`."""

    id: str
    at: datetime
    event: str
    user_id: str
    token_id: str | None
    method: str
    path: str
    status: int
    address: str
    request_id: str


_TOKEN = (
    api_tokens.c.id,
    api_tokens.c.user_id,
    api_tokens.c.name,
    api_tokens.c.scopes,
    api_tokens.c.created_at,
    api_tokens.c.expires_at,
    api_tokens.c.last_used_at,
)


class GatewayStore:
    """API tokens and audit log in PostgreSQL. Each method raises a 503 `Problem` when that does not answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add_token(self, token: TokenRow, secret_hash: bytes, entry: AuditRow, *, most: int) -> bool:
        """A new token and its audit entry; False, and neither, when the person has `most` that have not expired."""
        async with transaction(self._engine) as connection:
            # Two at once must not both be the last one.
            await connection.execute(
                sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(token.user_id, 0)))
            )
            held = await connection.scalar(
                sa.select(sa.func.count()).where(
                    api_tokens.c.user_id == token.user_id, api_tokens.c.expires_at > token.created_at
                )
            )
            if (held or 0) >= most:
                return False
            await connection.execute(
                sa.insert(api_tokens).values(
                    {column.name: getattr(token, column.name) for column in _TOKEN} | {"secret_hash": secret_hash}
                )
            )
            await connection.execute(_entry(entry))
            return True

    async def tokens_of(self, user_id: str) -> list[TokenRow]:
        """All the person's tokens, expired ones too until they are purged; newest first."""
        query = sa.select(*_TOKEN).where(api_tokens.c.user_id == user_id).order_by(api_tokens.c.id.desc())
        async with transaction(self._engine) as connection:
            return [TokenRow(*row) for row in await connection.execute(query)]

    async def use_token(self, secret_hash: bytes, now: datetime) -> tuple[TokenRow, bool] | None:
        """The token of a secret, unless it has expired, and whether this is its first use; notes the use."""
        found = (
            sa.select(api_tokens.c.id, api_tokens.c.last_used_at)
            .where(api_tokens.c.secret_hash == secret_hash, api_tokens.c.expires_at > now)
            .with_for_update()
            .cte("found")
        )
        used = (
            sa.update(api_tokens)
            .where(api_tokens.c.id == found.c.id)
            .values(last_used_at=now)
            .returning(*_TOKEN, found.c.last_used_at.label("before"))
        )
        async with transaction(self._engine) as connection:
            row = (await connection.execute(used)).one_or_none()
        return (TokenRow(*row[:-1]), row[-1] is None) if row else None

    async def delete_token(self, user_id: str, token_id: str, entry: AuditRow) -> bool:
        """Delete one token of the person and note it; False when there is none of that id."""
        mine = sa.and_(api_tokens.c.id == token_id, api_tokens.c.user_id == user_id)
        async with transaction(self._engine) as connection:
            if not (await connection.execute(sa.delete(api_tokens).where(mine))).rowcount:
                return False
            await connection.execute(_entry(entry))
            return True

    async def delete_tokens_of(self, user_id: str) -> list[str]:
        """Delete all the person's tokens; returns their ids."""
        async with transaction(self._engine) as connection:
            gone = sa.delete(api_tokens).where(api_tokens.c.user_id == user_id).returning(api_tokens.c.id)
            return list(await connection.scalars(gone))

    async def add_entry(self, entry: AuditRow) -> None:
        """One more line of the audit log."""
        async with transaction(self._engine) as connection:
            await connection.execute(_entry(entry))

    async def entries(
        self, *, user_id: str | None, token_id: str | None, before_id: str | None, limit: int
    ) -> list[AuditRow]:
        """At most `limit` entries, newest first, older than `before_id`."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        for column, value in ((audit.c.user_id, user_id), (audit.c.token_id, token_id)):
            if value is not None:
                query = query.where(column == value)
        if before_id is not None:
            query = query.where(audit.c.id < before_id)
        async with transaction(self._engine) as connection:
            return [AuditRow(**row._mapping) for row in await connection.execute(query)]

    async def purge(self, now: datetime, *, tokens_after: timedelta, audit_after: timedelta) -> int:
        """Delete what expired or was noted so long ago, in small steps; returns how many rows went."""
        total = 0
        for table, moment, age in (
            (api_tokens, api_tokens.c.expires_at, tokens_after),
            (audit, audit.c.at, audit_after),
        ):
            old = sa.select(table.c.id).where(moment < now - age).limit(_PURGE_BATCH).with_for_update(skip_locked=True)
            gone = _PURGE_BATCH
            while gone == _PURGE_BATCH:
                async with transaction(self._engine) as connection:
                    gone = (await connection.execute(sa.delete(table).where(table.c.id.in_(old)))).rowcount
                total += gone
        return total


def _entry(row: AuditRow) -> sa.Insert:
    return sa.insert(audit).values({column.name: getattr(row, column.name) for column in audit.c})
