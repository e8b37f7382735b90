"""Removing messages for good: those older than their conversation or the installation keeps them, and all of what
nobody is in any more.

A conversation says in its own document when it is next to be looked through; the process that puts this off first has
it for a while. A limit of the installation is for conversations that say nothing of the kind: once a day a pass over
all of them has those looked through as well. Numbers are never used again: `first_seq` rises before anything is
removed, so that nobody is shown a page with holes.
"""

import asyncio
import random
import time
from datetime import datetime, timedelta

from prometheus_client import Counter
from pymongo.errors import PyMongoError

from chatcluster_common import logs, tasks
from chatcluster_common.clock import utc_now
from chatcluster_common.errors import Problem
from chatcluster_message.files import Files
from chatcluster_message.models import Conversation, Message
from chatcluster_message.store import Store

log = logs.get_logger(__name__)

PURGED = Counter("chat_message_purged_total", "Messages removed because their time was over.")

_BATCH = 20
_PAGE = 200
_LEASE = timedelta(minutes=5)
_AGAIN = timedelta(hours=1)
_AGAIN_WITHOUT_OWN_LIMIT = timedelta(days=1)
_PASS_SECONDS = 86_400.0
_PASS_PAGES = 20
"""Of `_PAGE` conversations, in one round of a pass."""


class Purge:
    """Looks through conversations that are due. Run it with `async with`."""

    def __init__(self, store: Store, files: Files, *, keep_days: int | None, every_seconds: float) -> None:
        """`keep_days` is the installation's limit."""
        self._store = store
        self._files = files
        self._keep_days = keep_days
        self._planned_to = ""
        self._next_pass = 0.0
        self._every = every_seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Purge":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end([self._task] if self._task else [])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every * random.uniform(0.7, 1.3))  # noqa: S311 jitter between replicas
            try:
                await self._plan()
                while await self._round():
                    pass
            except (PyMongoError, Problem, TimeoutError) as error:
                log.warning("old messages could not be removed; tried again", error=type(error).__name__)
            except Exception:
                log.exception("removing old messages failed; tried again")

    async def _plan(self) -> None:
        """Go on with the pass, or begin the next one when it is time."""
        if self._keep_days is None or time.monotonic() < self._next_pass:
            return
        for _ in range(_PASS_PAGES):
            last = await self._store.conversations.plan_purges(after=self._planned_to, limit=_PAGE, at=utc_now())
            self._planned_to = last or ""
            if last is None:
                self._next_pass = time.monotonic() + _PASS_SECONDS
                return

    async def _round(self) -> bool:
        """Look through some that are due; True when there may be more."""
        due = await self._store.conversations.due_for_purge(utc_now(), _BATCH)
        for conversation, due_at in due:
            until = utc_now() + _LEASE
            if await self._store.conversations.claim_purge(conversation.id, due_at, until):
                until = await self._look_through(conversation, until)
                await self._store.conversations.claim_purge(conversation.id, until, self._again(conversation))
        return len(due) == _BATCH

    def _again(self, conversation: Conversation) -> datetime | None:
        if conversation.retention_days is not None:
            return utc_now() + _AGAIN
        return utc_now() + _AGAIN_WITHOUT_OWN_LIMIT if self._keep_days is not None else None

    async def _look_through(self, conversation: Conversation, until: datetime) -> datetime:
        """Remove what is to go; returns until when the conversation is this process's."""
        abandoned = not conversation.members
        purged = conversation.purged_seq
        days = min((limit for limit in (conversation.retention_days, self._keep_days) if limit), default=None)
        size = 1  # mostly the first one is not old enough
        while True:
            page = await self._store.messages.after(conversation.id, purged, size)
            size = _PAGE
            gone = page if abandoned else _expired(page, days)
            if not gone:
                break
            await self._remove(conversation.id, gone)
            purged = gone[-1].seq
            renewed = utc_now() + _LEASE
            if not await self._store.conversations.claim_purge(conversation.id, until, renewed):
                return until  # settings have changed: the next round sees them
            until = renewed
        if abandoned:
            await self._store.reads.remove_conversation(conversation.id)
            await self._store.conversations.remove(conversation.id)
        return until

    async def _remove(self, conversation_id: str, gone: list[Message]) -> None:
        ids = [message.id for message in gone]
        await self._store.conversations.begin_at(conversation_id, gone[-1].seq + 1, ids)
        for message in gone:
            await self._files.release(message.id, [file.id for file in message.attachments])
        await self._store.mentions.remove_all(gone)
        await self._store.search.remove(ids)
        await self._store.messages.remove(conversation_id, gone[-1].seq)
        await self._store.conversations.purged(conversation_id, gone[-1].seq)
        PURGED.inc(len(gone))


def _expired(page: list[Message], days: int | None) -> list[Message]:
    """The messages at the beginning of a page that are older than that; None keeps them all."""
    if days is None:
        return []
    oldest = utc_now() - timedelta(days=days)
    count = next((n for n, message in enumerate(page) if message.created_at >= oldest), len(page))
    return page[:count]
