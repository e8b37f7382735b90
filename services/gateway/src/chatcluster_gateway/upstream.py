"""Calls to the services: pooled connections, bounded waits, one repetition where nothing can have happened yet or where
it does no harm, and a circuit breaker for each service."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import Counter, Gauge

from chatcluster_common import logs
from chatcluster_common.errors import Problem
from chatcluster_gateway.body import RequestBody, too_slow
from chatcluster_gateway.breaker import Breaker, State
from chatcluster_gateway.headers import Header
from chatcluster_gateway.http1 import Answer, BrokenOffError
from chatcluster_gateway.pool import Pool
from chatcluster_gateway.routes import Upstream

log = logs.get_logger(__name__)

FAILURES = Counter(
    "chat_gateway_upstream_failures_total", "Calls that a service did not answer.", ["upstream", "status"]
)
RETRIES = Counter("chat_gateway_upstream_retries_total", "Calls that were repeated.", ["upstream"])
CIRCUIT = Gauge("chat_gateway_circuit_state", "The circuit of a service: 0 closed, 1 half-open, 2 open.", ["upstream"])
SHED = Counter("chat_gateway_circuit_refused_total", "Calls not made because the circuit was open.", ["upstream"])

_SAFE_TO_REPEAT = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"})
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})
_RETRY_PAUSE_SECONDS = 0.05
_STORE_PAUSE_SECONDS = 0.3
"""Before a call is repeated whose service has waited for its store already, and lost it in the middle of the call."""
_SWEEP_SECONDS = 0.25


class Upstreams:
    """The services behind the gateway. Open it with `async with`."""

    def __init__(
        self,
        urls: Mapping[Upstream, str],
        *,
        connections: int,
        connect_seconds: float,
        answer_seconds: float,
        circuit_failures: int,
        circuit_seconds: float,
    ) -> None:
        self._pools = {
            name: Pool(url, limit=connections, connect_seconds=connect_seconds, answer_seconds=answer_seconds)
            for name, url in urls.items()
        }
        self._breakers = {
            name: Breaker(failures=circuit_failures, first_seconds=circuit_seconds, longest_seconds=30.0)
            for name in urls
        }
        for name in urls:
            CIRCUIT.labels(name).set(State.CLOSED.value)
        self._sweeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Upstreams":
        self._sweeping = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sweeping:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        for pool in self._pools.values():
            pool.close()

    async def call(
        self, upstream: Upstream, method: bytes, target: bytes, headers: list[Header], body: bytes | RequestBody | None
    ) -> Answer:
        """The service's answer, its body not yet read; `release` it at the end.

        Raises a 502, 503 or 504 `Problem` when there is none, and why the caller's side failed when that was it.
        `target` is path and query as they came.
        """
        breaker, now = self._breakers[upstream], asyncio.get_running_loop().time
        permit = breaker.admit(now())
        if permit is None:
            SHED.labels(upstream).inc()
            raise Problem(503, "unavailable", _DETAILS[503][1], retry_seconds=breaker.retry_seconds(now()))
        before = breaker.state
        try:
            head = _head(self._pools[upstream].authority, method, target, headers, body)
            answer = await self._attempt(upstream, method, head, body)
        except _Unanswered as error:
            breaker.failed(permit, now())
            raise failure(upstream, error.status, error.reason) from error.reason
        except BaseException:
            breaker.abandoned(permit)
            raise
        else:
            breaker.succeeded(permit)
        finally:
            if breaker.state is not before or before is not State.CLOSED:
                self._turned(upstream, breaker.state)
        return answer

    async def _attempt(
        self, upstream: Upstream, method: bytes, head: bytes, body: bytes | RequestBody | None
    ) -> Answer:
        """One try, or two. Raises `_Unanswered`, or why the caller's side failed."""
        streamed = isinstance(body, RequestBody)
        for last in (False, True):
            pause = _RETRY_PAUSE_SECONDS
            try:
                connection = await self._pools[upstream].acquire()
            except (OSError, TimeoutError) as error:
                if last:
                    raise _Unanswered(503, error) from error
                # Else repeat it whatever it is: nothing has been sent, and of a streamed body nothing was read.
            else:
                answer = connection.request(method, head, body)
                try:
                    await answer.head()
                except TimeoutError as error:
                    answer.release()
                    if streamed and body.waiting:
                        raise too_slow() from error
                    raise _Unanswered(504, error) from error
                except BrokenOffError as error:
                    answer.release()
                    if streamed and body.failure:
                        raise body.failure from error
                    if last or streamed or method not in _SAFE_TO_REPEAT:
                        raise _Unanswered(502, error) from error
                except BaseException:  # the caller's side failed, or they left
                    answer.release()
                    raise
                else:
                    if last or streamed or answer.status != 503 or method not in _SAFE_TO_REPEAT:
                        return answer
                    answer.release()
                    pause = _STORE_PAUSE_SECONDS
            RETRIES.labels(upstream).inc()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 jitter
        raise AssertionError("the last attempt returns or raises")

    def _turned(self, upstream: Upstream, state: State) -> None:
        gauge = CIRCUIT.labels(upstream)
        gauge.set(state.value)
        if state is State.OPEN:
            log.warning("a service fails again and again; it is left alone for a while", upstream=upstream)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for pool in self._pools.values():
                pool.sweep(loop.time())


class _Unanswered(Exception):  # noqa: N818 it is what it is
    """The service gave no answer; the status tells the caller so."""

    def __init__(self, status: int, reason: Exception) -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason


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
    FAILURES.labels(upstream, str(status)).inc()
    log.warning("a service did not answer", upstream=upstream, status=status, reason=type(error).__name__)
    code, detail = _DETAILS[status]
    return Problem(status, code, detail, retry_seconds=random.uniform(0.5, 1.0))  # noqa: S311 jitter


def _head(
    authority: bytes, method: bytes, target: bytes, headers: list[Header], body: bytes | RequestBody | None
) -> bytes:
    """The request up to its empty line. How long the body is we say ourselves."""
    lines = [b"%b %b HTTP/1.1\r\nhost: %b" % (method, target, authority)]
    lines += [name + b": " + value for name, value in headers]
    length = body.length if isinstance(body, RequestBody) else len(body or b"")
    if length is None:
        lines.append(b"transfer-encoding: chunked")
    elif length or method in _WITH_BODY:
        lines.append(b"content-length: %d" % length)
    return b"\r\n".join(lines) + b"\r\n\r\n"
