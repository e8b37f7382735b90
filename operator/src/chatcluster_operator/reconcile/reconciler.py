"""All workers: who is woken by what."""

import asyncio

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.act import Actor, Events
from chatcluster_operator.act.backups import BackupActor
from chatcluster_operator.kube import Object
from chatcluster_operator.observe import Observer, Owner, Scraper
from chatcluster_operator.observe.stores.watch import PARALLEL
from chatcluster_operator.reconcile.orphans import Orphans
from chatcluster_operator.reconcile.worker import Worker


class Reconciler:
    """Starts a worker for each ChatCluster, passes on what concerns it, and ends it when the ChatCluster is gone."""

    def __init__(self, *, concurrency: int, resync: float) -> None:
        self._limit = asyncio.Semaphore(concurrency)
        self._resync = resync
        self._scraper = Scraper()
        self._probing = asyncio.Semaphore(PARALLEL)
        self._workers: dict[Owner, tuple[Worker, asyncio.Task[None]]] = {}
        self._log = structlog.get_logger(__name__)
        metrics.WORKERS.set_function(lambda: len(self._workers))

    def connect(self, *, observer: Observer, actor: Actor, events: Events) -> None:
        """Give the rooms that workers use. Apart from the constructor because the observer must know whom to wake."""
        self._observer = observer
        self._actor = actor
        self._events = events
        self.orphans = Orphans(observer, BackupActor(actor.client, actor.leadership), self._workers.__contains__)

    def see(self, body: Object) -> None:
        """A ChatCluster is there, or was changed."""
        owner = Owner(body["metadata"]["namespace"], body["metadata"]["name"])
        known = self._workers.get(owner)
        if known is not None and known[0].uid == body["metadata"]["uid"] and not known[1].done():
            known[0].see(body)
            return
        self._end(owner)
        worker = Worker(
            owner,
            body,
            observer=self._observer,
            actor=self._actor,
            events=self._events,
            limit=self._limit,
            resync=self._resync,
            scraper=self._scraper,
            probing=self._probing,
        )
        task = asyncio.create_task(worker.run(), name=f"worker {owner.namespace}/{owner.name}")
        self._workers[owner] = (worker, task)
        task.add_done_callback(lambda task: self._ended(owner, task))

    def gone(self, body: Object) -> None:
        """A ChatCluster was deleted."""
        owner = Owner(body["metadata"]["namespace"], body["metadata"]["name"])
        known = self._workers.get(owner)
        if known is not None and known[0].uid == body["metadata"]["uid"]:
            self._end(owner)
            self.orphans.look(owner)

    def wake(self, owner: Owner) -> None:
        """Something that belongs to a ChatCluster changed."""
        known = self._workers.get(owner)
        if known is not None:
            known[0].wake()
        else:
            self.orphans.look(owner)

    def wake_all(self) -> None:
        """Something that concerns every ChatCluster changed."""
        for worker, _ in self._workers.values():
            worker.wake()

    def lead(self, leading: bool) -> None:
        """This replica came to lead, or ceased to."""
        for worker, _ in self._workers.values():
            worker.forget()
        if leading:
            # They take their turns in the order in which they are woken: those come first whom nobody has served yet.
            for worker in sorted((worker for worker, _ in self._workers.values()), key=lambda item: not item.behind):
                worker.wake()
            self.orphans.look_at_all()

    async def stop(self) -> None:
        """End all workers."""
        tasks = [task for _, task in self._workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._scraper.close()

    def _end(self, owner: Owner) -> None:
        known = self._workers.pop(owner, None)
        if known is not None:
            known[1].cancel()

    def _ended(self, owner: Owner, task: asyncio.Task[None]) -> None:
        known = self._workers.get(owner)
        if known is not None and known[1] is task:
            del self._workers[owner]
            self.orphans.look(owner)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("worker ended on a defect", namespace=owner.namespace, chatcluster=owner.name)
