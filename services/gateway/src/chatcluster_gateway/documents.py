"""Fetches the services' OpenAPI documents and keeps the merged one, and its page, for a minute."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from chatcluster_common.errors import Problem
from chatcluster_common.internal import InternalClient
from chatcluster_gateway import page
from chatcluster_gateway.openapi import Document, merge

_FRESH_SECONDS = 60.0
_RETRY_SECONDS = 5.0
"""When a service was away, it is asked again after this."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A representation, and the tag that tells it from others (RFC 9110 8.8.3)."""

    content: bytes
    etag: str


class Documents:
    """The merged document. `own` is the gateway's part, `clients` reach the others."""

    def __init__(
        self,
        own: Callable[[], Document],
        clients: Mapping[str, InternalClient],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._clients = clients
        self._now = now
        self._known: dict[str, Document] = {}
        self._json = self._page = Rendered(b"", "")
        self._fresh_until = float("-inf")
        self._fetching = asyncio.Lock()

    async def json(self) -> Rendered:
        """The document. What a service said last stands in for it while it is away."""
        await self._refresh()
        return self._json

    async def page(self) -> Rendered:
        """The document for people."""
        await self._refresh()
        return self._page

    async def _refresh(self) -> None:
        if self._now() < self._fresh_until:
            return
        async with self._fetching:
            if self._now() < self._fresh_until:
                return
            answered = await asyncio.gather(*(self._fetch(service) for service in self._clients))
            self._known["gateway"] = self._own()
            document = merge(self._known, {"gateway", *self._clients})
            self._json = _rendered(orjson.dumps(document))
            self._page = _rendered(page.render(document))
            self._fresh_until = self._now() + (_FRESH_SECONDS if all(answered) else _RETRY_SECONDS)

    async def _fetch(self, service: str) -> bool:
        try:
            document = await self._clients[service].get("/openapi.json")
        except Problem:
            return False
        if not isinstance(document, dict):
            return False
        self._known[service] = document
        return True


def _rendered(content: bytes) -> Rendered:
    return Rendered(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
