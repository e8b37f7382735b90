"""Calls to the services: pooled connections, bounded waits, one repetition where nothing can have happened yet."""

import asyncio
from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict
from prometheus_client import Counter
from yarl import URL

from chatcluster_common import logs
from chatcluster_common.errors import Problem
from chatcluster_gateway.body import RequestBody, too_slow
from chatcluster_gateway.headers import Header
from chatcluster_gateway.routes import Upstream

log = logs.get_logger(__name__)

FAILURES = Counter(
    "chat_gateway_upstream_failures_total", "Calls that a service did not answer.", ["upstream", "status"]
)
RETRIES = Counter("chat_gateway_upstream_retries_total", "Calls that were repeated.", ["upstream"])

_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_ATTEMPTS = 2
_RETRY_PAUSE_SECONDS = 0.05


class Upstreams:
    """The services behind the gateway. Open it with `async with`."""

    def __init__(
        self,
        urls: Mapping[Upstream, str],
        *,
        connections: int,
        connect_seconds: float,
        answer_seconds: float,
    ) -> None:
        self._urls = {name: url.rstrip("/") for name, url in urls.items()}
        self._connections = connections
        self._answer_seconds = answer_seconds
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_seconds, sock_connect=connect_seconds, sock_read=answer_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Upstreams":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=self._connections,
                # Shorter than the services' own, so that a connection is not used at the moment they close it.
                keepalive_timeout=30,
                ttl_dns_cache=10,
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def call(
        self, upstream: Upstream, method: str, target: str, headers: list[Header], body: bytes | RequestBody | None
    ) -> aiohttp.ClientResponse:
        """The service's answer, its body not yet read; `release` it at the end.

        Raises a 502, 503 or 504 `Problem` when there is none, and why the caller's side failed when that was it.
        `target` is path and query as they came.
        """
        assert self._session is not None, "open it with `async with`"  # noqa: S101
        url = URL(self._urls[upstream] + target, encoded=True)
        fields = CIMultiDict([(_text(name), _text(value)) for name, value in headers])
        streamed = isinstance(body, RequestBody)
        loop = asyncio.get_running_loop()
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                async with asyncio.timeout(self._answer_seconds) as limit:
                    if streamed:
                        # The time for the answer begins anew with each piece.
                        body.on_piece = lambda limit=limit: limit.reschedule(loop.time() + self._answer_seconds)
                    return await self._session.request(method, url, headers=fields, data=body, allow_redirects=False)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                if last:
                    raise failure(upstream, 503, error) from error
                # Else repeat it whatever it is: nothing has been sent, and of a streamed body nothing was read.
            except TimeoutError as error:
                if streamed and body.waiting:
                    raise too_slow() from error
                raise failure(upstream, 504, error) from error
            except (aiohttp.ClientError, OSError) as error:
                if streamed and body.failure:
                    raise body.failure from error
                if last or streamed or method not in _SAFE_TO_REPEAT:
                    raise failure(upstream, 502, error) from error
            finally:
                if streamed:
                    body.on_piece = None
            RETRIES.labels(upstream).inc()
            await asyncio.sleep(_RETRY_PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")


_DETAILS = {
    502: ("bad_gateway", "A part of the service broke off its answer. Whether the call took effect is not known."),
    503: ("unavailable", "A part of the service is not available. Try again shortly."),
    504: (
        "upstream_timeout",
        "A part of the service did not answer in time. Whether the call took effect is not known.",
    ),
}


def failure(upstream: Upstream, status: int, error: Exception) -> Problem:
    """The problem to answer with; counted and logged."""
    reason = type(error).__name__
    FAILURES.labels(upstream, str(status)).inc()
    log.warning("a service did not answer", upstream=upstream, status=status, reason=reason)
    code, detail = _DETAILS[status]
    return Problem(status, code, detail, headers={"Retry-After": "1"})


def _text(value: bytes) -> str:
    """As the client library wants it: it writes UTF-8, so that valid UTF-8 crosses unchanged."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
