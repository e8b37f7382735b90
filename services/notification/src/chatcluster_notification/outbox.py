"""Redis: what is to be sent, from the decision until the mail server or push service has it.

    notification:seen:<event>:<user>      the decision about an event and a recipient is made; for a day
    notification:batches                  sorted set: `<channel>:<user>` by the time its batch is due, Unix milliseconds
    notification:batch:<channel>:<user>   list: the messages of the batch, the latest of them
    notification:pause:<channel>:<user>   until when the next batch waits, while it does
    notification:closing                  sorted set: batches that became due, by the end of their lease
    notification:counts                   hash: batch → its messages, those without room included
    notification:queue:<queue>            sorted set: job id by the time it is due
    notification:jobs                     hash: job id → the job
    notification:attempts                 hash: job id → how often it was claimed
    notification:dead                     stream, bounded: what was given up on, and why

Messages gather in a batch until it is due; then it is closed, under a lease, into one job for each place to send to.
What moves between these keys moves in one script, so that an event delivered twice is told once, and nothing is lost
between two keys. A claimed job comes back when its lease ends without `done`: a process that dies between the server's
taking a mail and `done` causes a repeat, with the same `Message-ID`.

Sorted sets and no stream with a consumer group: a stream hands out entries in order, but each at once, so that delays,
pauses and back-off would need sorted sets beside it, and a job would have to be moved between the two without a loss.
A set sorted by the time something is due is queue, delay and lease in one, and shared by all processes alike.

Nothing here is the only copy of what people wrote: losing Redis loses reminders, never messages or preferences. What
is added is only reported as taken once it outlives the master (`execute_copied`): an event is not read again, and an
account mail not asked for again. Whatever follows may be lost with a master and is then done once more, late: a batch
is closed again, or a mail sent again.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from redis.asyncio import Redis

from chatcluster_common.clock import rfc3339, utc_now
from chatcluster_common.ids import new_id
from chatcluster_common.redis_client import execute_copied
from chatcluster_notification.jobs import (
    CHANNELS,
    JOB,
    QUEUES,
    AccountJob,
    AccountMail,
    Channel,
    Digest,
    Item,
    Job,
    Queue,
)

SEEN_LIFETIME = timedelta(days=1)
"""How long an event delivered again is recognised; older events are not told of."""
MOST_ITEMS = 25
"""Messages that one digest shows; earlier ones are counted."""

_ACCOUNT_SECONDS = 7 * 86400
_BATCH_SECONDS = 8 * 86400
_UNSEEN = "notification:seen:-"
_DEAD_LENGTH = 1000
_BATCHES, _CLOSING, _COUNTS, _JOBS, _ATTEMPTS, _DEAD = (
    f"notification:{name}" for name in ("batches", "closing", "counts", "jobs", "attempts", "dead")
)

_ADD = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
for i = 5, #ARGV, 2 do
  local batch, due = ARGV[i], tonumber(ARGV[i + 1])
  local list = 'notification:batch:' .. batch
  redis.call('RPUSH', list, ARGV[2])
  redis.call('LTRIM', list, -ARGV[3], -1)
  redis.call('EXPIRE', list, ARGV[4])
  redis.call('HINCRBY', KEYS[3], batch, 1)
  due = math.max(due, tonumber(redis.call('GET', 'notification:pause:' .. batch) or 0))
  redis.call('ZADD', KEYS[2], 'LT', string.format('%.0f', due), batch)
end
return 1
"""

_CLAIM_BATCH = """
local id
local late = redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)
if #late > 0 then
  id = late[1]
else
  local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)
  if #due == 0 then return false end
  id = due[1] .. ':' .. ARGV[3]
  if redis.call('EXISTS', 'notification:batch:' .. due[1]) == 1 then
    redis.call('RENAME', 'notification:batch:' .. due[1], 'notification:batch:' .. id)
  end
  redis.call('HSET', KEYS[3], id, redis.call('HGET', KEYS[3], due[1]) or 0)
  redis.call('HDEL', KEYS[3], due[1])
  redis.call('ZREM', KEYS[1], due[1])
end
redis.call('ZADD', KEYS[2], ARGV[2], id)
return {id, redis.call('HGET', KEYS[3], id) or 0, redis.call('LRANGE', 'notification:batch:' .. id, 0, -1)}
"""

_CLOSE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('DEL', 'notification:batch:' .. ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', 'notification:pause:' .. ARGV[2], ARGV[4] + ARGV[3], 'PX', ARGV[3])
end
for i = 5, #ARGV, 3 do
  redis.call('HSET', KEYS[3], ARGV[i + 1], ARGV[i + 2])
  redis.call('ZADD', 'notification:queue:' .. ARGV[i], ARGV[4], ARGV[i + 1])
end
return 1
"""

_POSTPONE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
local to = 'notification:batch:' .. ARGV[2]
redis.call('DEL', 'notification:batch:' .. ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
for i = #ARGV, 7, -1 do redis.call('LPUSH', to, ARGV[i]) end
redis.call('LTRIM', to, -ARGV[4], -1)
redis.call('EXPIRE', to, ARGV[5])
redis.call('HINCRBY', KEYS[2], ARGV[2], #ARGV - 6 + ARGV[6])
redis.call('ZADD', KEYS[3], 'LT', ARGV[3], ARGV[2])
return 1
"""

_PUT = """
if ARGV[1] ~= '' and not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[2])
return 1
"""

_CLAIM = """
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return false end
redis.call('ZADD', KEYS[1], ARGV[2], due[1])
return {due[1], redis.call('HINCRBY', KEYS[3], due[1], 1), redis.call('HGET', KEYS[2], due[1])}
"""


@dataclass(frozen=True, slots=True)
class Addition:
    """A message that a person is to be told of, and when by which channel."""

    user_id: str
    item: Item
    due: Mapping[Channel, datetime]


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages for one person and channel that became due; this process may close it until its lease ends."""

    id: str
    channel: Channel
    user_id: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this process may work on until its lease ends."""

    job: Job
    attempt: int
    """1 at the first."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was given up on. `kind` is `event`, or the queue of a job; `content` what is needed to try again."""

    id: str
    kind: str
    recipient_id: str
    reason: str
    content: str
    at: str


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _now_ms() -> int:
    return int(time.time() * 1000)


class Outbox:
    """Batches, jobs and dead letters."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)
        self._claim_batch = redis.register_script(_CLAIM_BATCH)
        self._close = redis.register_script(_CLOSE)
        self._postpone = redis.register_script(_POSTPONE)
        self._put = redis.register_script(_PUT)
        self._claim = redis.register_script(_CLAIM)
        self.batches_changed = asyncio.Event()
        """Set when this process has added to a batch: it need not wait for its next look."""
        self.queue_changed = {queue: asyncio.Event() for queue in QUEUES}
        """Likewise for jobs."""

    async def pauses(self, user_ids: Sequence[str]) -> dict[tuple[Channel, str], datetime]:
        """Until when the next digest of each channel and person waits, where it does."""
        asked: list[tuple[Channel, str]] = [(channel, user_id) for channel in CHANNELS for user_id in user_ids]
        if not asked:
            return {}
        found: Any = await self._redis.mget([f"notification:pause:{channel}:{user_id}" for channel, user_id in asked])
        return {
            (channel, user_id): datetime.fromtimestamp(int(value) / 1000, UTC)
            for (channel, user_id), value in zip(asked, found, strict=True)
            if value
        }

    async def add(self, additions: Sequence[Addition]) -> int:
        """Put messages into people's batches; returns how many were not put there before, for whatever channels."""
        seen_seconds = int(SEEN_LIFETIME.total_seconds())
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in additions:
                due = [word for channel, at in each.due.items() for word in (f"{channel}:{each.user_id}", _ms(at))]
                await self._add(
                    keys=[f"notification:seen:{each.item.event_id}:{each.user_id}", _BATCHES, _COUNTS],
                    args=[seen_seconds, each.item.model_dump_json(), MOST_ITEMS, _BATCH_SECONDS, *due],
                    client=pipeline,
                )
            added = await execute_copied(pipeline)
        self.batches_changed.set()
        return sum(map(int, added))

    async def claim_batch(self, lease_seconds: float) -> Batch | None:
        """The batch that is due longest. Nothing is added to it from now on: what comes begins the next one."""
        now = _now_ms()
        answer: Any = await self._claim_batch(
            keys=[_BATCHES, _CLOSING, _COUNTS], args=[now, now + int(lease_seconds * 1000), new_id()]
        )
        if not answer:
            return None
        batch_id = _text(answer[0])
        channel, user_id, _ = batch_id.split(":")
        items = [Item.model_validate_json(item) for item in answer[2]]
        digest = Digest(items=items, earlier=max(int(answer[1]) - len(items), 0))
        return Batch(batch_id, cast(Channel, channel), user_id, digest)

    async def close(self, batch: Batch, jobs: Sequence[Job] = (), pause: timedelta = timedelta()) -> None:
        """Replace the batch by its jobs; the person's next one waits for `pause`."""
        words = [word for job in jobs for word in (job.channel, job.id, job.model_dump_json())]
        await self._close(
            keys=[_CLOSING, _COUNTS, _JOBS],
            args=[
                batch.id,
                f"{batch.channel}:{batch.user_id}",
                int(pause.total_seconds() * 1000),
                _now_ms(),
                *words,
            ],
        )
        for queue in {job.channel for job in jobs}:
            self.queue_changed[queue].set()

    async def postpone(self, batch: Batch, items: Sequence[Item], until: datetime) -> None:
        """Let the batch gather on until then, with those of its messages."""
        await self._postpone(
            keys=[_CLOSING, _COUNTS, _BATCHES],
            args=[
                batch.id,
                f"{batch.channel}:{batch.user_id}",
                _ms(until),
                MOST_ITEMS,
                _BATCH_SECONDS,
                batch.digest.earlier,
                *(item.model_dump_json() for item in items),
            ],
        )

    async def put_mail(self, mail: AccountMail) -> bool:
        """Queue an account mail; False when one of that id was queued before."""
        job = AccountJob(
            id=f"account:{mail.user_id}:{mail.id}", recipient_id=mail.user_id, created_at=utc_now(), mail=mail
        )
        return await self._put_job(job, f"notification:seen:account:{mail.id}", str(_ACCOUNT_SECONDS))

    async def put_back(self, job: Job) -> None:
        """Queue a job again that was given up on."""
        await self._put_job(job, _UNSEEN, "")

    async def _put_job(self, job: Job, seen: str, seconds: str) -> bool:
        async with self._redis.pipeline(transaction=False) as pipeline:
            await self._put(
                keys=[seen, _JOBS, f"notification:queue:{job.channel}"],
                args=[seconds, job.id, job.model_dump_json(), _now_ms()],
                client=pipeline,
            )
            [queued] = await execute_copied(pipeline)
        self.queue_changed[job.channel].set()
        return bool(queued)

    async def claim(self, queue: Queue, lease_seconds: float) -> Claim | None:
        """The job that is due longest, leased: nobody else gets it before the lease ends."""
        now = _now_ms()
        answer: Any = await self._claim(
            keys=[f"notification:queue:{queue}", _JOBS, _ATTEMPTS], args=[now, now + int(lease_seconds * 1000)]
        )
        return Claim(JOB.validate_json(answer[2]), int(answer[1])) if answer else None

    async def retry(self, job: Job, delay_seconds: float) -> None:
        """Make the job due again later."""
        await self._redis.zadd(
            f"notification:queue:{job.channel}", {job.id: _now_ms() + int(delay_seconds * 1000)}, xx=True
        )

    async def done(self, job: Job) -> None:
        """Forget the job."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(f"notification:queue:{job.channel}", job.id)
            pipeline.hdel(_JOBS, job.id)
            pipeline.hdel(_ATTEMPTS, job.id)
            await pipeline.execute()

    async def waiting(self) -> dict[str, int]:
        """How much waits: batches, and jobs by queue."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcard(_BATCHES)
            for queue in QUEUES:
                pipeline.zcard(f"notification:queue:{queue}")
            found = await pipeline.execute()
        return dict(zip(("batches", *QUEUES), map(int, found), strict=True))

    async def bury(self, kind: str, recipient_id: str, reason: str, content: str) -> None:
        """Put aside what was given up on. The oldest go when there are too many."""
        entry: dict[Any, Any] = {
            "kind": kind,
            "recipient_id": recipient_id,
            "reason": reason,
            "content": content,
            "at": rfc3339(utc_now()),
        }
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(_DEAD, entry, maxlen=_DEAD_LENGTH, approximate=False)
            await execute_copied(pipeline)

    async def dead(self, ids: Sequence[str] | None = None) -> list[DeadLetter]:
        """What was put aside, oldest first: all of it, or those of `ids` that there are."""
        found: Any = await self._redis.xrange(_DEAD)
        letters = [
            DeadLetter(id=_text(entry_id), **{_text(name): _text(value) for name, value in fields.items()})
            for entry_id, fields in found
        ]
        return letters if ids is None else [letter for letter in letters if letter.id in set(ids)]

    async def forget_dead(self, ids: Sequence[str]) -> int:
        """Delete what was put aside; how many there were of these ids."""
        return int(await self._redis.xdel(_DEAD, *ids)) if ids else 0

    async def erase(self, user_id: str) -> None:
        """Forget what waits for a person. Mails about the account are left, the one about its end among them: they
        come to theirs within the hour."""
        batches = [f"{channel}:{user_id}" for channel in CHANNELS]
        closing = [each async for each in self._scan(_CLOSING, batches)]
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(_BATCHES, *batches)
            pipeline.hdel(_COUNTS, *batches, *closing)
            pipeline.delete(*(f"notification:batch:{each}" for each in (*batches, *closing)))
            pipeline.delete(*(f"notification:pause:{each}" for each in batches))
            if closing:
                pipeline.zrem(_CLOSING, *closing)
            await pipeline.execute()
        for channel in CHANNELS:
            queue = f"notification:queue:{channel}"
            jobs = [each async for each in self._scan(queue, [f"{channel}:{user_id}"])]
            if jobs:
                async with self._redis.pipeline(transaction=True) as pipeline:
                    pipeline.zrem(queue, *jobs)
                    pipeline.hdel(_JOBS, *jobs)
                    pipeline.hdel(_ATTEMPTS, *jobs)
                    await pipeline.execute()
        await self.forget_dead([letter.id for letter in await self.dead() if user_id in letter.content])

    async def _scan(self, key: str, prefixes: Sequence[str]) -> AsyncGenerator[str]:
        for prefix in prefixes:
            async for member, _ in self._redis.zscan_iter(key, match=f"{prefix}:*", count=1000):
                yield _text(member)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
