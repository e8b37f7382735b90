"""A canary: one ConfigMap of the operator's own, changed every so often, whose changes must come back by the watch.

A watch may look sound and tell nothing: the connection stands, the server has lost it. A bookmark that stays away shows
that within `informer.SILENCE`; a server that sends bookmarks and no changes is shown by the canary alone.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.api import FIELD_MANAGER, LABEL_MANAGED_BY
from chatcluster_operator.kube import KINDS, ApiError, Client, Kind, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.observe.informer import Listing, Sink

CANARY_NAME: Final = "chatcluster-operator-canary"
PERIOD: Final = 20.0
"""Seconds between two changes, give or take a fifth."""
PATIENCE: Final = 10.0
"""Seconds within which a change must come back. With `PERIOD`: a deaf watch is noticed within about half a minute."""


class Canary:
    """Stands between an informer of ConfigMaps and its sink, and calls `unseen` when a change does not come back.

    Replicas of the operator share the object: each waits for the version that its own change made, or a later one.
    """

    def __init__(
        self,
        client: Client,
        sink: Sink,
        *,
        namespace: str,
        unseen: Callable[[], None],
        period: float = PERIOD,
        patience: float = PATIENCE,
    ) -> None:
        self._client = client
        self._sink = sink
        self._namespace = namespace
        self._unseen = unseen
        self._period = period
        self._patience = patience
        self._seen = 0
        self._awaited = 0
        self._arrived = asyncio.Event()
        self._missed_since: float | None = None
        self._log = structlog.get_logger(__name__)

    def missed_for(self) -> float:
        """Seconds since the first of the changes in a row that did not come back; 0 when the last one did."""
        return 0.0 if self._missed_since is None else time.monotonic() - self._missed_since

    async def run(self) -> None:
        """Change it, and wait for the change, until cancelled. Without an API server there is nothing to learn."""
        while True:
            await asyncio.sleep(self._period * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            began = time.monotonic()
            try:
                body = await self._client.apply(KINDS["ConfigMap"], self._manifest(), manager=FIELD_MANAGER)
            except (ApiError, *CONNECTION_ERRORS) as error:
                self._log.warning("canary not changed", error=str(error))
                continue
            self._awaited = int(body["metadata"]["resourceVersion"])
            self._arrived.clear()
            self._check()
            try:
                await asyncio.wait_for(self._arrived.wait(), self._patience)
            except TimeoutError:
                self._log.warning("the canary's change did not come back", seconds=self._patience)
                self._missed_since = self._missed_since or began
                self._unseen()
            else:
                self._missed_since = None
                metrics.CANARY_SECONDS.observe(time.monotonic() - began)

    def put(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        metadata = body["metadata"]
        if (metadata["namespace"], metadata["name"]) == (self._namespace, CANARY_NAME):
            self._seen = int(metadata["resourceVersion"])
            self._check()
        else:
            self._sink.put(kind, body)

    def remove(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        self._sink.remove(kind, body)

    def retain(self, kind: Kind, listing: Listing) -> None:
        """As `Sink`."""
        self._sink.retain(kind, listing)

    def _check(self) -> None:
        if self._seen >= self._awaited:
            self._arrived.set()

    def _manifest(self) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": CANARY_NAME,
                "namespace": self._namespace,
                "labels": {LABEL_MANAGED_BY: FIELD_MANAGER},
            },
            "data": {"touched": str(time.time_ns())},
        }
