"""Accounts looked through by admins."""

import sqlalchemy as sa

from chatcluster_user import names
from chatcluster_user.database import Transaction
from chatcluster_user.people.store import ACCOUNT, Account, to_account
from chatcluster_user.tables import users

_LAST_CODE_POINT = "\U0010ffff"


async def page(
    tx: Transaction, *, query: str | None, role: str | None, state: str | None, after: str, limit: int
) -> list[Account]:
    """At most `limit` accounts by username, after `after`; `query` is an address or how a name begins."""
    found = sa.select(*ACCOUNT).where(users.c.username > after).order_by(users.c.username).limit(limit)
    if query and "@" in query:
        found = found.where(sa.func.lower(users.c.email) == sa.func.lower(query))
    elif query:
        name, key = query.lower(), names.search_key(query)
        found = found.where(
            sa.or_(
                sa.and_(users.c.username >= name, users.c.username < name + _LAST_CODE_POINT),
                sa.and_(users.c.display_name_key >= key, users.c.display_name_key < key + _LAST_CODE_POINT),
            )
        )
    for column, wanted in ((users.c.role, role), (users.c.state, state)):
        if wanted is not None:
            found = found.where(column == wanted)
    return [to_account(row._mapping) for row in await tx.execute(found)]


async def waiting_admins(tx: Transaction, emails: frozenset[str]) -> list[str]:
    """Who has confirmed one of the addresses and is no admin yet."""
    named = sa.and_(
        sa.func.lower(users.c.email).in_(emails), users.c.email_verified_at.is_not(None), users.c.role != "admin"
    )
    return list((await tx.execute(sa.select(users.c.id).where(named))).scalars())
