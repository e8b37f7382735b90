"""Removing messages for good: those older than their conversation keeps them, and all of what nobody is in any more.

A conversation says in its own document when it is next to be looked through; the process that puts this off first has
it for a while. Numbers are never used again: `first_seq` rises before anything is removed, so that nobody is shown a
page with holes.
"""

import asyncio
import random
from datetime import datetime, timedelta

from prometheus_client import Counter
from pymongo.errors import PyMongoError

from chatcluster_common import logs, tasks
from chatcluster_common.clock import utc_now
from chatcluster_common.errors import Problem
from chatcluster_common.internal import InternalClient
from chatcluster_message.models import Conversation, Message
from chatcluster_message.store import Store

log = logs.get_logger(__name__)

PURGED = Counter("chat_message_purged_total", "Messages removed because their time was over.")

_BATCH = 20
_PAGE = 200
_LEASE = timedelta(minutes=5)
_AGAIN = timedelta(hours=1)


class Purge:
    """Looks through conversations that are due. Run it with `async with`."""

    def __init__(self, store: Store, files: InternalClient, *, every_seconds: float) -> None:
        self._store = store
        self._files = files
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
                await self._round()
            except (PyMongoError, Problem, TimeoutError) as error:
                log.warning("old messages could not be removed; tried again", error=type(error).__name__)
            except Exception:
                log.exception("removing old messages failed; tried again")

    async def _round(self) -> None:
        for conversation, due_at in await self._store.conversations.due_for_purge(utc_now(), _BATCH):
            until = utc_now() + _LEASE
            if await self._store.conversations.claim_purge(conversation.id, due_at, until):
                until = await self._look_through(conversation, until)
                await self._store.conversations.claim_purge(conversation.id, until, utc_now() + _AGAIN)

    async def _look_through(self, conversation: Conversation, until: datetime) -> datetime:
        """Remove what is to go; returns until when the conversation is this process's."""
        abandoned = not conversation.members
        purged = conversation.purged_seq
        while True:
            page = await self._store.messages.after(conversation.id, purged, _PAGE)
            gone = page if abandoned else _expired(page, conversation)
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
            if message.attachments:
                files = [file.id for file in message.attachments]
                await self._files.post("/internal/files/release", {"message_id": message.id, "ids": files})
        await self._store.mentions.remove_all(gone)
        await self._store.search.remove(ids)
        await self._store.messages.remove(conversation_id, gone[-1].seq)
        await self._store.conversations.purged(conversation_id, gone[-1].seq)
        PURGED.inc(len(gone))


def _expired(page: list[Message], conversation: Conversation) -> list[Message]:
    """The messages at the beginning of a page that are older than the conversation keeps them."""
    if conversation.retention_days is None:
        return []
    oldest = utc_now() - timedelta(days=conversation.retention_days)
    count = next((n for n, message in enumerate(page) if message.created_at >= oldest), len(page))
    return page[:count]
