"""The rows of `users`."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from chatcluster_common.permissions import Role
from chatcluster_user import names
from chatcluster_user.database import Transaction
from chatcluster_user.people.models import LastSeen, State
from chatcluster_user.tables import contacts, users

_LAST_CODE_POINT = "\U0010ffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A row of `users`."""

    id: str
    username: str
    email: str
    email_verified_at: datetime | None = None
    display_name: str
    about: str = ""
    avatar_url: str | None = None
    locale: str = "en"
    time_zone: str = "UTC"
    read_receipts: bool = True
    last_seen: LastSeen = "everyone"
    role: Role = Role.USER
    state: State = "active"
    suspended_reason: str | None = None
    password_hash: str
    created_at: datetime


class TakenError(Exception):
    """Another account has this value already; `field` says which."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


_UNIQUE = {"uq_users_username": "username", "uq_users_email_lower": "email"}
ACCOUNT = tuple(users.c[field.name] for field in fields(Account))
"""The columns of an `Account`."""


def to_account(values: Mapping[Any, Any]) -> Account:
    """The account in a row's mapping that has `ACCOUNT`."""
    found: dict[str, Any] = {column.name: values[column] for column in ACCOUNT}
    found["role"] = Role(found["role"])
    return Account(**found)


def is_id(text: str) -> bool:
    """Whether the database can be asked for it at all."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


async def add(tx: Transaction, account: Account) -> None:
    """A new account. Raises `TakenError`; the transaction is then of no more use."""
    row = {field.name: getattr(account, field.name) for field in fields(account)}
    try:
        await tx.execute(sa.insert(users).values(**row, display_name_key=names.search_key(account.display_name)))
    except IntegrityError as error:
        for constraint, field in _UNIQUE.items():
            if constraint in str(error.orig):
                raise TakenError(field) from error
        raise


async def by_id(tx: Transaction, user_id: str, *, lock: bool = False) -> Account | None:
    """The account, or None; also for text that is no id. `lock`: nobody changes it until the transaction ends."""
    return await _one(tx, users.c.id == user_id, lock=lock) if is_id(user_id) else None


async def by_login(tx: Transaction, login: str) -> Account | None:
    """The account whose username or e-mail address is `login`; case does not matter."""
    if "@" in login:
        return await _one(tx, sa.func.lower(users.c.email) == sa.func.lower(login))
    return await _one(tx, users.c.username == login.lower())


async def by_ids(tx: Transaction, user_ids: Sequence[str]) -> list[Account]:
    """Those of the accounts that exist."""
    known = [user_id for user_id in user_ids if is_id(user_id)]
    return [to_account(row._mapping) for row in await tx.execute(sa.select(*ACCOUNT).where(users.c.id.in_(known)))]


async def by_names(tx: Transaction, usernames: Sequence[str]) -> list[tuple[str, str]]:
    """Id and username of those whom the names belong to and who are active."""
    wanted = {name.lower() for name in usernames if "\0" not in name}
    mentioned = sa.and_(users.c.username.in_(wanted), users.c.state == "active")
    return [(row[0], row[1]) for row in await tx.execute(sa.select(users.c.id, users.c.username).where(mentioned))]


async def search(tx: Transaction, caller_id: str, prefix: str, after: str, limit: int) -> list[Account]:
    """At most `limit` active accounts whose username or display name begins with `prefix`, by username, after `after`;
    without those that block `caller_id` or are blocked by them."""
    name, key = prefix.lower(), names.search_key(prefix)
    found = sa.or_(
        sa.and_(users.c.username >= name, users.c.username < name + _LAST_CODE_POINT),
        sa.and_(users.c.display_name_key >= key, users.c.display_name_key < key + _LAST_CODE_POINT),
    )
    query = sa.select(*ACCOUNT).where(found, users.c.state == "active", users.c.username > after)
    if is_id(caller_id):
        either_way = sa.or_(
            sa.and_(contacts.c.user_id == caller_id, contacts.c.other_id == users.c.id),
            sa.and_(contacts.c.user_id == users.c.id, contacts.c.other_id == caller_id),
        )
        query = query.where(~sa.exists().where(either_way, contacts.c.state == "blocked"))
    rows = await tx.execute(query.order_by(users.c.username).limit(limit))
    return [to_account(row._mapping) for row in rows]


async def change(tx: Transaction, user_id: str, **values: object) -> Account | None:
    """The changed account, or None when it is gone."""
    if "display_name" in values:
        values["display_name_key"] = names.search_key(str(values["display_name"]))
    rows = await tx.execute(sa.update(users).where(users.c.id == user_id).values(**values).returning(*ACCOUNT))
    row = rows.one_or_none()
    return to_account(row._mapping) if row else None


async def lock_admins(tx: Transaction) -> None:
    """Nobody else makes or unmakes an admin until the transaction ends."""
    await tx.lock("admins")


async def other_admins(tx: Transaction, user_id: str) -> int:
    """How many active admins there are besides; call `lock_admins` before."""
    others = sa.and_(users.c.role == Role.ADMIN, users.c.state == "active", users.c.id != user_id)
    return (await tx.execute(sa.select(sa.func.count()).where(others))).scalar_one()


async def _one(tx: Transaction, condition: sa.ColumnElement[bool], *, lock: bool = False) -> Account | None:
    query = sa.select(*ACCOUNT).where(condition)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return to_account(row._mapping) if row else None
