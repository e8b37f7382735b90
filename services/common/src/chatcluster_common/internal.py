"""Calls from one service to another: pooled, bounded in time, with the request's ids and the internal token."""

import asyncio
import random
import socket
from collections.abc import Collection, Mapping
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from chatcluster_common import context, errors, logs, tcp
from chatcluster_common.auth import INTERNAL_TOKEN_HEADER

log = logs.get_logger(__name__)

_ATTEMPTS = 3
_BACKOFF_SECONDS = 0.1


class InternalClient:
    """Calls `/internal` paths of one other service. Open it with `async with`."""

    def __init__(self, base_url: str, token: SecretStr, *, timeout_seconds: float = 3.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=1.0)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "InternalClient":
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=30, socket_factory=_socket),
            headers={INTERNAL_TOKEN_HEADER: self._token.get_secret_value().split()[0]},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | None:
        """The JSON answer, or None for 404. Raises a 503 `Problem` when the service does not answer well in time."""
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: Any, *, refusals: Collection[int] = ()) -> Any | None:
        """As `get`; only for calls that are safe to repeat. An answer of a status in `refusals` is about the request,
        and raised as the other service's own `Problem`."""
        return await self._call("POST", path, data=orjson.dumps(body), refusals=refusals)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        refusals: Collection[int] = (),
    ) -> Any | None:
        assert self._session is not None, "open the client with `async with`"  # noqa: S101
        headers = context.outgoing_headers()
        if data is not None:
            headers["Content-Type"] = "application/json"
        why = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                pause = _BACKOFF_SECONDS * 2 ** (attempt - 1)
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            try:
                async with self._session.request(
                    method, self._base_url + path, params=params, data=data, headers=headers
                ) as response:
                    if response.status == 404:
                        return None
                    if response.status < 300:
                        return orjson.loads(await response.read())
                    if response.status in refusals:
                        problem = errors.ProblemDetails.model_validate_json(await response.read())
                        raise errors.Problem(problem.status, problem.code, problem.detail, errors=problem.errors or ())
                    why = f"status {response.status}"
                    if response.status < 500:
                        break
            except (aiohttp.ClientError, TimeoutError) as error:
                why = type(error).__name__
        log.warning("internal call failed", url=self._base_url + path, reason=why)
        raise errors.unavailable()


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    tcp.notice_loss(made)
    return made
