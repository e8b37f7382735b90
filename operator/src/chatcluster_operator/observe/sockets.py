"""How many sockets a ChatCluster's services hold: asked of their pods, rarely, beside everything else.

A look never waits for it: it takes what was last counted and, when that is due, begins another count. What cannot be
asked is unknown and asked ever more rarely, so that a thousand ChatClusters whose pods do not answer cost next to
nothing.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import aiohttp

from chatcluster_operator.decide import Key, Pod

PORTS: Final[Mapping[str, int]] = {"message": 3002, "presence": 3005}
"""Services that hold sockets, and the port on which they say how many."""
EVERY: Final = 55.0
"""Least seconds between two counts of a ChatCluster. Looks at a settled one come about once a minute."""
EVERY_UNANSWERED: Final = 3600.0
"""The same, for one whose pods have long not answered."""
POD_SECONDS: Final = 2.0
"""Seconds that a pod may take."""
PACE: Final = 0.05
"""Seconds between the beginnings of two questions, whichever ChatCluster they are for."""
PARALLEL: Final = 16
"""Questions at one time."""

_MOST_BYTES: Final = 1024 * 1024
_SAMPLE: Final = re.compile(rb"^chat_socket_connections(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


class SocketScraper:
    """Asks pods. One for the whole operator, so that its bounds hold for all ChatClusters together."""

    def __init__(self, ports: Mapping[str, int] = PORTS) -> None:
        self._ports = ports
        self._session: aiohttp.ClientSession | None = None
        self._pace = asyncio.Lock()
        self._limit = asyncio.Semaphore(PARALLEL)

    async def count(self, service: str, addresses: Iterable[str]) -> int | None:
        """Sockets that the pods at these addresses hold together; None when one of them does not say."""
        total = 0
        for address in addresses:
            number = await self._ask(address, self._ports[service])
            if number is None:
                return None
            total += number
        return total

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, address: str, port: int) -> int | None:
        async with self._pace:
            await asyncio.sleep(PACE)
        if self._session is None:
            # Made here: a session belongs to the running loop. No proxy stands between pods.
            limit = aiohttp.ClientTimeout(total=POD_SECONDS)
            self._session = aiohttp.ClientSession(
                timeout=limit, connector=aiohttp.TCPConnector(force_close=True), trust_env=False
            )
        host = f"[{address}]" if ":" in address else address
        async with self._limit:
            try:
                async with self._session.get(f"http://{host}:{port}/metrics", allow_redirects=False) as response:
                    text = await response.content.read(_MOST_BYTES) if response.status == 200 else b""
            except (aiohttp.ClientError, TimeoutError, OSError):
                return None
        samples = _SAMPLE.findall(text)
        return sum(int(float(sample)) for sample in samples) if samples else None


class Sockets:
    """The sockets of one ChatCluster. `changed` is called when a count came out otherwise than the one before."""

    def __init__(
        self, scraper: SocketScraper, changed: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._scraper = scraper
        self._changed = changed
        self._clock = clock
        self._counted: dict[str, int] = {}
        self._due = 0.0
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def look(self, pods: Mapping[Key, Pod]) -> Mapping[str, int]:
        """What was last counted, by service. Begins to count anew when that is due."""
        addresses = {
            service: [pod.address for pod in pods.values() if pod.component == service and pod.ready and pod.address]
            for service in PORTS
        }
        if self._clock() >= self._due and (self._task is None or self._task.done()):
            self._due = self._clock() + EVERY
            self._task = asyncio.create_task(self._count(addresses))
        return {service: number for service, number in self._counted.items() if addresses[service]}

    def close(self) -> None:
        """Stop counting."""
        if self._task is not None:
            self._task.cancel()

    async def _count(self, addresses: Mapping[str, list[str]]) -> None:
        counted: dict[str, int] = {}
        asked = {service: pods for service, pods in addresses.items() if pods}
        for service, pods in asked.items():
            number = await self._scraper.count(service, pods)
            if number is not None:
                counted[service] = number
        self._failures = 0 if len(counted) == len(asked) else self._failures + 1
        if self._failures == 1:
            # One that did not answer in time may only have been busy: what it said before is the better guess.
            counted = {**{service: self._counted[service] for service in asked if service in self._counted}, **counted}
        wait = min(EVERY * 2**self._failures, EVERY_UNANSWERED)
        self._due = self._clock() + wait * random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, guards nothing
        if counted != self._counted:
            self._counted = counted
            self._changed()
