"""Redis pub/sub for one process: one connection that is kept subscribed, and an ordered, pipelined publisher.

Pub/sub promises nothing to who is not connected. So whoever uses `Channels` is told when it was away
(`on_resubscribed`), and reads what it missed from its store.
"""

# redis-py's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import random
from collections import Counter as Multiset
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from chatcluster_common import logs, tasks
from chatcluster_common.realtime.frames import Frame

log = logs.get_logger(__name__)

CHANNELS = Gauge("chat_channels_subscribed", "Redis channels this process is subscribed to.")
RESUBSCRIPTIONS = Counter("chat_channels_resubscriptions_total", "Times the subscription connection was made anew.")
FRAMES = Counter("chat_frames_total", "Frames, by direction and how it ended.", ["direction", "result"])

_CONFIRM_SECONDS = 5.0
_SILENCE_SECONDS = 2.0
"""A connection that is silent for so long is asked whether it is dead, and taken for dead after as long again: a master
that is cut off says nothing, and the others have another within seconds."""
_PUBLISH_SECONDS = 3.0
_PUBLISH_ATTEMPTS = 3
_BATCH = 500


class ChannelsUnavailableError(Exception):
    """Redis did not confirm in time."""


class Channels:
    """The channels this process is subscribed to. Run it with `async with`.

    `on_frame(channel, frame)` is called for each frame, in the order of the channel; it must not block.
    `on_resubscribed()` is awaited after a lost connection is back and all channels are active again: what was published
    between may be lost.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        on_frame: Callable[[str, Frame], None],
        on_resubscribed: Callable[[], Awaitable[None]],
    ) -> None:
        self._redis = redis
        self._on_frame = on_frame
        self._on_resubscribed = on_resubscribed
        self._wanted: set[str] = set()
        self._active: set[str] = set()
        self._unconfirmed: Multiset[str] = Multiset()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._asking: list[str] = []
        self._asker: asyncio.Task[None] | None = None
        self._pubsub: PubSub | None = None
        self._sending = asyncio.Lock()
        self._catching_up: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._lives = 0

    async def __aenter__(self) -> "Channels":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([task for task in (self._task, self._catching_up, self._asker) if task])

    @property
    def active(self) -> Collection[str]:
        """The channels that are subscribed and confirmed at this moment."""
        return self._active

    async def subscribe(self, channels: Collection[str]) -> None:
        """Return once all `channels` are active. Raises `ChannelsUnavailableError` after 5 s; they stay wanted."""
        new = [channel for channel in channels if channel not in self._wanted]
        self._wanted.update(new)
        loop = asyncio.get_running_loop()
        waits = [
            self._waiting.setdefault(channel, loop.create_future())
            for channel in channels
            if channel not in self._active
        ]
        if new:
            self._asking += new
            if self._asker is None:  # else that one asks for these too: many who connect together cost one command
                self._asker = asyncio.create_task(self._ask())
        if waits:
            _, pending = await asyncio.wait(waits, timeout=_CONFIRM_SECONDS)
            if pending:
                raise ChannelsUnavailableError(f"{len(pending)} subscriptions are not confirmed")

    async def unsubscribe(self, channels: Collection[str]) -> None:
        """Forget `channels`."""
        known = [channel for channel in channels if channel in self._wanted]
        self._wanted.difference_update(known)
        self._active.difference_update(known)
        CHANNELS.set(len(self._active))
        for channel in known:
            if waiting := self._waiting.pop(channel, None):
                waiting.cancel()
        if known and self._pubsub:
            async with self._sending:
                with suppress(RedisError, OSError):
                    await self._pubsub.unsubscribe(*known)

    async def _ask(self) -> None:
        try:
            while self._asking:
                new, self._asking = self._asking, []
                await self._send_subscribe(new)
        finally:
            self._asker = None

    async def _send_subscribe(self, channels: Collection[str]) -> None:
        """Ask for subscriptions on the connection there is; a new connection asks for all that is wanted itself."""
        async with self._sending:
            pubsub = self._pubsub
            if pubsub is None:
                return
            wanted = [channel for channel in channels if channel in self._wanted and channel not in self._active]
            for start in range(0, len(wanted), _BATCH):
                chunk = wanted[start : start + _BATCH]
                self._unconfirmed.update(chunk)
                with suppress(RedisError, OSError):  # the reader sees the broken connection and begins anew
                    await pubsub.subscribe(*chunk)

    async def _run(self) -> None:
        delay = 0.1
        while True:
            pubsub = self._redis.pubsub()
            try:
                await self._serve(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("subscriptions lost their connection", error=type(error).__name__, retry_seconds=delay)
                if self._active:
                    delay = 0.1
            finally:
                self._pubsub = None
                self._active.clear()
                self._unconfirmed.clear()
                CHANNELS.set(0)
                with suppress(RedisError, OSError):
                    await pubsub.aclose()
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            delay = min(delay * 2, 1.0)

    async def _serve(self, pubsub: PubSub) -> None:
        await pubsub.connect()
        self._pubsub = pubsub
        self._lives += 1
        missing = set(self._wanted) if self._lives > 1 else set[str]()
        if self._lives > 1:
            RESUBSCRIPTIONS.inc()
        subscribing = asyncio.create_task(self._send_subscribe(list(self._wanted)))
        loop = asyncio.get_running_loop()
        heard = loop.time()
        pinged = False
        try:
            while True:
                message: dict[str, Any] | None = await pubsub.get_message(timeout=1.0)
                if message is not None:
                    heard, pinged = loop.time(), False
                    self._take(message)
                elif pinged and loop.time() - heard > 2 * _SILENCE_SECONDS:
                    raise TimeoutError
                elif not pinged and loop.time() - heard > _SILENCE_SECONDS:
                    pinged = True  # a connection can be dead without a word: ask
                    await pubsub.ping()
                if missing:
                    missing &= self._wanted
                    missing -= self._active
                    if not missing:
                        self._catch_up()
        finally:
            subscribing.cancel()
            await asyncio.gather(subscribing, return_exceptions=True)

    def _take(self, message: dict[str, Any]) -> None:
        kind: str = message["type"]
        if kind not in {"message", "subscribe"}:
            return
        channel: str = message["channel"].decode()
        if kind == "subscribe":
            self._unconfirmed[channel] -= 1
            # One that was dropped and asked for again is confirmed twice: only the last counts.
            if self._unconfirmed[channel] <= 0:
                del self._unconfirmed[channel]
                if channel in self._wanted:
                    self._active.add(channel)
                    CHANNELS.set(len(self._active))
                    waiting = self._waiting.pop(channel, None)
                    if waiting and not waiting.done():
                        waiting.set_result(None)
        elif channel in self._wanted:
            try:
                frame = Frame.decode(message["data"])
                self._on_frame(channel, frame)
            except Exception:
                FRAMES.labels("in", "error").inc()
                log.exception("a frame could not be handled", channel=channel)
            else:
                FRAMES.labels("in", "ok").inc()

    def _catch_up(self) -> None:
        if self._catching_up:
            self._catching_up.cancel()
        log.info("subscriptions are back", channels=len(self._active))
        self._catching_up = asyncio.create_task(self._guarded_catch_up())

    async def _guarded_catch_up(self) -> None:
        try:
            await self._on_resubscribed()
        except Exception:
            log.exception("catching up after a lost connection failed")


class Publisher:
    """Publishes frames in the order they were given, many in one round trip. Run it with `async with`."""

    def __init__(self, redis: Redis, *, max_pending: int = 10_000) -> None:
        self._redis = redis
        self._queue: asyncio.Queue[tuple[str, bytes, asyncio.Future[None]]] = asyncio.Queue(max_pending)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Publisher":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([self._task] if self._task else [])

    def offer(self, channel: str, frame: Frame) -> "asyncio.Future[None]":
        """Queue a frame now; the result is there when Redis has it, or it raises `ChannelsUnavailableError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieved)
        try:
            self._queue.put_nowait((channel, frame.encode(), done))
        except asyncio.QueueFull:
            FRAMES.labels("out", "refused").inc()
            done.set_exception(ChannelsUnavailableError("too many frames wait already"))
        return done

    async def publish(self, channel: str, frame: Frame) -> None:
        """`offer`, and wait. Raises `ChannelsUnavailableError`."""
        await self.offer(channel, frame)

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            error = await self._send(batch)
            FRAMES.labels("out", "error" if error else "ok").inc(len(batch))
            for _, _, done in batch:
                if done.done():
                    continue
                if error:
                    done.set_exception(error)
                else:
                    done.set_result(None)

    async def _send(self, batch: Sequence[tuple[str, bytes, "asyncio.Future[None]"]]) -> Exception | None:
        error: Exception | None = None
        # The pool may hold connections to a server that has restarted. A frame that comes twice does no harm.
        for attempt in range(_PUBLISH_ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            try:
                async with asyncio.timeout(_PUBLISH_SECONDS):
                    pipeline = self._redis.pipeline(transaction=False)
                    for channel, data, _ in batch:
                        pipeline.publish(channel, data)
                    await pipeline.execute()
            except (RedisError, OSError, TimeoutError) as failure:
                error = ChannelsUnavailableError(type(failure).__name__)
            else:
                return None
        log.warning("frames not published", frames=len(batch), error=str(error))
        return error


def _retrieved(done: "asyncio.Future[None]") -> None:
    if not done.cancelled():
        done.exception()
