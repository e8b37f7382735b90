"""Pods asked for their metrics, few at a time and at a bounded rate: by one for the whole operator, so that its bounds
hold for all ChatClusters together."""

import asyncio
from typing import Final

import aiohttp

POD_SECONDS: Final = 2.0
"""Seconds that a pod may take."""
PACE: Final = 0.05
"""Seconds between the beginnings of two questions, whichever ChatCluster they are for."""
PARALLEL: Final = 16
"""Questions at one time."""

_MOST_BYTES: Final = 1024 * 1024


class Scraper:
    """Asks."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._pace = asyncio.Lock()
        self._limit = asyncio.Semaphore(PARALLEL)

    async def ask(self, address: str, port: int) -> bytes:
        """What a pod answers at `/metrics`; empty when it does not."""
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
                    return await response.content.read(_MOST_BYTES) if response.status == 200 else b""
            except (aiohttp.ClientError, TimeoutError, OSError):
                return b""

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
