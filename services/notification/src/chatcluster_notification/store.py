"""PostgreSQL, and the only module that speaks to it: preferences and push subscriptions, which survive Redis."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chatcluster_common.clock import utc_now
from chatcluster_common.database import Schema, transaction
from chatcluster_common.ids import is_id, new_id
from chatcluster_notification.models import (
    MOST_CONVERSATIONS,
    WEEKDAYS,
    ConversationPreferences,
    NotificationChannels,
    Preferences,
    PushSubscriptionRequest,
    QuietTimes,
    base64url,
)
from chatcluster_notification.rules import Level
from chatcluster_notification.tables import conversation_preferences, preferences, push_subscriptions

SCHEMA = Schema("notification", Path(__file__).parent / "migrations")

MOST_SUBSCRIPTIONS = 20
"""For one person; the oldest goes."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row of `push_subscriptions`."""

    id: str
    user_id: str
    session_id: str
    endpoint: str
    public_key: bytes
    auth_secret: bytes
    user_agent: str
    created_at: datetime
    expires_at: datetime | None


_SUBSCRIPTION = tuple(push_subscriptions.c[name] for name in Subscription.__slots__)


class TooManyError(Exception):
    """There are `MOST_CONVERSATIONS` already."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What applies to one person in one conversation."""

    preferences: Preferences
    """`conversations` is left empty."""
    conversation: ConversationPreferences
    has_push: bool
    """Whether there is a device to push to."""


class NotificationStore:
    """What people have set, and their devices."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(sa.select(1))

    async def preferences(self, user_id: str) -> Preferences:
        """A person's preferences; the defaults for somebody who has set nothing."""
        mine = conversation_preferences.c.user_id == user_id
        async with self._transaction() as connection:
            row = (await connection.execute(sa.select(preferences).where(preferences.c.user_id == user_id))).first()
            rows = (await connection.execute(sa.select(conversation_preferences).where(mine))).all()
        found = _preferences(row) if row else Preferences()
        return found.model_copy(update={"conversations": {each.conversation_id: _conversation(each) for each in rows}})

    async def chosen(self, user_ids: Sequence[str], conversation_id: str) -> dict[str, Chosen]:
        """What applies to each of the people in the conversation."""
        per_conversation = sa.select(conversation_preferences).where(
            conversation_preferences.c.user_id.in_(user_ids),
            conversation_preferences.c.conversation_id == conversation_id,
        )
        devices = sa.select(push_subscriptions.c.user_id).where(push_subscriptions.c.user_id.in_(user_ids)).distinct()
        async with self._transaction() as connection:
            everywhere = await connection.execute(sa.select(preferences).where(preferences.c.user_id.in_(user_ids)))
            people = {row.user_id: _preferences(row) for row in everywhere}
            here = {row.user_id: _conversation(row) for row in await connection.execute(per_conversation)}
            with_push = {row.user_id for row in await connection.execute(devices)}
        return {
            user_id: Chosen(
                people.get(user_id) or Preferences(),
                here.get(user_id) or ConversationPreferences(),
                user_id in with_push,
            )
            for user_id in user_ids
        }

    async def set_preferences(self, user_id: str, wanted: Preferences) -> None:
        """Replace all of a person's preferences."""
        rows = [
            {"user_id": user_id, "conversation_id": conversation_id, **each.model_dump()}
            for conversation_id, each in wanted.conversations.items()
        ]
        async with self._transaction() as connection:
            statement = insert(preferences).values(user_id=user_id, **_columns(wanted))
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["user_id"], set_=dict(_columns(wanted)))
            )
            mine = conversation_preferences.c.user_id == user_id
            await connection.execute(sa.delete(conversation_preferences).where(mine))
            if rows:
                await connection.execute(sa.insert(conversation_preferences), rows)

    async def set_conversation(self, user_id: str, conversation_id: str, wanted: ConversationPreferences) -> None:
        """Set what differs in one conversation. Raises `TooManyError`."""
        async with self._transaction() as connection:
            # The person's row is there first, and locked: two devices that add conversations are counted in turn.
            await connection.execute(
                insert(preferences).values(user_id=user_id, **_columns(Preferences())).on_conflict_do_nothing()
            )
            await connection.execute(sa.select(preferences).where(preferences.c.user_id == user_id).with_for_update())
            statement = insert(conversation_preferences).values(
                user_id=user_id, conversation_id=conversation_id, **wanted.model_dump()
            )
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["user_id", "conversation_id"], set_=wanted.model_dump())
            )
            mine = sa.select(sa.func.count()).where(conversation_preferences.c.user_id == user_id)
            if (await connection.execute(mine)).scalar_one() > MOST_CONVERSATIONS:
                raise TooManyError

    async def forget_conversation(self, user_id: str, conversation_id: str) -> None:
        """The conversation follows the default again."""
        which = sa.and_(
            conversation_preferences.c.user_id == user_id,
            conversation_preferences.c.conversation_id == conversation_id,
        )
        async with self._transaction() as connection:
            await connection.execute(sa.delete(conversation_preferences).where(which))

    async def stop_mails(self, user_id: str) -> None:
        """No notification goes to the person by e-mail any more."""
        columns = _columns(Preferences(channels=NotificationChannels(email=False)))
        async with self._transaction() as connection:
            statement = insert(preferences).values(user_id=user_id, **columns)
            await connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_={"email": False}))

    async def subscribe(
        self, user_id: str, session_id: str, user_agent: str, wanted: PushSubscriptionRequest
    ) -> Subscription:
        """Keep a device. One that is known already keeps its id, and is the caller's from now on."""
        expires = wanted.expirationTime
        values: dict[str, Any] = {
            "user_id": user_id,
            "session_id": session_id,
            "endpoint": wanted.endpoint,
            "public_key": base64url(wanted.keys.p256dh),
            "auth_secret": base64url(wanted.keys.auth),
            "user_agent": user_agent,
            "created_at": utc_now(),
            "expires_at": None if expires is None else datetime.fromtimestamp(expires / 1000, utc_now().tzinfo),
        }
        digest = hashlib.sha256(wanted.endpoint.encode()).digest()
        statement = (
            insert(push_subscriptions)
            .values(id=new_id(), endpoint_hash=digest, **values)
            .on_conflict_do_update(index_elements=["endpoint_hash"], set_=values)
            .returning(*_SUBSCRIPTION)
        )
        mine = push_subscriptions.c.user_id == user_id
        newest = (
            sa.select(push_subscriptions.c.id)
            .where(mine)
            .order_by(push_subscriptions.c.created_at.desc(), push_subscriptions.c.id.desc())
            .limit(MOST_SUBSCRIPTIONS)
        )
        async with self._transaction() as connection:
            row = (await connection.execute(statement)).one()
            await connection.execute(sa.delete(push_subscriptions).where(mine, push_subscriptions.c.id.not_in(newest)))
            return Subscription(*row)

    async def subscriptions(self, user_id: str) -> list[Subscription]:
        """The person's devices whose subscription has not expired, oldest first."""
        expires = push_subscriptions.c.expires_at
        living = sa.or_(expires.is_(None), expires > utc_now())
        query = (
            sa.select(*_SUBSCRIPTION)
            .where(push_subscriptions.c.user_id == user_id, living)
            .order_by(push_subscriptions.c.created_at, push_subscriptions.c.id)
        )
        async with self._transaction() as connection:
            return [Subscription(*row) for row in await connection.execute(query)]

    async def subscription(self, subscription_id: str) -> Subscription | None:
        """One device, or None when it is gone."""
        query = sa.select(*_SUBSCRIPTION).where(push_subscriptions.c.id == subscription_id)
        async with self._transaction() as connection:
            row = (await connection.execute(query)).first()
            return Subscription(*row) if row else None

    async def unsubscribe(self, user_id: str, subscription_id: str | None = None) -> bool:
        """Forget one of the person's devices, or all of them; False when there was none."""
        if subscription_id is not None and not is_id(subscription_id):
            return False
        which = [push_subscriptions.c.user_id == user_id]
        if subscription_id is not None:
            which.append(push_subscriptions.c.id == subscription_id)
        return await self._forget_devices(*which)

    async def end_session(self, session_id: str) -> None:
        """Forget the devices that were subscribed in a session."""
        await self._forget_devices(push_subscriptions.c.session_id == session_id)

    async def erase(self, user_id: str) -> None:
        """Forget a person."""
        async with self._transaction() as connection:
            for table in (push_subscriptions, preferences):  # those of conversations go with the latter
                await connection.execute(sa.delete(table).where(table.c.user_id == user_id))

    async def _forget_devices(self, *which: sa.ColumnElement[bool]) -> bool:
        async with self._transaction() as connection:
            return (await connection.execute(sa.delete(push_subscriptions).where(*which))).rowcount > 0

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return transaction(self._engine)


def _columns(wanted: Preferences) -> dict[str, Any]:
    quiet = wanted.quiet_hours
    return {
        "default_level": wanted.default_level,
        "muted_until": wanted.muted_until,
        "email": wanted.channels.email,
        "push": wanted.channels.push,
        "digest_minutes": wanted.digest_minutes,
        "quiet_start": quiet.start if quiet else None,
        "quiet_end": quiet.end if quiet else None,
        "quiet_days": _numbers(quiet.days) if quiet else None,
        "quiet_zone": quiet.time_zone if quiet else None,
    }


def _numbers(days: Iterable[str]) -> list[int]:
    return sorted(WEEKDAYS.index(day) for day in days)  # pyright: ignore[reportArgumentType]


def _preferences(row: sa.Row[Any]) -> Preferences:
    quiet = None
    if row.quiet_start is not None:
        # Built as it is: a later release of the time zone database may not know the zone any more.
        quiet = QuietTimes.model_construct(
            start=row.quiet_start,
            end=row.quiet_end,
            days={WEEKDAYS[number] for number in row.quiet_days},
            time_zone=row.quiet_zone,
        )
    return Preferences.model_construct(
        default_level=Level(row.default_level),
        muted_until=row.muted_until,
        channels=NotificationChannels(email=row.email, push=row.push),
        quiet_hours=quiet,
        digest_minutes=row.digest_minutes,
        conversations={},
    )


def _conversation(row: sa.Row[Any]) -> ConversationPreferences:
    level = Level(row.level) if row.level is not None else None
    return ConversationPreferences.model_construct(level=level, muted_until=row.muted_until)
