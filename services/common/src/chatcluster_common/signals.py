"""What every process must hear of within a moment: sessions that are over, people whose settings or blocks changed.

The user service writes a line to one Redis stream; each process of every service reads it. A stream, unlike a channel,
can be read from where one left off: a process that starts, or that lost Redis for a while, reads what it missed. A line
is kept for longer than an access token is good for, which is all that revocation needs. Redis holds no truth here: the
database does, and with Redis gone a revoked access token works until it expires by itself.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, cast

from prometheus_client import Counter, Gauge
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

from chatcluster_common import logs, tasks
from chatcluster_common.redis_client import execute_copied

log = logs.get_logger(__name__)

STREAM = "auth:signals"
"""Readable by every service's Redis user, writable by the user service's alone."""

KEEP_SECONDS = 2 * 3600
"""How long a line is kept; an access token is good for an hour at the most."""

Kind = Literal["session_revoked", "user_revoked", "user_changed", "relations_changed", "user_erased"]
"""What has happened, with the fields that come along:

- `session_revoked {session_id, user_id}`: the session's access tokens are void.
- `user_revoked {user_id}`: so are all of the person's that were issued until now.
- `user_changed {user_id}`: profile, privacy or role.
- `relations_changed {user_id, other_id}`: contact or block between the two.
- `user_erased {user_id}`: the account is gone, its data are being erased.
"""

SIGNALS = Counter("chat_signals_total", "Signals read, by kind.", ["kind"])
SIGNALS_UP = Gauge("chat_signals_up", "Whether the stream of signals is being read.")

_BLOCK_MS = 2000
"""How long one read waits; with the answer's time it is after so long that a master that is cut off is noticed."""
_ANSWER_SECONDS = 3.0
_COUNT = 500
_OVERLAP_MS = 30_000
"""After a failure what was said so long before is read again: another master may count on from an earlier moment, by
its own clock and from what it had copied."""


class Revocations:
    """The sessions and people whose access tokens are void, for as long as such a token could still be valid."""

    def __init__(self, *, keep_seconds: float = KEEP_SECONDS, now: Callable[[], float] = time.time) -> None:
        self._keep = keep_seconds
        self._now = now
        self._sessions: dict[str, float] = {}
        self._people: dict[str, float] = {}
        self._pruned = now()

    def revoke_session(self, session_id: str, at: float) -> None:
        """The session is over since `at` (Unix seconds)."""
        self._sessions[session_id] = at
        self._prune()

    def revoke_person(self, user_id: str, at: float) -> None:
        """Tokens of the person issued until `at` are void."""
        self._people[user_id] = max(at, self._people.get(user_id, at))
        self._prune()

    def revoked(self, user_id: str, session_id: str, issued_at: float) -> bool:
        """Whether a token is void. `issued_at` counts whole seconds: one of the revocation's own second is void too."""
        if session_id in self._sessions:
            return True
        until = self._people.get(user_id)
        return until is not None and issued_at <= until

    def _prune(self) -> None:
        now = self._now()
        if now - self._pruned < 60:
            return
        self._pruned = now
        for known in (self._sessions, self._people):
            for key in [key for key, at in known.items() if now - at > self._keep]:
                del known[key]


Listener = Callable[[dict[str, str]], None]


class Signals:
    """Follows the stream. Run it with `async with`: it returns once the past was read, or Redis did not answer.

    `revocations` is kept up to date; listeners are called with a signal's fields, and must not block. `redis` says
    where to connect; the connection is one of its own, as the time limits of others would end its long reads. A service
    may have a `stream` of its own besides, for what concerns its replicas alone.
    """

    def __init__(self, redis: Redis, revocations: Revocations, *, stream: str = STREAM) -> None:
        arguments: dict[str, Any] = {
            **redis.connection_pool.connection_kwargs,
            "connection_class": redis.connection_pool.connection_class,
            "socket_timeout": _BLOCK_MS / 1000 + _ANSWER_SECONDS,
            "max_connections": 2,
        }
        self._redis = Redis(connection_pool=ConnectionPool(**arguments))
        self._stream = stream
        self._revocations = revocations
        self._listeners: dict[Kind, list[Listener]] = {}
        self._position = f"{int((time.time() - KEEP_SECONDS) * 1000)}-0"
        self._again = False
        self._task: asyncio.Task[None] | None = None

    def on(self, kind: Kind, listener: Listener) -> None:
        """Call `listener` for each signal of that kind, also for those of the past that are read at the start.

        The same one may come again, after those that followed it.
        """
        self._listeners.setdefault(kind, []).append(listener)

    async def __aenter__(self) -> "Signals":
        with suppress(RedisError, OSError, TimeoutError):
            while await self._read(block_ms=None):
                pass
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([self._task] if self._task else [])
        await self._redis.aclose(close_connection_pool=True)

    async def _follow(self) -> None:
        pause = 0.25
        while True:
            try:
                await self._read(block_ms=_BLOCK_MS)
                SIGNALS_UP.set(1)
                pause = 0.25
                continue
            except (RedisError, OSError, TimeoutError) as error:
                SIGNALS_UP.set(0)
                self._again = True
                log.warning("signals cannot be read; tried again", error=type(error).__name__, retry_seconds=pause)
            except Exception:
                log.exception("a signal could not be handled")
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            pause = min(pause * 2, 5.0)

    async def _read(self, *, block_ms: int | None) -> int:
        if self._again:
            earlier = int(self._position.partition("-")[0]) - _OVERLAP_MS
            self._position, self._again = f"{max(earlier, 0)}-0", False
        async with asyncio.timeout((block_ms or 0) / 1000 + _ANSWER_SECONDS):
            answer = cast(
                "list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]",
                await self._redis.xread({self._stream: self._position}, count=_COUNT, block=block_ms),
            )
        entries = answer[0][1] if answer else []
        for entry_id, raw in entries:
            # The position first: a listener that fails must not make the stream stand still.
            self._position = entry_id.decode()
            at = int(self._position.partition("-")[0]) / 1000
            self._dispatch(at, {name.decode(): value.decode() for name, value in raw.items()})
        return len(entries)

    def _dispatch(self, at: float, fields: dict[str, str]) -> None:
        kind = cast(Kind, fields.get("kind", ""))
        SIGNALS.labels(kind if kind in _KINDS else "unknown").inc()
        if kind == "session_revoked":
            self._revocations.revoke_session(fields["session_id"], at)
        elif kind in {"user_revoked", "user_erased"}:
            self._revocations.revoke_person(fields["user_id"], at)
        for listener in self._listeners.get(kind, ()):
            listener(fields)


_KINDS = frozenset({"session_revoked", "user_revoked", "user_changed", "relations_changed", "user_erased"})


async def send(redis: Redis, kind: Kind, *, stream: str = STREAM, **fields: str) -> None:
    """Write a signal, so that it outlives the master. Raises what the driver raises when Redis does not take it, and
    `NotCopiedError`: the caller's outbox tries again."""
    line: dict[Any, Any] = {"kind": kind, **fields}
    oldest = int((time.time() - KEEP_SECONDS) * 1000)
    pipeline = redis.pipeline(transaction=False)
    pipeline.xadd(stream, line, minid=f"{oldest}-0", approximate=True)
    await execute_copied(pipeline)
