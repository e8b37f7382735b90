"""The rows of `attempts`: failures so far of what is throttled."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chatcluster_common import errors
from chatcluster_user.database import Transaction
from chatcluster_user.sign_in import throttle
from chatcluster_user.sign_in.throttle import Limit
from chatcluster_user.tables import attempts

_PURGE_BATCH = 1000


async def admit(tx: Transaction, limits: Sequence[Limit], now: datetime) -> None:
    """Count an attempt as a failure until `refund` or `succeeded`, so that of many at once none is free.

    Raises a 429 `Problem` while it must wait; it does not count then.
    """
    await _lock(tx, limits)
    query = sa.select(attempts).where(attempts.c.key.in_([limit.key for limit in limits]))
    known = {row.key: row for row in await tx.execute(query)}
    longest = max(
        (
            throttle.wait(limit.policy, known[limit.key].failures, known[limit.key].last_at, now)
            for limit in limits
            if limit.key in known
        ),
        default=timedelta(0),
    )
    if longest > timedelta(0):
        raise too_many(longest)
    for limit in limits:
        new = insert(attempts).values(key=limit.key, failures=1, last_at=now)
        failures = sa.case((attempts.c.last_at <= now - limit.policy.forget, 1), else_=attempts.c.failures + 1)
        await tx.execute(new.on_conflict_do_update(index_elements=["key"], set_={"failures": failures, "last_at": now}))


async def refund(tx: Transaction, limits: Sequence[Limit]) -> None:
    """The attempt was no failure."""
    await _lock(tx, limits)
    keys = [limit.key for limit in limits]
    await tx.execute(
        sa.update(attempts)
        .where(attempts.c.key.in_(keys), attempts.c.failures > 0)
        .values(failures=attempts.c.failures - 1)
    )


async def _lock(tx: Transaction, limits: Sequence[Limit]) -> None:
    """One login at a time for an account; those of a network, which may be a whole town's, do not wait for each other
    and may overshoot its limit by as many as come at once."""
    await tx.lock(*(limit.key.hex() for limit in limits if limit.policy is not throttle.NETWORK))


async def succeeded(tx: Transaction, limits: Sequence[Limit]) -> None:
    """Who attempted it is who they said. The first and narrowest limit begins anew; of the others, that strangers may
    have brought about, this one attempt is taken back."""
    await refund(tx, limits)
    await tx.execute(sa.delete(attempts).where(attempts.c.key == limits[0].key))


async def purge(tx: Transaction, now: datetime) -> bool:
    """Delete some of what is forgotten anyway; whether there may be more."""
    old = (
        sa.select(attempts.c.key)
        .where(attempts.c.last_at <= now - throttle.LONGEST_MEMORY)
        .limit(_PURGE_BATCH)
        .with_for_update(skip_locked=True)
    )
    return await tx.write(sa.delete(attempts).where(attempts.c.key.in_(old))) == _PURGE_BATCH


_TOO_MANY = "Too many attempts. Wait a little, sign in on a device you have used before, or set a new password."


def too_many(wait: timedelta, detail: str = _TOO_MANY) -> errors.Problem:
    """429 with the seconds to wait."""
    return errors.Problem(429, "too_many_attempts", detail, retry_seconds=max(1.0, wait.total_seconds()))
