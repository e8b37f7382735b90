"""Redis: people's lists of the latest notifications, and which of them were read.

notification:inbox:<user>    sorted set in name order, `<milliseconds>-<event> <notification>`; for 30 days
notification:unread:<user>   sorted set in name order: `<milliseconds>-<event>` of those not read
notification:told:<sender>   set: whose lists hold something the sender wrote, so that it can be erased from there
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from chatcluster_common.redis_client import execute_copied
from chatcluster_notification.models import Notification

INBOX_LENGTH = 200
_SECONDS = 30 * 86400
_ERASED_A_CALL = 200

# Nothing is unread that the list no longer has. What was read is not unread again when its event comes again.
_ADD = """
if redis.call('ZADD', KEYS[1], 0, ARGV[2]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('SADD', KEYS[3], ARGV[5])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
redis.call('ZREMRANGEBYLEX', KEYS[2], '-', '(' .. string.match(oldest, '^%S+'))
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return 1
"""

_FORGET_SENDER = """
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local position, content = string.match(entry, '^(%S+) (.*)$')
  if cjson.decode(content)['sender_id'] == ARGV[1] then
    redis.call('ZREM', KEYS[1], entry)
    redis.call('ZREM', KEYS[2], position)
  end
end
return 1
"""


class Inbox:
    """The lists of everybody."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)
        self._forget_sender = redis.register_script(_FORGET_SENDER)

    async def add(self, user_ids: Iterable[str], notification: Notification) -> None:
        """Put a notification on people's lists; doing it again changes nothing."""
        position = f"{int(notification.created_at.timestamp() * 1000):013d}-{notification.id}"
        member = f"{position} {notification.model_dump_json(exclude={'read'})}"
        async with self._redis.pipeline(transaction=False) as pipeline:
            for user_id in user_ids:
                await self._add(
                    keys=[*_keys(user_id), f"notification:told:{notification.sender_id}"],
                    args=[position, member, INBOX_LENGTH, _SECONDS, user_id],
                    client=pipeline,
                )
            await execute_copied(pipeline)

    async def page(self, user_id: str, before: str | None, limit: int) -> tuple[list[Notification], str | None, int]:
        """Up to `limit` of the user's notifications, latest first, the position to go on `before`, if any, and how
        many are unread."""
        inbox, unread = _keys(user_id)
        async with self._redis.pipeline(transaction=True) as pipeline:
            # All have score 0, so that they are in the order of their names: time, then id.
            pipeline.zrevrangebylex(inbox, f"({before}" if before else "+", "-", start=0, num=limit + 1)
            pipeline.zrange(unread, 0, -1)
            found, waiting = await pipeline.execute()
        positions = {entry.decode() for entry in waiting}
        entries = [entry.decode().split(" ", 1) for entry in found]
        items = [
            Notification.model_validate_json(content).model_copy(update={"read": position not in positions})
            for position, content in entries[:limit]
        ]
        return items, entries[limit - 1][0] if len(entries) > limit else None, len(positions)

    async def mark_read(self, user_id: str, ids: Collection[str] | None, conversation_id: str | None) -> int:
        """Mark those of `ids` and of the conversation, without either all, as read; returns how many are not."""
        inbox, unread = _keys(user_id)
        if ids is None and conversation_id is None:
            await self._redis.delete(unread)
            return 0
        read: Sequence[str] = ()
        if conversation_id is not None:
            entries: Any = await self._redis.zrange(inbox, 0, -1)
            pairs = [entry.decode().split(" ", 1) for entry in entries]
            read = [
                p
                for p, content in pairs
                if Notification.model_validate_json(content).conversation_id == conversation_id
            ]
        if ids is not None:
            waiting: Any = await self._redis.zrange(unread, 0, -1)
            wanted = set(ids)
            read = [*read, *(p for each in waiting if (p := each.decode()).partition("-")[2] in wanted)]
        if read:
            await self._redis.zrem(unread, *read)
        return int(await self._redis.zcard(unread))

    async def erase(self, user_id: str) -> bool:
        """Forget the person's list, and what they wrote on the lists of others; False when there is more to do."""
        told = f"notification:told:{user_id}"
        some: Any = await self._redis.srandmember(told, _ERASED_A_CALL)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.delete(*_keys(user_id))
            for reader in some:
                await self._forget_sender(keys=_keys(reader.decode()), args=[user_id], client=pipeline)
            if some:
                pipeline.srem(told, *some)
            await execute_copied(pipeline)
        return not await self._redis.exists(told)


def _keys(user_id: str) -> list[str]:
    return [f"notification:inbox:{user_id}", f"notification:unread:{user_id}"]
