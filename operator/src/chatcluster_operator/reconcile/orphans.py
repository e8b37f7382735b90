"""ChatBackups that name a ChatCluster which is not there: no worker looks after them, so they are told here.

One task for all. It looks when something happens, never by the clock, and what it has told it does not tell again.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from chatcluster_operator.act import StandbyError
from chatcluster_operator.act.backups import BackupActor
from chatcluster_operator.decide.backups import without_cluster
from chatcluster_operator.kube import ApiError
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.observe import Backoff, Observer, Owner

SETTLE: Final = 1.0
"""Seconds between an event and the look: who makes a ChatCluster and its ChatBackup at once makes one of them first."""
TRIES: Final = 10
"""How often it may fail in a row. Then the next event, or the next leader, begins anew."""


class Orphans:
    """Tells them. `looked_after` says whether a ChatCluster has a worker."""

    def __init__(self, observer: Observer, actor: BackupActor, looked_after: Callable[[Owner], bool]) -> None:
        self._observer = observer
        self._actor = actor
        self._looked_after = looked_after
        self._owners: set[Owner] = set()
        self._woken = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    def look(self, owner: Owner) -> None:
        """Something happened to this ChatCluster, which may not be there, or to its ChatBackups."""
        if self._observer.backups.of(owner):
            self._owners.add(owner)
            self._woken.set()

    def look_at_all(self) -> None:
        """Nothing is known of what others have told."""
        for owner in self._observer.backups.owners():
            self.look(owner)

    async def run(self) -> None:
        """Tell them until cancelled."""
        await self._observer.wait_synced()
        backoff, failed = Backoff(first=1.0, cap=60.0), 0
        while True:
            await self._woken.wait()
            await asyncio.sleep(SETTLE)
            self._woken.clear()
            try:
                await self._tell()
                failed = 0
                backoff.reset()
            except StandbyError:
                self._owners.clear()
            except (ApiError, *CONNECTION_ERRORS) as error:
                failed += 1
                self._log.warning("ChatBackups without a ChatCluster could not be told", error=repr(error))
                if failed < TRIES:
                    await asyncio.sleep(backoff.next())
                    self._woken.set()

    async def _tell(self) -> None:
        for owner in sorted(self._owners):
            if not self._looked_after(owner):
                await self._tell_of(owner)
            self._owners.discard(owner)

    async def _tell_of(self, owner: Owner) -> None:
        now = int(time.time())
        statuses = [(item, without_cluster(item, now)) for item in self._observer.backups.of(owner)]
        changed = [(item, status) for item, status in statuses if status != item.status]
        # One that runs is given up for good: for that a worker's absence is not enough.
        if not changed or await self._observer.chatcluster(owner) is not None:
            return
        for item, status in changed:
            if body := await self._actor.tell(item, status):
                self._observer.written(body)
