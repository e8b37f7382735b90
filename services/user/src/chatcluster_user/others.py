"""The other services, as this one calls them about a person: bodies streamed both ways, no call without an end."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from chatcluster_common import context, errors, logs
from chatcluster_common.auth import INTERNAL_TOKEN_HEADER

log = logs.get_logger(__name__)

_CONNECT_SECONDS = 2.0
_SILENCE_SECONDS = 15.0


class Others:
    """Calls `/internal` paths of the services whose addresses are in `urls`. Open it with `async with`."""

    def __init__(self, urls: Mapping[str, str], token: SecretStr) -> None:
        self.services = tuple(urls)
        self._urls = {service: url.rstrip("/") for service, url in urls.items()}
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Others":
        self._session = aiohttp.ClientSession(headers={INTERNAL_TOKEN_HEADER: self._token.get_secret_value()})
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    @asynccontextmanager
    async def open(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        stream: AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = 10.0,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """One call with a JSON `body` or a `stream`, never repeated; None for `seconds` bounds its silences alone.

        The answer is 2xx or 4xx; a 503 `Problem` is raised for everything else, also while the answer is read. 404 for
        a service that this ChatCluster does without.
        """
        if service not in self._urls:
            raise errors.not_installed(service)
        assert self._session is not None, "open it with `async with`"  # noqa: S101
        sent = context.outgoing_headers() | dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=seconds, connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
        try:
            async with self._session.request(
                method,
                self._urls[service] + path,
                data=stream if body is None else orjson.dumps(body),
                headers=sent,
                timeout=timeout,
            ) as response:
                if response.status >= 500:
                    raise _away(service, f"status {response.status}")
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(service, type(error).__name__) from error

    async def tell(self, service: str, path: str, body: Any = None) -> Any:
        """POST; the JSON answer, None without one. Raises a 503 `Problem` for anything but success."""
        async with self.open(service, "POST", path, body={} if body is None else body) as response:
            content = await response.read()
            if response.status >= 300:
                raise _away(service, f"status {response.status}")
        return orjson.loads(content) if content else None


def _away(service: str, reason: str) -> errors.Problem:
    log.warning("another service does not answer", service=service, reason=reason)
    return errors.unavailable()
