"""The ASGI middleware of every service: request id, trace, access log, metrics, and a last resort for errors."""

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatcluster_common import context, errors, logs, metrics

log = logs.get_logger(__name__)
_QUIET = {"/livez", "/readyz", "/metrics"}


class RequestContext:
    """Pure ASGI, so that bodies stream through it untouched. WebSockets get the context, not the log line."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any ASGI type."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = context.accept_request_id(headers.get(context.REQUEST_ID_HEADER))
        context.request_id.set(request_id)
        context.trace.set(context.continue_trace(headers.get("traceparent")))
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
                MutableHeaders(scope=message).setdefault(context.REQUEST_ID_HEADER, request_id)
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
        path: str = scope["path"]
        route: str = getattr(scope.get("route"), "path", "") or ("unmatched" if status == 404 else "other")
        method: str = scope["method"]
        metrics.HTTP_REQUESTS.labels(self.service, method, route, str(status)).inc()
        metrics.HTTP_SECONDS.labels(self.service, method, route).observe(seconds)
        if path not in _QUIET:
            log.info("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 2))
