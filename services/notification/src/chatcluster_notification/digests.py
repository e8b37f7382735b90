"""From a batch that is due to what is sent: looked at again, for much may have changed while it was held."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.ids import new_id
from chatcluster_notification.inbox import Inbox
from chatcluster_notification.jobs import Digest, EmailJob, Item, Job, PushJob
from chatcluster_notification.models import ConversationPreferences, Preferences
from chatcluster_notification.notifier import SUPPRESSED, needs_time_zone, notification, wishes
from chatcluster_notification.outbox import Batch, Outbox
from chatcluster_notification.people import People
from chatcluster_notification.rules import Notify, decide
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.store import NotificationStore

log = logs.get_logger(__name__)

LEASE_SECONDS = 60.0
"""Longer than closing a batch can take: a few look-ups with their time limits."""
_AGAIN_SECONDS = 15.0
_LONGEST_HELD = timedelta(days=7)


class Closer:
    """Closes batches: those of people who went active meanwhile, or want it no more, come to nothing."""

    def __init__(
        self, settings: NotificationSettings, store: NotificationStore, outbox: Outbox, inbox: Inbox, people: People
    ) -> None:
        self._settings = settings
        self._store = store
        self._outbox = outbox
        self._inbox = inbox
        self._active = timedelta(seconds=settings.active_seconds)
        self._people = people

    async def claim(self) -> Batch | None:
        """The batch that is due longest."""
        return await self._outbox.claim_batch(LEASE_SECONDS)

    async def work(self, batch: Batch) -> None:
        """Close the batch, or let it wait. Raises `RedisError` when Redis is away: the lease ends by itself."""
        now = utc_now()
        try:
            preferences = await self._store.preferences(batch.user_id)
            items, held_until = await self._still_wanted(batch, preferences, now)
            if items and held_until > now:
                await self._outbox.postpone(batch, items, held_until)
                return
            for item in items:
                if not item.listed:
                    await self._inbox.add([batch.user_id], notification(item))
            jobs = await self._jobs(batch, items, now) if items else []
        except Exception as error:
            if isinstance(error, errors.Problem):
                log.warning("a batch waits: something does not answer", batch=batch.id)
            else:
                log.exception("a batch could not be closed", batch=batch.id)
            # What is too old by then is left out, so that this comes to an end.
            await self._outbox.postpone(batch, batch.digest.items, now + timedelta(seconds=_AGAIN_SECONDS))
            return
        await self._outbox.close(batch, jobs, self._pause(batch, preferences) if jobs else timedelta())

    async def _still_wanted(
        self, batch: Batch, preferences: Preferences, now: datetime
    ) -> tuple[Sequence[Item], datetime]:
        """The messages to tell of, and when."""
        user_id, items = batch.user_id, batch.digest.items
        if not (preferences.channels.email if batch.channel == "email" else preferences.channels.push):
            SUPPRESSED.labels("no_channel").inc(len(items))
            return [], now
        presence = (await self._people.presence([user_id]))[user_id]
        blocked = await self._people.blocked(user_id, sorted({item.sender_id for item in items}))
        zones = await self._people.time_zones([user_id] if needs_time_zone(preferences) else [])
        kept: list[Item] = []
        at = now
        for item in items:
            if now - item.occurred_at > _LONGEST_HELD:
                SUPPRESSED.labels("stale").inc()
                continue
            here = preferences.conversations.get(item.conversation_id) or ConversationPreferences()
            decision = decide(
                wishes(preferences, here, zones.get(user_id, "UTC")),
                item.relevance,
                presence,
                blocked=item.sender_id in blocked,
                now=now,
                not_before=now,
                seen_by=item.occurred_at + self._active,
            )
            if isinstance(decision, Notify):
                kept.append(item)
                at = max(at, decision.at)
            else:
                SUPPRESSED.labels(decision.reason).inc()
        return kept, at

    async def _jobs(self, batch: Batch, items: Sequence[Item], now: datetime) -> list[Job]:
        digest = Digest(items=list(items), earlier=batch.digest.earlier)
        name = f"{batch.channel}:{batch.user_id}"
        if batch.channel == "email":
            return [EmailJob(id=f"{name}:{new_id()}", recipient_id=batch.user_id, created_at=now, digest=digest)]
        return [
            PushJob(
                id=f"{name}:{new_id()}",
                recipient_id=batch.user_id,
                subscription_id=subscription.id,
                created_at=now,
                digest=digest,
            )
            for subscription in await self._store.subscriptions(batch.user_id)
        ]

    def _pause(self, batch: Batch, preferences: Preferences) -> timedelta:
        if batch.channel == "push":
            return timedelta(seconds=self._settings.push_window_seconds)
        if preferences.digest_minutes is not None:
            return timedelta(minutes=preferences.digest_minutes)
        return timedelta(seconds=self._settings.email_window_seconds)
