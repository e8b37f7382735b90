"""Rate limits shared by all replicas through Redis, or counted by each alone while Redis is away.

Calls that arrive while a question to Redis is under way are asked about together in the next one (group commit): under
load one round trip answers for many. Redis decides by its own clock, in a script, so that replicas agree.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import Counter, Gauge
from pydantic import SecretStr

from chatcluster_common import logs
from chatcluster_common.redis_client import connect
from chatcluster_gateway.gcra import Decision, Policy, decide

log = logs.get_logger(__name__)

CALLS = Counter("chat_gateway_rate_limited_total", "Calls by policy and verdict.", ["policy", "verdict"])
DEGRADED = Gauge("chat_gateway_rate_limit_degraded", "1 while this replica counts by itself, without Redis.")

KEY_PREFIX = "gateway:rate:"
BATCH = 128
"""Most calls asked about in one script run."""

_PAUSE_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""How long Redis is left alone after the first, second, … failure in a row."""

SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {now}
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = tonumber(redis.call('GET', key) or 0)
  local following = math.max(tat, now) + interval
  if following - now <= tolerance then
    tat = following
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    answer[2 * i] = 1
  else
    answer[2 * i] = 0
  end
  answer[2 * i + 1] = tat
end
return answer
"""
"""`gcra.decide` for each key; returns now, then whether it is allowed and its stamp for each."""


class LocalLimiter:
    """Counts in this process; forgets the key longest unused when it holds `capacity`."""

    def __init__(self, capacity: int = 50_000, now: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._capacity = capacity
        self._now = now
        self._tats: OrderedDict[str, int] = OrderedDict()

    def take(self, policy: Policy, key: str) -> Decision:
        """One call of `key`."""
        decision = decide(policy, self._tats.get(key, 0), self._now())
        self._tats[key] = decision.tat
        self._tats.move_to_end(key)
        if len(self._tats) > self._capacity:
            self._tats.popitem(last=False)
        return decision


@cache
def _counter(policy: str, allowed: bool) -> Counter:
    return CALLS.labels(policy, "allowed" if allowed else "refused")


def _count(decision: Decision) -> None:
    _counter(decision.policy.name, decision.allowed).inc()


class RedisLimiter:
    """Counts in Redis. `close` it at the end."""

    def __init__(self, url: SecretStr, timeout_seconds: float) -> None:
        self._redis = connect(url, answer_seconds=timeout_seconds, connect_seconds=timeout_seconds, connections=4)
        self._script = self._redis.register_script(SCRIPT)
        self._local = LocalLimiter()
        self._waiting: list[tuple[Policy, str, asyncio.Future[Decision]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._failures = 0
        self._leave_alone_until = 0.0

    async def close(self) -> None:
        """Let go of the connections."""
        if self._asking:
            await self._asking
        await self._redis.aclose()

    async def take(self, limits: Sequence[tuple[Policy, str]]) -> list[Decision]:
        """One call that counts under each of these policies, by a key that no two of them share.

        Never fails, and waits little longer than the timeout.
        """
        if time.monotonic() < self._leave_alone_until:
            decisions = [self._local.take(policy, key) for policy, key in limits]
        else:
            futures: list[asyncio.Future[Decision]] = []
            loop = asyncio.get_running_loop()
            for policy, key in limits:
                future: asyncio.Future[Decision] = loop.create_future()
                futures.append(future)
                self._waiting.append((policy, key, future))
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
            decisions = [await future for future in futures]
        for decision in decisions:
            _count(decision)
        return decisions

    async def _ask(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if time.monotonic() < self._leave_alone_until:
                decisions = [self._local.take(policy, key) for policy, key, _ in batch]
            else:
                decisions = await self._decide(batch)
            for (_, _, future), decision in zip(batch, decisions, strict=True):
                if not future.done():  # the caller may have gone
                    future.set_result(decision)
        self._asking = None

    async def _decide(self, batch: list[tuple[Policy, str, "asyncio.Future[Decision]"]]) -> list[Decision]:
        keys = [KEY_PREFIX + key for _, key, _ in batch]
        numbers = [number for policy, _, _ in batch for number in (policy.interval, policy.tolerance)]
        try:
            answer = await self._script(keys, numbers)
        except Exception as error:  # whatever it is, a broken limiter must not stop the traffic
            self._failed(error)
            return [self._local.take(policy, key) for policy, key, _ in batch]
        if self._failures:
            log.info("rate limits are shared again")
            DEGRADED.set(0)
            self._failures = 0
        now = answer[0]
        return [
            Decision(policy, allowed=answer[2 * i + 1] == 1, now=now, tat=answer[2 * i + 2])
            for i, (policy, _, _) in enumerate(batch)
        ]

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            log.warning("Redis does not answer; this replica counts by itself", error_type=type(error).__name__)
            DEGRADED.set(1)
        pause = _PAUSE_SECONDS[min(self._failures, len(_PAUSE_SECONDS) - 1)]
        self._failures += 1
        self._leave_alone_until = time.monotonic() + pause
