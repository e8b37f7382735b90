"""One kind, listed once and watched for ever.

What can go wrong is decided here and nowhere else: a stream that ends is taken up where it stopped; one that is told
`410 Gone`, or that has gone deaf, is replaced by a fresh list, which also finds what was deleted meanwhile; whatever
else fails is tried again with a growing, jittered delay, or when the server asks for it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.kube import ApiError, Client, Kind, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS

WATCH_SECONDS: Final = (240, 300)
"""How long one watch lasts, drawn anew each time so that those of all kinds do not end together."""

SILENCE: Final = 135.0
"""Seconds a watch may say nothing. The server sends a bookmark each minute, a busy one some seconds late: a watch that
missed two of them is deaf, however sound its connection looks."""
RELIST_SECONDS: Final = 3600.0
"""A watch that never broke is replaced by a list this often: nothing that was missed, by whatever defect, stays so."""

PAGE: Final = 500
"""Objects in one page of a list, where only their metadata is asked for."""
PAGE_OF_WHOLE: Final = 100
"""The same for whole objects, which take ten times the memory while they are read."""

_GONE = 410


class Backoff:
    """Delays that double from `first` to `cap` seconds, each drawn between half and all of it."""

    def __init__(self, first: float = 0.25, cap: float = 30.0) -> None:
        self._first = first
        self._cap = cap
        self._next = first

    def reset(self) -> None:
        """Begin again at the shortest delay."""
        self._next = self._first

    def next(self) -> float:
        """The delay to wait now, in seconds."""
        delay, self._next = self._next, min(self._next * 2, self._cap)
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


class Listing(NamedTuple):
    """What a complete list held."""

    namespace: str | None
    """The namespace that was listed; None: all."""
    version: int
    """The resource version of the list."""
    seen: set[tuple[str, str]]
    """Namespace and name of each object."""

    def lacks(self, namespace: str, name: str, version: int) -> bool:
        """Whether an object last known at `version` is gone."""
        listed = self.namespace in {None, namespace}
        return listed and version <= self.version and (namespace, name) not in self.seen


class Sink(Protocol):
    """Where an informer puts what it sees."""

    def put(self, kind: Kind, body: Object) -> None:
        """An object as it is now."""
        ...

    def remove(self, kind: Kind, body: Object) -> None:
        """An object that is gone."""
        ...

    def retain(self, kind: Kind, listing: Listing) -> None:
        """A complete list was read. What is not in it is gone, apart from what is younger than it."""
        ...


class Informer:
    """Keeps `sink` up to date with the objects of `kind` that `selector` picks, in one namespace or in all."""

    def __init__(
        self,
        client: Client,
        kind: Kind,
        sink: Sink,
        *,
        selector: Mapping[str, str],
        namespace: str | None = None,
        patience: float = SILENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._kind = kind
        self._sink = sink
        self._selector = selector
        self._namespace = namespace
        self._patience = patience
        self._clock = clock
        self._backoff = Backoff(cap=10.0)
        self._log = structlog.get_logger(__name__).bind(kind=kind.name)
        self._version = ""
        self._listed_at = clock()
        self._timer: asyncio.Timeout | None = None
        self.synced = asyncio.Event()
        """Set once the first list is complete."""
        self._last_heard = clock()

    def silence(self) -> float:
        """Seconds since the server last answered, or the watch last said anything."""
        return self._clock() - self._last_heard

    def relist(self) -> None:
        """Take the watch for deaf: close it and begin anew. Nothing happens while there is none."""
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(0)

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._version or self._clock() - self._listed_at > RELIST_SECONDS:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if error.status == _GONE:
                    self._version = ""
                self._log.warning("watch refused", status=error.status, reason=error.reason, detail=error.message)
                await asyncio.sleep(max(self._backoff.next(), error.retry_after or 0.0))
            except CONNECTION_ERRORS as error:
                self._log.warning("watch broken", error=repr(error))
                await asyncio.sleep(self._backoff.next())

    async def _list(self) -> None:
        metrics.RELISTS.labels(self._kind.name).inc()
        seen: set[tuple[str, str]] = set()
        version = ""
        size = PAGE if self._kind.metadata_only else PAGE_OF_WHOLE
        pages = self._client.pages(self._kind, self._namespace, selector=self._selector, size=size)
        async for page in pages:
            self._heard()
            # All pages are cut from the state at the first one's version, so the watch begins there.
            version = version or page["metadata"]["resourceVersion"]
            for body in page.get("items") or ():
                seen.add((body["metadata"].get("namespace", ""), body["metadata"]["name"]))
                self._sink.put(self._kind, body)
            await asyncio.sleep(0)
        self._sink.retain(self._kind, Listing(self._namespace, int(version), seen))
        self._version = version
        self._listed_at = self._clock()
        self.synced.set()

    async def _watch(self) -> None:
        stream = self._client.watch(
            self._kind,
            self._namespace,
            selector=self._selector,
            version=self._version,
            seconds=random.randint(*WATCH_SECONDS),  # noqa: S311 - spreads load, guards nothing
        )
        try:
            async with asyncio.timeout(self._patience) as self._timer:
                async for change, body in stream:
                    self._heard()
                    self._backoff.reset()
                    if change == "DELETED":
                        self._sink.remove(self._kind, body)
                    elif change != "BOOKMARK":
                        self._sink.put(self._kind, body)
                    self._version = body["metadata"]["resourceVersion"]
        except TimeoutError:
            if self._timer is not None and self._timer.expired():
                self._version = ""
                metrics.DEAF_WATCHES.labels(self._kind.name).inc()
                self._log.warning("watch deaf, listed anew", silent=round(self.silence(), 1))
            raise
        finally:
            self._timer = None
        self._heard()
        # A server that ends every stream at once would otherwise be asked without pause.
        await asyncio.sleep(self._backoff.next())

    def _heard(self) -> None:
        self._last_heard = self._clock()
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(asyncio.get_running_loop().time() + self._patience)
