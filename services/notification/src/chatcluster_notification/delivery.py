"""From a job to the mail server or push service, and what becomes of one that is not taken."""

import hashlib
import random

import orjson
from prometheus_client import Counter, Histogram

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_notification import account_mails, mail
from chatcluster_notification.addresses import AddressError
from chatcluster_notification.jobs import AccountJob, Digest, EmailJob, Job, PushJob, Queue
from chatcluster_notification.notifier import SUPPRESSED
from chatcluster_notification.outbox import Claim, Outbox
from chatcluster_notification.outcomes import DelayedError, GoneError, RefusedError
from chatcluster_notification.people import People, Person
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.smtp import Mailer
from chatcluster_notification.store import NotificationStore
from chatcluster_notification.unsubscribe import UnsubscribeLinks
from chatcluster_notification.webpush import MOST_BYTES, Push, PushSender

log = logs.get_logger(__name__)

LEASE_SECONDS = 60.0
"""Longer than sending once can take: two look-ups and the server's time limits."""
MAX_ATTEMPTS = 15
"""With the pauses below, about an hour."""
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 600.0
_PUSH_PREVIEW_CHARACTERS = 240

DELIVERIES = Counter(
    "chat_notification_deliveries_total", "Attempts to hand something over, by queue and result.", ["queue", "result"]
)
DELAY_SECONDS = Histogram(
    "chat_notification_delay_seconds",
    "From the newest message told of, or the wish for an account mail, to its being taken.",
    ["queue"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
)


class Postman:
    """Delivers the jobs of all queues: one call, one attempt."""

    def __init__(
        self,
        settings: NotificationSettings,
        store: NotificationStore,
        outbox: Outbox,
        people: People,
        *,
        mailer: Mailer,
        pusher: PushSender,
        links: UnsubscribeLinks,
    ) -> None:
        self._settings = settings
        self._store = store
        self._outbox = outbox
        self._people = people
        self._mailer = mailer
        self._pusher = pusher
        self._links = links

    async def claim(self, queue: Queue) -> Claim | None:
        """The job that is due longest."""
        return await self._outbox.claim(queue, LEASE_SECONDS)

    async def work(self, claim: Claim) -> None:
        """Try to deliver it. Raises `RedisError` when Redis is away: the lease ends by itself."""
        job = claim.job
        try:
            delivered = await self._deliver(job)
        except GoneError as error:
            log.info("a device is gone", job=job.id, reason=str(error))
            DELIVERIES.labels(job.channel, "gone").inc()
            await self._outbox.done(job)
        except (RefusedError, AddressError) as error:
            await self._give_up(job, str(error))
        except Exception as error:
            if not isinstance(error, DelayedError | errors.Problem):
                # Not foreseen, so maybe for this job alone: it must come to an end as well.
                log.exception("a delivery failed unexpectedly", job=job.id)
            await self._again(claim, error)
        else:
            await self._outbox.done(job)
            if delivered:
                DELIVERIES.labels(job.channel, "sent").inc()
                since = job.created_at if isinstance(job, AccountJob) else job.digest.items[-1].occurred_at
                DELAY_SECONDS.labels(job.channel).observe(max((utc_now() - since).total_seconds(), 0))
            else:
                SUPPRESSED.labels("unreachable").inc()

    async def _deliver(self, job: Job) -> bool:
        """False: there is nobody to deliver it to, or nothing."""
        if isinstance(job, AccountJob):
            if not self._settings.smtp_host:
                log.warning("an account mail is dropped: CHAT_SMTP_HOST is not set", kind=job.mail.kind)
                return False
            await self._mailer.send(account_mails.build(job.mail, sender=self._settings.sender, date=job.created_at))
            return True
        people = await self._people.lookup([job.recipient_id, *(item.sender_id for item in job.digest.items)])
        digest = _of_living(job.digest, people)
        recipient = people.get(job.recipient_id)
        if digest is None or recipient is None or not recipient.reachable:
            return False
        names = {user_id: person.name for user_id, person in people.items()}
        if isinstance(job, EmailJob):
            await self._mailer.send(
                mail.build(
                    job.model_copy(update={"digest": digest}),
                    sender=self._settings.sender,
                    names=names,
                    recipient_address=recipient.email,
                    public_url=self._settings.public_url,
                    unsubscribe_url=self._links.url(job.recipient_id),
                )
            )
            return True
        return await self._push(job, digest, names)

    async def _push(self, job: PushJob, digest: Digest, names: dict[str, str]) -> bool:
        subscription = await self._store.subscription(job.subscription_id)
        if subscription is None or subscription.user_id != job.recipient_id:
            return False
        try:
            await self._pusher.send(subscription, push(job, digest, names, self._settings.public_url))
        except GoneError:
            await self._store.unsubscribe(job.recipient_id, subscription.id)
            raise
        return True

    async def _again(self, claim: Claim, error: Exception) -> None:
        job = claim.job
        if claim.attempt >= MAX_ATTEMPTS:
            await self._give_up(job, f"after {claim.attempt} attempts: {_reason(error)}")
            return
        asked = error.retry_after_seconds if isinstance(error, DelayedError) else 0.0
        delay = max(pause(claim.attempt), asked)
        DELIVERIES.labels(job.channel, "delayed").inc()
        log.warning("delivery delayed", job=job.id, reason=_reason(error), attempt=claim.attempt, retry_seconds=delay)
        await self._outbox.retry(job, delay)

    async def _give_up(self, job: Job, reason: str) -> None:
        DELIVERIES.labels(job.channel, "dead").inc()
        log.error("delivery given up on", job=job.id, reason=reason)
        # First put aside, then forgotten: a crash between leaves two entries rather than none.
        await self._outbox.bury(job.channel, job.recipient_id, reason, job.model_dump_json())
        await self._outbox.done(job)


def push(job: PushJob, digest: Digest, names: dict[str, str], public_url: str) -> Push:
    """What a device is told of the digest: its title, the newest message, and where to find it."""
    newest = digest.items[-1]
    one = digest.one_conversation
    text = newest.preview
    if len(text) > _PUSH_PREVIEW_CHARACTERS:
        text = text[: _PUSH_PREVIEW_CHARACTERS - 1].rstrip() + "…"
    content = orjson.dumps(
        {
            "id": job.id.rpartition(":")[2],
            "type": "messages",
            "title": mail.subject(digest, names),
            "body": text,
            "count": len(digest.items) + digest.earlier,
            "conversation_id": newest.conversation_id if one else None,
            "message_id": newest.message_id,
            "url": public_url,
            "created_at": job.created_at,
        }
    )
    if len(content) > MOST_BYTES:
        raise RefusedError("the push is too long")
    topic = hashlib.sha256((newest.conversation_id if one else "all").encode()).hexdigest()[:32]
    return Push(content, topic, urgent=any(item.relevance.personal for item in digest.items))


def _of_living(digest: Digest, people: dict[str, Person]) -> Digest | None:
    """Without what people wrote whose account was erased meanwhile."""
    items = [item for item in digest.items if item.sender_id in people]
    return digest.model_copy(update={"items": items}) if items else None


def pause(attempt: int) -> float:
    """Seconds to wait after that attempt (1 is the first): doubling, bounded, spread by a quarter."""
    pause = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    return round(pause * random.uniform(0.75, 1.25), 3)  # noqa: S311 jitter


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, DelayedError) else type(error).__name__
