"""What others must be told of a change, written in the change's own transaction and delivered after it.

So nothing is told that did not happen, and nothing that happened is forgotten: a row stays until its delivery has
succeeded. A process claims rows by moving their due time, and another takes over those of one that died. Whatever is
delivered may be delivered twice; receivers take that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from prometheus_client import Counter

from chatcluster_common import ids, logs, signals
from chatcluster_common.clock import utc_now
from chatcluster_user.database import Database, Transaction
from chatcluster_user.tables import outbox
from chatcluster_user.worker import Worker

log = logs.get_logger(__name__)

DELIVERED = Counter(
    "chat_user_outbox_total", "Deliveries by lane and result: done, failed, given_up.", ["lane", "result"]
)

Lane = Literal["signal", "mail", "reset"]
"""Each is delivered by itself, so that a mail service which is away holds up no revocation."""

# A claimed batch is done with, one way or another, before its lease ends.
_BATCH = 10
_DELIVERY_SECONDS = 3.0
_LEASE = timedelta(seconds=_BATCH * _DELIVERY_SECONDS + 5)
_IDLE_SECONDS = 2.0
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=10)
_GIVE_UP_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to deliver."""

    id: str
    payload: dict[str, Any]
    attempts: int
    created_at: datetime


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts that failed."""
    return min(_FIRST_PAUSE * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE)


class Outbox:
    """Takes what is to be told, and delivers it; run it with `async with`."""

    def __init__(self, database: Database, deliver: dict[Lane, Callable[[Entry], Awaitable[None]]]) -> None:
        self._database = database
        self._deliver = deliver
        self._workers = {
            lane: Worker(f"outbox {lane}", self._round(lane), idle_seconds=_IDLE_SECONDS) for lane in deliver
        }

    async def __aenter__(self) -> "Outbox":
        for worker in self._workers.values():
            await worker.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers.values():
            await worker.__aexit__()

    async def put(self, tx: Transaction, lane: Lane, payload: dict[str, Any], *, entry_id: str = "") -> None:
        """Deliver `payload` once the transaction is committed."""
        now = utc_now()
        await tx.execute(
            sa.insert(outbox).values(
                id=entry_id or ids.new_id(), lane=lane, payload=payload, created_at=now, due_at=now
            )
        )
        if worker := self._workers.get(lane):  # a command delivers nothing: the service's processes do
            tx.after_commit.add(worker.wake)

    async def signal(self, tx: Transaction, kind: signals.Kind, **fields: str) -> None:
        """Tell every process of the ChatCluster (`chatcluster_common.signals`)."""
        await self.put(tx, "signal", {"kind": kind, **fields})

    def _round(self, lane: Lane) -> Callable[[], Awaitable[bool]]:
        async def deliver_some() -> bool:
            entries = await self._claim(lane)
            for entry in entries:
                await self._deliver_one(lane, entry)
            return len(entries) == _BATCH

        return deliver_some

    async def _claim(self, lane: Lane) -> list[Entry]:
        now = utc_now()
        due = (
            sa.select(outbox.c.id)
            .where(outbox.c.lane == lane, outbox.c.due_at <= now)
            .order_by(outbox.c.due_at)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        claim = (
            sa.update(outbox)
            .where(outbox.c.id.in_(due))
            .values(due_at=now + _LEASE, attempts=outbox.c.attempts + 1)
            .returning(outbox.c.id, outbox.c.payload, outbox.c.attempts, outbox.c.created_at)
        )
        async with self._database.transaction() as tx:
            entries = [Entry(*row) for row in await tx.execute(claim)]
        return sorted(entries, key=lambda entry: entry.id)

    async def _deliver_one(self, lane: Lane, entry: Entry) -> None:
        mine = outbox.c.id == entry.id
        try:
            async with asyncio.timeout(_DELIVERY_SECONDS):
                await self._deliver[lane](entry)
            result, change = "done", sa.delete(outbox).where(mine)
        except Exception as error:
            reason = type(error).__name__
            if utc_now() - entry.created_at > _GIVE_UP_AFTER:
                log.error("given up delivering", lane=lane, id=entry.id, attempts=entry.attempts, reason=reason)
                result, change = "given_up", sa.delete(outbox).where(mine)
            else:
                log.warning(
                    "not delivered; tried again", lane=lane, id=entry.id, attempts=entry.attempts, reason=reason
                )
                due_at = utc_now() + pause_after(entry.attempts)
                result, change = "failed", sa.update(outbox).where(mine).values(due_at=due_at)
        async with self._database.transaction() as tx:
            await tx.execute(change)
        DELIVERED.labels(lane, result).inc()
