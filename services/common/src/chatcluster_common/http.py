"""The ASGI middleware of every service: request id, trace, access log, metrics, and a last resort for errors."""

import time

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatcluster_common import context, errors, logs, metrics

log = logs.get_logger(__name__)
_QUIET = {"/livez", "/readyz", "/metrics"}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_REQUEST_ID = context.REQUEST_ID_HEADER.encode()


class RequestContext:
    """Pure ASGI, so that bodies stream through it untouched. WebSockets get the context, not the log line."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self.service = service
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any ASGI type."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        sent_id = sent_trace = None
        for name, value in scope["headers"]:
            if name == _REQUEST_ID:
                sent_id = value
            elif name == b"traceparent":
                sent_trace = value
        request_id = context.accept_request_id(_text(sent_id))
        context.request_id.set(request_id)
        context.trace.set(context.continue_trace(_text(sent_trace)))
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return

        status = 0
        complete = False
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                if not any(name == _REQUEST_ID for name, _ in headers):
                    headers.append((_REQUEST_ID, request_id.encode()))
                message["headers"] = headers
            else:
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            if complete:  # the application has answered and logged it; its framework passes the error on all the same
                return
            problem = errors.internal(error)
            if status:  # the answer has begun: nothing can be added to it, the connection is cut
                raise
            await problem.response()(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route: str = getattr(scope.get("route"), "path", "") or ("unmatched" if status == 404 else "other")
        method: str = scope["method"]
        if method not in _METHODS:  # anything can stand there, and each would be another series
            method = "other"
        known = self._series.get((method, route, status))
        if known is None:
            known = (
                metrics.HTTP_REQUESTS.labels(self.service, method, route, str(status)),
                metrics.HTTP_SECONDS.labels(self.service, method, route),
            )
            self._series[method, route, status] = known
        requests, duration = known
        requests.inc()
        duration.observe(seconds)
        if scope["path"] not in _QUIET:
            log.info("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 2))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
