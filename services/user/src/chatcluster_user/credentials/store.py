"""The rows of `mail_tokens`, `second_factors` and `recovery_codes`."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chatcluster_common import ids
from chatcluster_user.database import Transaction
from chatcluster_user.tables import mail_tokens, recovery_codes, second_factors

Purpose = Literal["verify_email", "reset_password"]

_PURGE_BATCH = 1000


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def add_mail_token(
    tx: Transaction, user_id: str, email: str, purpose: Purpose, *, now: datetime, lifetime: timedelta
) -> str:
    """A new token for a link to `email`; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    await tx.execute(
        sa.insert(mail_tokens).values(
            id=ids.new_id(),
            user_id=user_id,
            purpose=purpose,
            token_hash=_hash(token),
            email=email,
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    return token


async def mailed_since(tx: Transaction, user_id: str, purpose: Purpose, since: datetime) -> list[datetime]:
    """When links that have not been used were sent, the latest first."""
    mine = sa.and_(mail_tokens.c.user_id == user_id, mail_tokens.c.purpose == purpose)
    query = sa.select(mail_tokens.c.created_at).where(mine, mail_tokens.c.created_at > since)
    return list((await tx.execute(query.order_by(mail_tokens.c.created_at.desc()))).scalars())


async def use_mail_token(tx: Transaction, token: str, purpose: Purpose, now: datetime) -> tuple[str, str] | None:
    """Spend a token, and with it the person's others for the same: whose it is, and the address it was sent to."""
    found = sa.and_(
        mail_tokens.c.token_hash == _hash(token), mail_tokens.c.purpose == purpose, mail_tokens.c.expires_at > now
    )
    spent = sa.delete(mail_tokens).where(found).returning(mail_tokens.c.user_id, mail_tokens.c.email)
    row = (await tx.execute(spent)).one_or_none()
    if row is None:
        return None
    others = sa.and_(mail_tokens.c.user_id == row.user_id, mail_tokens.c.purpose == purpose)
    await tx.execute(sa.delete(mail_tokens).where(others))
    return row.user_id, row.email


async def purge_mail_tokens(tx: Transaction, now: datetime) -> bool:
    """Delete some that have expired; whether there may be more."""
    expired = (
        sa.select(mail_tokens.c.id)
        .where(mail_tokens.c.expires_at <= now)
        .limit(_PURGE_BATCH)
        .with_for_update(skip_locked=True)
    )
    return await tx.write(sa.delete(mail_tokens).where(mail_tokens.c.id.in_(expired))) == _PURGE_BATCH


@dataclass(frozen=True, slots=True)
class Factor:
    """A row of `second_factors`."""

    secret: str
    confirmed_at: datetime | None
    last_step: int


async def factor(tx: Transaction, user_id: str) -> Factor | None:
    """The person's second factor, confirmed or not; locked until the transaction ends, so that a code is used once."""
    columns = (second_factors.c.secret, second_factors.c.confirmed_at, second_factors.c.last_step)
    row = (
        await tx.execute(sa.select(*columns).where(second_factors.c.user_id == user_id).with_for_update())
    ).one_or_none()
    return Factor(*row) if row else None


async def put_factor(tx: Transaction, user_id: str, secret: str, now: datetime) -> None:
    """A factor to be confirmed, in place of another that never was."""
    new = insert(second_factors).values(user_id=user_id, secret=secret, created_at=now)
    await tx.execute(
        new.on_conflict_do_update(
            index_elements=["user_id"], set_={"secret": secret, "created_at": now, "confirmed_at": None, "last_step": 0}
        )
    )


async def confirm_factor(tx: Transaction, user_id: str, step: int, now: datetime) -> None:
    """Logins need it from now on."""
    mine = second_factors.c.user_id == user_id
    await tx.execute(sa.update(second_factors).where(mine).values(confirmed_at=now, last_step=step))


async def use_step(tx: Transaction, user_id: str, step: int) -> None:
    """No code of this step, or one before, is accepted again."""
    await tx.execute(sa.update(second_factors).where(second_factors.c.user_id == user_id).values(last_step=step))


async def remove_factor(tx: Transaction, user_id: str) -> None:
    """Logins need no code any more."""
    await tx.execute(sa.delete(second_factors).where(second_factors.c.user_id == user_id))
    await tx.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))


async def replace_recovery_codes(tx: Transaction, user_id: str, hashes: Sequence[bytes]) -> None:
    """These are good from now on, and no others."""
    await tx.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    await tx.execute(sa.insert(recovery_codes).values([{"user_id": user_id, "code_hash": code} for code in hashes]))


async def use_recovery_code(tx: Transaction, user_id: str, code_hash: bytes) -> bool:
    """Spend a code; False when it is not one of the person's."""
    mine = sa.and_(recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == code_hash)
    return await tx.write(sa.delete(recovery_codes).where(mine)) == 1


async def recovery_codes_left(tx: Transaction, user_id: str) -> int:
    """How many have not been used."""
    return (await tx.execute(sa.select(sa.func.count()).where(recovery_codes.c.user_id == user_id))).scalar_one()
