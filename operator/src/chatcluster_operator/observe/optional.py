"""Kinds that a cluster may lack, such as cert-manager's: watched for as long as the API server serves them.

A kind can come and go while the operator runs, as people install what defines it, or remove it. Nothing announces that
but the definitions themselves, which the operator has no right to watch: so it asks, seldom, once for all ChatClusters.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from chatcluster_operator.kube import ApiError, Client, Kind
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.observe.informer import Backoff, Informer

ASK_SECONDS: Final = (45.0, 60.0)
"""How often it asks; drawn anew each time."""


class OptionalKinds:
    """Runs the informers that `informers` makes for each of `kinds` that is served.

    `forget` is told of a kind that is no longer served; `changed` is called whenever `served` is another.
    """

    def __init__(
        self,
        client: Client,
        kinds: Sequence[Kind],
        *,
        informers: Callable[[Kind], Sequence[Informer]],
        forget: Callable[[Kind], None],
        changed: Callable[[], None],
        pause: tuple[float, float] = ASK_SECONDS,
    ) -> None:
        self._client = client
        self._kinds = kinds
        self._make = informers
        self._forget = forget
        self._changed = changed
        self._pause = pause
        self._log = structlog.get_logger(__name__)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._missed: set[str] = set()
        self._known = asyncio.Event()
        self.informers: dict[str, Sequence[Informer]] = {}
        """Those that run, by kind."""

    @property
    def served(self) -> frozenset[str]:
        """Names of the kinds that are served and whose first lists are complete."""
        return frozenset(name for name, informers in self.informers.items() if _complete(informers))

    @property
    def synced(self) -> bool:
        """Whether it is known of every kind if it is served, and the first lists of those that are are complete."""
        return self._known.is_set() and all(map(_complete, self.informers.values()))

    async def wait_synced(self) -> None:
        """Wait until `synced`."""
        await self._known.wait()
        for informers in list(self.informers.values()):
            for informer in informers:
                await informer.synced.wait()

    async def run(self) -> None:
        """Ask and watch until cancelled. Ends with what an informer ends with, should it have a defect."""
        backoff = Backoff(first=0.5, cap=ASK_SECONDS[0])
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    for kind in self._kinds:
                        await self._ask(kind, group)
                except (ApiError, *CONNECTION_ERRORS) as error:
                    self._log.warning("cannot ask which kinds are served", error=repr(error))
                    await asyncio.sleep(backoff.next())
                    continue
                backoff.reset()
                self._known.set()
                await asyncio.sleep(random.uniform(*self._pause))  # noqa: S311 - spreads load, guards nothing

    async def _ask(self, kind: Kind, group: asyncio.TaskGroup) -> None:
        if await self._client.serves(kind):
            self._missed.discard(kind.name)
            if kind.name not in self._tasks:
                self._log.info("kind is served", kind=kind.name, group=kind.group)
                self.informers[kind.name] = informers = self._make(kind)
                self._tasks[kind.name] = group.create_task(self._watch(informers))
        elif kind.name not in self._missed:
            # An API server that has just started does not know every kind yet: once is not enough to believe it.
            self._missed.add(kind.name)
        elif kind.name in self._tasks:
            self._log.info("kind is no longer served", kind=kind.name, group=kind.group)
            self._tasks.pop(kind.name).cancel()
            del self.informers[kind.name]
            self._forget(kind)
            self._changed()

    async def _watch(self, informers: Sequence[Informer]) -> None:
        async with asyncio.TaskGroup() as group:
            for informer in informers:
                group.create_task(informer.run())
            for informer in informers:
                await informer.synced.wait()
            self._changed()


def _complete(informers: Sequence[Informer]) -> bool:
    return all(informer.synced.is_set() for informer in informers)
