"""From an event to people's lists and batches: who is told of a message, by what channel, when."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aiokafka.structs import ConsumerRecord
from prometheus_client import Counter
from redis.exceptions import RedisError

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_common.events import DependencyAwayError, MessageCreated
from chatcluster_notification import mail
from chatcluster_notification.inbox import Inbox
from chatcluster_notification.jobs import CHANNELS, Channel, Item
from chatcluster_notification.models import WEEKDAYS, ConversationPreferences, Notification, Preferences, QuietTimes
from chatcluster_notification.outbox import SEEN_LIFETIME, Addition, Outbox
from chatcluster_notification.people import People
from chatcluster_notification.quiet import QuietHours
from chatcluster_notification.rules import Notify, Presence, Reason, Wishes, decide
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.store import Chosen, NotificationStore

SUPPRESSED = Counter(
    "chat_notification_suppressed_total", "Messages that people were not told of, by reason.", ["reason"]
)

_LISTED = {Reason.DO_NOT_DISTURB}
"""Reasons for which a message is on the list all the same: the person wants to find it later."""
_MOST_RECORD_BYTES = 65_536


def wishes(preferences: Preferences, conversation: ConversationPreferences, time_zone: str) -> Wishes:
    """What a person's preferences mean in one conversation; `time_zone` is that of their profile."""
    mutes = [until for until in (preferences.muted_until, conversation.muted_until) if until is not None]
    return Wishes(
        level=conversation.level or preferences.default_level,
        muted_until=max(mutes, default=None),
        quiet=_quiet(preferences.quiet_hours, time_zone),
    )


def needs_time_zone(preferences: Preferences) -> bool:
    """Whether the profile's time zone has to be known."""
    return preferences.quiet_hours is not None and preferences.quiet_hours.time_zone is None


class Notifier:
    """Handles the events of new messages. Safe to repeat."""

    def __init__(
        self, settings: NotificationSettings, store: NotificationStore, outbox: Outbox, inbox: Inbox, people: People
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._inbox = inbox
        self._people = people
        self._active = timedelta(seconds=settings.active_seconds)
        self._mail = bool(settings.smtp_host)
        self._push = bool(settings.vapid_key.get_secret_value())

    async def handle(self, event: MessageCreated) -> None:
        """Tell those members who are to be told. Raises `DependencyAwayError`: try again later."""
        try:
            await self._handle(event)
        except (errors.Problem, RedisError, OSError) as error:
            raise DependencyAwayError(type(error).__name__) from error

    async def bury(self, record: "ConsumerRecord[bytes, bytes]", reason: str) -> None:
        """Put aside an event that cannot be handled."""
        where = f"{record.topic}/{record.partition}/{record.offset}"
        content = (record.value or b"")[:_MOST_RECORD_BYTES].decode(errors="replace")
        await self._outbox.bury("event", "", f"{where}: {reason}", content)

    async def _handle(self, event: MessageCreated) -> None:
        sender = event.message.sender_id
        presence = await self._people.presence([m for m in event.conversation.member_ids if m != sender])
        # Of most messages in a busy place nobody needs to be told: no more is asked about those who are there.
        items = {user_id: _item(event, user_id, listed=not what.active) for user_id, what in presence.items()}
        told = [user_id for user_id, item in items.items() if not presence[user_id].active or item.relevance.personal]
        SUPPRESSED.labels(Reason.ACTIVE).inc(len(items) - len(told))
        if not told:
            return
        blockers = await self._people.blockers(sender, told)
        chosen = await self._store.chosen(told, event.conversation.id)
        zones = await self._people.time_zones([u for u in told if needs_time_zone(chosen[u].preferences)])
        pauses = await self._outbox.pauses(told)
        listed: list[str] = []
        additions: list[Addition] = []
        for user_id in told:
            item = items[user_id]
            wanted = wishes(chosen[user_id].preferences, chosen[user_id].conversation, zones.get(user_id, "UTC"))
            due, reason = self._decide(
                wanted,
                item,
                presence[user_id],
                blocked=user_id in blockers,
                pauses={channel: pauses[channel, user_id] for channel in CHANNELS if (channel, user_id) in pauses},
            )
            if item.listed and (reason is None or reason in _LISTED):
                listed.append(user_id)
            if reason is None:
                due = self._by_channel(event, chosen[user_id], due)
            else:
                SUPPRESSED.labels(reason).inc()
            if due:
                additions.append(Addition(user_id, item, due))
        if listed:
            await self._inbox.add(listed, notification(items[listed[0]]))
        if additions:
            SUPPRESSED.labels("seen").inc(len(additions) - await self._outbox.add(additions))

    def _decide(
        self, wanted: Wishes, item: Item, presence: Presence, *, blocked: bool, pauses: Mapping[Channel, datetime]
    ) -> tuple[dict[Channel, datetime], Reason | None]:
        now = utc_now()
        due: dict[Channel, datetime] = {}
        for channel in CHANNELS:
            not_before = pauses.get(channel, now)
            decision = decide(
                wanted,
                item.relevance,
                presence,
                blocked=blocked,
                now=now,
                not_before=not_before,
                seen_by=item.occurred_at + self._active,
            )
            if not isinstance(decision, Notify):
                return {}, decision.reason
            due[channel] = decision.at
        return due, None

    def _by_channel(
        self, event: MessageCreated, chosen: Chosen, due: Mapping[Channel, datetime]
    ) -> dict[Channel, datetime]:
        """Those of the channels that there are, and that the person wants."""
        if utc_now() - event.occurred_at > SEEN_LIFETIME:
            SUPPRESSED.labels("stale").inc()
            return {}
        wanted: dict[Channel, bool] = {
            "email": self._mail and chosen.preferences.channels.email,
            "push": self._push and chosen.preferences.channels.push and chosen.has_push,
        }
        left: dict[Channel, datetime] = {channel: at for channel, at in due.items() if wanted[channel]}
        if not left:
            SUPPRESSED.labels("no_channel").inc()
        return left


def _item(event: MessageCreated, user_id: str, *, listed: bool) -> Item:
    message, conversation = event.message, event.conversation
    return Item(
        event_id=event.id,
        message_id=message.id,
        conversation_id=conversation.id,
        conversation_type=conversation.type,
        conversation_name=conversation.name,
        sender_id=message.sender_id,
        preview=mail.preview(message.body),
        occurred_at=event.occurred_at,
        created_at=message.created_at,
        listed=listed,
        mentioned=event.mentions_all or user_id in message.mentions,
        reply=message.thread_root is not None,
        follower=user_id in event.thread_follower_ids,
    )


def notification(item: Item) -> Notification:
    """What a person's list has of a message."""
    return Notification(
        id=item.event_id,
        conversation_id=item.conversation_id,
        message_id=item.message_id,
        sender_id=item.sender_id,
        preview=item.preview,
        created_at=item.created_at,
    )


def _quiet(quiet: QuietTimes | None, time_zone: str) -> QuietHours | None:
    if quiet is None:
        return None
    return QuietHours(
        start=quiet.start,
        end=quiet.end,
        days=frozenset(WEEKDAYS.index(day) for day in quiet.days),
        zone=_zone(quiet.time_zone or time_zone),
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # a zone that this release's database does not have
        return ZoneInfo("UTC")
