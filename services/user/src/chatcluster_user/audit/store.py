"""The rows of `audit_events`: written in the transaction of what they tell, read by page, deleted when old."""

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from chatcluster_common import ids
from chatcluster_common.clock import utc_now
from chatcluster_user.client import Client
from chatcluster_user.database import Transaction
from chatcluster_user.people.store import is_id
from chatcluster_user.tables import audit_events

EventKind = Literal[
    "registered",
    "signed_in",
    "sign_in_failed",
    "signed_out",
    "sessions_ended",
    "refresh_token_reused",
    "email_verified",
    "password_changed",
    "password_reset_requested",
    "password_reset",
    "totp_enabled",
    "totp_disabled",
    "recovery_code_used",
    "recovery_codes_replaced",
    "role_changed",
    "suspended",
    "unsuspended",
    "exported",
    "erased",
]

_PURGE_BATCH = 1000
NOBODY = Client(address="", user_agent="")
"""The service itself, or a command of its operator."""


async def record(
    tx: Transaction,
    kind: EventKind,
    client: Client,
    *,
    user_id: str | None,
    actor_id: str | None = None,
    **details: Any,
) -> None:
    """Write an event about `user_id`. `details` hold ids and plain facts, never names, addresses or secrets: the log
    outlives the account."""
    await tx.execute(
        sa.insert(audit_events).values(
            id=ids.new_id(),
            at=utc_now(),
            kind=kind,
            user_id=user_id,
            actor_id=actor_id,
            address=client.address,
            user_agent=client.user_agent,
            details=details,
        )
    )


async def page(
    tx: Transaction,
    *,
    user_id: str | None = None,
    actor_id: str | None = None,
    kind: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[sa.RowMapping]:
    """At most `limit` events, the latest first, before the event `before`."""
    query = sa.select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
    for column, wanted in ((audit_events.c.user_id, user_id), (audit_events.c.actor_id, actor_id)):
        if wanted is not None:
            query = query.where(column == wanted if is_id(wanted) else sa.false())
    if kind is not None:
        query = query.where(audit_events.c.kind == kind)
    if before is not None:
        query = query.where(audit_events.c.id < before)
    return list((await tx.execute(query)).mappings())


async def purge(tx: Transaction, before: datetime) -> bool:
    """Delete some events that are older; whether there may be more."""
    await tx.execute(sa.select(sa.func.set_config("chatcluster.audit_purge", before.isoformat(), True)))
    old = sa.select(audit_events.c.id).where(audit_events.c.at < before).limit(_PURGE_BATCH)
    return await tx.write(sa.delete(audit_events).where(audit_events.c.id.in_(old))) == _PURGE_BATCH
