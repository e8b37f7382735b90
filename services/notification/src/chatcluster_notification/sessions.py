"""A device whose session is over gets no more pushes: it is no longer its person's."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatcluster_common import errors, logs, tasks
from chatcluster_notification.store import NotificationStore

log = logs.get_logger(__name__)

_AGAIN_SECONDS = 2.0
_MOST = 10_000


class EndedSessions:
    """Forgets the devices of sessions that signals say are over, once the database lets it.

    What a process that ends meanwhile has not done is done by the next one, which reads the signals of the last hours.
    """

    def __init__(self, store: NotificationStore) -> None:
        self._store = store
        self._ended: asyncio.Queue[str] = asyncio.Queue(_MOST)

    def ended(self, signal: dict[str, str]) -> None:
        """A session is over; a listener of signals."""
        try:
            self._ended.put_nowait(signal["session_id"])
        except asyncio.QueueFull:
            log.error("too many sessions have ended while the database is away; their devices still get pushes")

    @asynccontextmanager
    async def followed(self) -> AsyncGenerator[None]:
        """Forget devices for as long as this lasts."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            await tasks.end([task])

    async def _follow(self) -> None:
        while True:
            session_id = await self._ended.get()
            while not await self._forget(session_id):  # noqa: ASYNC110 the database is away, nobody tells when it is back
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _forget(self, session_id: str) -> bool:
        try:
            await self._store.end_session(session_id)
        except errors.Problem:
            return False
        except Exception:
            log.exception("the devices of a session could not be forgotten")
        return True
