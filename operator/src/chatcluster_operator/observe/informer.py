"""One kind, listed once and watched for ever.

What can go wrong is decided here and nowhere else: a stream that ends is taken up where it stopped; one that is told
`410 Gone` is replaced by a fresh list, which also finds what was deleted meanwhile; whatever else fails is tried again
with a growing, jittered delay.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.kube import ApiError, Client, Kind, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS

WATCH_SECONDS: Final = (240, 300)
"""How long one watch lasts, drawn anew each time so that those of all kinds do not end together."""

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


class Sink(Protocol):
    """Where an informer puts what it sees."""

    def put(self, kind: Kind, body: Object) -> None:
        """An object as it is now."""
        ...

    def remove(self, kind: Kind, body: Object) -> None:
        """An object that is gone."""
        ...

    def retain(self, kind: Kind, seen: set[tuple[str, str]]) -> None:
        """A complete list was read; all but these (namespace, name) are gone."""
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._kind = kind
        self._sink = sink
        self._selector = selector
        self._namespace = namespace
        self._clock = clock
        self._backoff = Backoff()
        self._log = structlog.get_logger(__name__).bind(kind=kind.name)
        self._version = ""
        self.synced = asyncio.Event()
        """Set once the first list is complete."""
        self._last_heard = clock()

    def silence(self) -> float:
        """Seconds since the server last answered, or the watch last said anything."""
        return self._clock() - self._last_heard

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if error.status == _GONE:
                    self._version = ""
                self._log.warning("watch refused", status=error.status, reason=error.reason, detail=error.message)
                await asyncio.sleep(self._backoff.next())
            except CONNECTION_ERRORS as error:
                self._log.warning("watch broken", error=repr(error))
                await asyncio.sleep(self._backoff.next())

    async def _list(self) -> None:
        metrics.RELISTS.labels(self._kind.name).inc()
        seen: set[tuple[str, str]] = set()
        version = ""
        pages = self._client.pages(self._kind, self._namespace, selector=self._selector)
        async for page in pages:
            self._heard()
            # All pages are cut from the state at the first one's version, so the watch begins there.
            version = version or page["metadata"]["resourceVersion"]
            for body in page.get("items") or ():
                seen.add((body["metadata"].get("namespace", ""), body["metadata"]["name"]))
                self._sink.put(self._kind, body)
            await asyncio.sleep(0)
        self._sink.retain(self._kind, seen)
        self._version = version
        self.synced.set()

    async def _watch(self) -> None:
        stream = self._client.watch(
            self._kind,
            self._namespace,
            selector=self._selector,
            version=self._version,
            seconds=random.randint(*WATCH_SECONDS),  # noqa: S311 - spreads load, guards nothing
        )
        async for change, body in stream:
            self._heard()
            self._backoff.reset()
            if change == "DELETED":
                self._sink.remove(self._kind, body)
            elif change != "BOOKMARK":
                self._sink.put(self._kind, body)
            self._version = body["metadata"]["resourceVersion"]
        self._heard()
        # A server that ends every stream at once would otherwise be asked without pause.
        await asyncio.sleep(self._backoff.next())

    def _heard(self) -> None:
        self._last_heard = self._clock()
