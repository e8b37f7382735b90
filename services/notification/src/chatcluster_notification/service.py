"""The rules: who is told about a message, and when a mail is given up on."""

import random
from typing import Any

from aiokafka.structs import ConsumerRecord
from prometheus_client import Counter, Histogram
from redis.exceptions import RedisError

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.events import DependencyAwayError, MessageCreated
from chatcluster_common.internal import InternalClient
from chatcluster_common.recent import Recent
from chatcluster_notification import mail
from chatcluster_notification.addresses import AddressError
from chatcluster_notification.models import Claim, MailJob, Notification
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.smtp import MailDelayedError, Mailer, MailRefusedError
from chatcluster_notification.store import SEEN_LIFETIME, NotificationStore

log = logs.get_logger(__name__)

LEASE_SECONDS = 60.0
"""Longer than sending one mail can take: two look-ups and the mail server's time limits."""
MAX_ATTEMPTS = 15
"""With the pauses below, about an hour."""
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 600.0
_IDS_A_CALL = 100
_STATUS_SECONDS = 1.0
"""How old a person's status may be: a burst of messages costs one question."""

MAILS = Counter("chat_notification_mails_total", "Attempts to send a mail, by result.", ["result"])
SUPPRESSED = Counter("chat_notification_suppressed_total", "Notifications not mailed, by reason.", ["reason"])
DELAY_SECONDS = Histogram(
    "chat_notification_delay_seconds",
    "From the event to the mail server's taking the mail.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
)


class Notifier:
    """Turns events into notifications and mails to send."""

    def __init__(self, settings: NotificationSettings, store: NotificationStore, presence: InternalClient) -> None:
        self._settings = settings
        self._store = store
        self._presence = presence
        self._status = Recent[str, str](seconds=_STATUS_SECONDS)

    async def handle(self, event: MessageCreated) -> None:
        """Tell those members who are neither the sender nor online. Safe to repeat."""
        message = event.message
        try:
            away = await self._away([m for m in event.conversation.member_ids if m != message.sender_id])
            if not away:
                return
            notification = Notification(
                id=event.id,
                conversation_id=event.conversation.id,
                message_id=message.id,
                sender_id=message.sender_id,
                preview=mail.preview(message.body),
                created_at=message.created_at,
            )
            await self._store.add_notifications(away, notification)
            await self._queue_mails(event, away)
        except (errors.Problem, RedisError, OSError) as error:
            raise DependencyAwayError(type(error).__name__) from error

    async def bury(self, record: "ConsumerRecord[bytes, bytes]", reason: str) -> None:
        """Put aside an event that cannot be handled."""
        where = f"{record.topic}/{record.partition}/{record.offset}"
        await self._store.bury(f"event {where}", reason, (record.value or b"")[:4096].decode(errors="replace"))

    async def _away(self, user_ids: list[str]) -> list[str]:
        status = {user_id: known for user_id in user_ids if (known := self._status.get(user_id)) is not None}
        unknown = [user_id for user_id in user_ids if user_id not in status]
        for first in range(0, len(unknown), _IDS_A_CALL):
            some = unknown[first : first + _IDS_A_CALL]
            answer = await self._presence.get("/internal/presence", {"user_ids": ",".join(some)})
            told = {item["user_id"]: item["status"] for item in (answer or {"items": []})["items"]}
            for user_id in some:
                # Unknown counts as away, and so does an invisible one who is there: a mail must not give them away.
                status[user_id] = told.get(user_id, "offline")
                self._status.put(user_id, status[user_id])
        away = [user_id for user_id in user_ids if status[user_id] not in {"online", "away", "dnd"}]
        SUPPRESSED.labels("online").inc(len(user_ids) - len(away))
        return away

    async def _queue_mails(self, event: MessageCreated, away: list[str]) -> None:
        if not self._settings.smtp_host:
            SUPPRESSED.labels("no_mail_server").inc(len(away))
            return
        if utc_now() - event.occurred_at > SEEN_LIFETIME:
            SUPPRESSED.labels("stale").inc(len(away))
            return
        for user_id in away:
            job = MailJob(
                event_id=event.id,
                recipient_id=user_id,
                sender_id=event.message.sender_id,
                conversation_id=event.conversation.id,
                conversation_type=event.conversation.type,
                conversation_name=event.conversation.name,
                preview=mail.preview(event.message.body),
                occurred_at=event.occurred_at,
            )
            decision = await self._store.decide(job, self._settings.email_window_seconds)
            if decision != "queued":
                SUPPRESSED.labels(decision).inc()


class Postman:
    """Sends the mails that wait: one call, one mail."""

    def __init__(
        self, settings: NotificationSettings, store: NotificationStore, user: InternalClient, mailer: Mailer
    ) -> None:
        self._settings = settings
        self._store = store
        self._user = user
        self._mailer = mailer

    async def send_next(self) -> bool:
        """Try the mail that is due longest; False when none is. Raises `RedisError` when Redis is away."""
        claim = await self._store.claim(LEASE_SECONDS)
        if claim is None:
            return False
        job = claim.job
        try:
            sent = await self._send(job)
        except (MailDelayedError, errors.Problem) as error:
            await self._again(claim, error)
        except (MailRefusedError, AddressError) as error:
            await self._give_up(job, str(error))
        except Exception as error:
            # Not foreseen, so maybe for this mail alone: it must come to an end as well.
            log.exception("a mail failed unexpectedly", job=job.id)
            await self._again(claim, error)
        else:
            await self._store.done(job)
            if sent:
                MAILS.labels("sent").inc()
                DELAY_SECONDS.observe(max((utc_now() - job.occurred_at).total_seconds(), 0))
            else:
                SUPPRESSED.labels("no_address").inc()
        return True

    async def _send(self, job: MailJob) -> bool:
        answer = await self._user.post("/internal/users/lookup", {"ids": [job.recipient_id, job.sender_id]})
        people: dict[str, dict[str, Any]] = {item["id"]: item for item in (answer or {"items": []})["items"]}
        recipient = people.get(job.recipient_id, {})
        if not recipient.get("email"):
            return False
        await self._mailer.send(
            mail.build(
                job,
                sender=self._settings.sender,
                sender_name=_name(people.get(job.sender_id, {})),
                recipient_name=_name(recipient),
                recipient_address=recipient["email"],
                public_url=self._settings.public_url,
            )
        )
        return True

    async def _again(self, claim: Claim, error: Exception) -> None:
        if claim.attempt >= MAX_ATTEMPTS:
            await self._give_up(claim.job, f"after {claim.attempt} attempts: {_reason(error)}")
            return
        delay = pause(claim.attempt)
        MAILS.labels("delayed").inc()
        log.warning("mail delayed", job=claim.job.id, reason=_reason(error), attempt=claim.attempt, retry_seconds=delay)
        await self._store.retry(claim.job, delay)

    async def _give_up(self, job: MailJob, reason: str) -> None:
        MAILS.labels("dead").inc()
        log.error("mail given up on", job=job.id, reason=reason)
        # First put aside, then forgotten: a crash between leaves two entries rather than none.
        await self._store.bury(f"mail {job.id}", reason, job.model_dump_json())
        await self._store.done(job)


def pause(attempt: int) -> float:
    """Seconds to wait after that attempt (1 is the first): doubling, bounded, spread by a quarter."""
    pause = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    return round(pause * random.uniform(0.75, 1.25), 3)  # noqa: S311 jitter


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, MailDelayedError) else type(error).__name__


def _name(person: dict[str, Any]) -> str:
    return str(person.get("display_name") or person.get("username") or "")
