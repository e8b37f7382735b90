"""Redis, and the only module that speaks to it: the mails to send, what was decided already, people's recent list.

    notification:seen:<event>:<user>           the decision about an event and a recipient is made; for a day
    notification:window:<user>:<conversation>  a mail about the conversation was decided on a moment ago
    notification:missed:<user>:<conversation>  how many messages came in such windows since
    notification:jobs                          hash: job id → the mail to send
    notification:attempts                      hash: job id → how often it was claimed
    notification:outbox                        sorted set: job id by the time it is due, Unix milliseconds
    notification:inbox:<user>                  sorted set in name order: the latest notifications; for 30 days
    notification:dead                          stream, bounded: what was given up on, and why

Decision and job are written in one script, so that an event delivered twice makes one mail. A claimed job comes back
when its lease ends without `done`: a process that dies between the server's taking the mail and `done` causes a repeat,
with the same `Message-ID`.

Nothing here is the only copy of what people wrote: losing Redis loses reminders, never messages. That is also why there
are no preferences in it.
"""

import time
from collections.abc import Awaitable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal, cast

from redis.asyncio import Redis

from chatcluster_common.clock import rfc3339, utc_now
from chatcluster_notification.models import Claim, MailJob, Notification

SEEN_LIFETIME = timedelta(days=1)
"""How long an event delivered again is recognised; older events are not mailed about."""

INBOX_LENGTH = 200
_INBOX_SECONDS = 30 * 86400
_MISSED_SECONDS = 7 * 86400
_DEAD_LENGTH = 1000

_JOBS, _ATTEMPTS, _OUTBOX, _DEAD = (f"notification:{name}" for name in ("jobs", "attempts", "outbox", "dead"))

_DECIDE = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return {'seen', 0} end
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[2]) then
  redis.call('INCR', KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[3])
  return {'window', 0}
end
local job = cjson.decode(ARGV[5])
job['missed'] = tonumber(redis.call('GETDEL', KEYS[3]) or 0)
redis.call('HSET', KEYS[4], ARGV[4], cjson.encode(job))
redis.call('ZADD', KEYS[5], ARGV[6], ARGV[4])
return {'queued', 1}
"""

_CLAIM = """
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return false end
redis.call('ZADD', KEYS[1], ARGV[2], due[1])
return {due[1], redis.call('HGET', KEYS[2], due[1]), redis.call('HINCRBY', KEYS[3], due[1], 1)}
"""

Decision = Literal["queued", "seen", "window"]


def _now_ms() -> int:
    return int(time.time() * 1000)


class NotificationStore:
    """All that the service keeps."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._decide = redis.register_script(_DECIDE)
        self._claim = redis.register_script(_CLAIM)

    async def ping(self) -> None:
        """Returns when Redis answers."""
        await cast(Awaitable[bool], self._redis.ping())

    async def decide(self, job: MailJob, window_seconds: int) -> Decision:
        """Queue the mail, unless its event was decided on before, or another mail stands for it within the window."""
        about = f"{job.recipient_id}:{job.conversation_id}"
        answer = await self._decide(
            keys=[
                f"notification:seen:{job.id}",
                f"notification:window:{about}",
                f"notification:missed:{about}",
                _JOBS,
                _OUTBOX,
            ],
            args=[
                int(SEEN_LIFETIME.total_seconds()),
                window_seconds,
                _MISSED_SECONDS,
                job.id,
                job.model_dump_json(),
                _now_ms(),
            ],
        )
        return cast(Decision, _text(answer[0]))

    async def claim(self, lease_seconds: float) -> Claim | None:
        """The job that is due longest, for `lease_seconds`; None when none is due."""
        now = _now_ms()
        answer = await self._claim(keys=[_OUTBOX, _JOBS, _ATTEMPTS], args=[now, now + int(lease_seconds * 1000)])
        if not answer:
            return None
        return Claim(job=MailJob.model_validate_json(answer[1]), attempt=answer[2])

    async def retry(self, job: MailJob, delay_seconds: float) -> None:
        """Make the job due again later."""
        await self._redis.zadd(_OUTBOX, {job.id: _now_ms() + int(delay_seconds * 1000)}, xx=True)

    async def done(self, job: MailJob) -> None:
        """Forget the job."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(_OUTBOX, job.id)
            pipeline.hdel(_JOBS, job.id)
            pipeline.hdel(_ATTEMPTS, job.id)
            await pipeline.execute()

    async def waiting(self) -> int:
        """How many mails wait to be sent."""
        return int(await self._redis.zcard(_OUTBOX))

    async def bury(self, what: str, reason: str, content: str) -> None:
        """Put aside what was given up on. The oldest go when there are too many."""
        entry: dict[Any, Any] = {"what": what, "reason": reason, "content": content, "at": rfc3339(utc_now())}
        await self._redis.xadd(_DEAD, entry, maxlen=_DEAD_LENGTH, approximate=True)

    async def add_notifications(self, user_ids: Iterable[str], notification: Notification) -> None:
        """Put a notification on people's lists; doing it again changes nothing."""
        milliseconds = int(notification.created_at.timestamp() * 1000)
        member = f"{milliseconds:013d}-{notification.id} {notification.model_dump_json()}"
        async with self._redis.pipeline(transaction=False) as pipeline:
            for user_id in user_ids:
                key = f"notification:inbox:{user_id}"
                pipeline.zadd(key, {member: 0})
                pipeline.zremrangebyrank(key, 0, -INBOX_LENGTH - 1)
                pipeline.expire(key, _INBOX_SECONDS)
            await pipeline.execute()

    async def notifications(
        self, user_id: str, before: str | None, limit: int
    ) -> tuple[Sequence[Notification], str | None]:
        """Up to `limit` of the user's notifications, latest first, and the position to go on `before`, if any."""
        key = f"notification:inbox:{user_id}"
        # All have score 0, so that they are in the order of their names: time, then id.
        found = await self._redis.zrevrangebylex(key, f"({before}" if before else "+", "-", start=0, num=limit + 1)
        entries = [_text(entry).split(" ", 1) for entry in found]
        page = entries[:limit]
        items = [Notification.model_validate_json(content) for _, content in page]
        return items, page[-1][0] if len(entries) > limit else None


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
