"""The gateway itself, as plain ASGI: check the caller, count the call, pass it on, stream both bodies.

Nothing is held whole but request bodies up to 64 KiB: those are read before a service is called, so that slow callers
occupy none of its connections.
"""

import asyncio
import re

import aiohttp
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatcluster_common import context, errors
from chatcluster_common.auth import Principal
from chatcluster_common.errors import Problem
from chatcluster_gateway import body as body_of
from chatcluster_gateway import headers, routes
from chatcluster_gateway.body import CallerGoneError, RequestBody
from chatcluster_gateway.callers import Callers, bearer, limited_address
from chatcluster_gateway.gcra import Policy
from chatcluster_gateway.headers import Header
from chatcluster_gateway.limiter import RedisLimiter
from chatcluster_gateway.routes import Upstream
from chatcluster_gateway.settings import GatewaySettings
from chatcluster_gateway.upstream import Upstreams, failure

OWN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

_QUERY = re.compile(rb"[!-~]*")
_ALLOW = ", ".join(sorted(routes.METHODS))
_VIA = b"1.1 chatcluster"


class Policies:
    """The rate limits, from the settings."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.user = Policy("user", settings.user_rate_per_second, settings.user_burst)
        self.address = Policy("address", settings.address_rate_per_second, settings.address_burst)
        self.sign_in = Policy("sign-in", settings.sign_in_rate_per_minute / 60, settings.sign_in_burst)


class Gateway:
    """Passes `/api/v1/…` on to the services; `own` answers the process's own paths and its lifespan."""

    def __init__(
        self, own: ASGIApp, settings: GatewaySettings, callers: Callers, limiter: RedisLimiter, upstreams: Upstreams
    ) -> None:
        self._own = own
        self._callers = callers
        self._limiter = limiter
        self._upstreams = upstreams
        self._policies = Policies(settings)
        self._trust_edge = settings.trust_edge
        self._max_body = settings.max_body_bytes
        self._seconds = settings.answer_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any ASGI type."""
        if scope["type"] != "http" or scope["path"] in OWN_PATHS:
            await self._own(scope, receive, send)
            return
        limits: list[Header] = []
        try:
            await self._serve(scope, receive, send, limits)
        except Problem as problem:
            response = problem.response()
            sent = {name for name, _ in response.raw_headers}
            response.raw_headers += [header for header in limits if header[0] not in sent]
            await response(scope, receive, send)
        except CallerGoneError:
            return

    async def _serve(self, scope: Scope, receive: Receive, send: Send, limits: list[Header]) -> None:
        method: str = scope["method"]
        path: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        fit = routes.fit(path)
        route = routes.find(path) if fit else None
        if route:
            scope["route"] = route  # what logs and metrics call it

        call = (method, path)
        public = call in routes.PUBLIC
        principal = None if public else self._principal(scope)
        address = self._address(scope)
        if principal:
            policy, key = self._policies.user, f"user:{principal.user_id}"
        elif call in routes.SIGN_IN:
            policy, key = self._policies.sign_in, f"sign-in:{limited_address(address)}"
        else:
            policy, key = self._policies.address, f"address:{limited_address(address)}"
        decision = await self._limiter.take(policy, key)
        limits += decision.headers()
        if not decision.allowed:
            raise Problem(429, "rate_limited", f"Too many requests. Try again in {decision.retry_seconds} s.")

        if not fit or not _QUERY.fullmatch(query):
            raise Problem(400, "bad_path", "The path or the query has something in it that is not allowed.")
        if route is None:
            raise errors.not_found("path")
        if method not in routes.METHODS:
            raise Problem(405, "method_not_allowed", "This method is not served here.", headers={"Allow": _ALLOW})
        if not public and principal is None:
            raise errors.unauthorized()

        body = await body_of.take(scope["headers"], receive, self._max_body, self._seconds)
        inward = headers.inward(scope["headers"]) + self._forwarding(scope, address)
        target = path.decode() + ("?" + query.decode() if query else "")
        answer = await self._upstreams.call(route.upstream, method, target, inward, body)
        try:
            await _pass_back(answer, route.upstream, limits, receive if _all_read(body) else None, send)
        finally:
            answer.release()

    def _principal(self, scope: Scope) -> Principal | None:
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        token = bearer(sent[0]) if len(sent) == 1 else None
        if token is None:
            return None
        try:
            return self._callers.principal(token)
        except Problem:
            return None

    def _address(self, scope: Scope) -> str:
        peer: str = scope["client"][0] if scope["client"] else ""
        if self._trust_edge:
            for name, value in reversed(scope["headers"]):
                if name == b"x-forwarded-for":
                    return value.rpartition(b",")[2].strip().decode("latin-1")
        return peer

    def _forwarding(self, scope: Scope, address: str) -> list[Header]:
        host, protocol, via = b"", scope["scheme"].encode(), b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = host or value
            elif name == b"via":
                via = value + b", "
            elif self._trust_edge and name == b"x-forwarded-proto":
                protocol = value
            elif self._trust_edge and name == b"x-forwarded-host":
                host = value
        fields = [
            (b"X-Forwarded-For", address.encode("latin-1")),
            (b"X-Forwarded-Proto", protocol),
            (b"X-Forwarded-Host", host),
            (b"Via", via + _VIA),
        ]
        fields += [(name.encode(), value.encode()) for name, value in context.outgoing_headers().items()]
        return fields


async def _pass_back(
    answer: aiohttp.ClientResponse, upstream: Upstream, limits: list[Header], receive: Receive | None, send: Send
) -> None:
    """Send the answer to the caller. `receive`, when the request's body has been read, tells that the caller left."""
    start: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": headers.outward(answer.raw_headers, answer.status) + limits,
    }
    length = answer.content_length
    if answer.method == "HEAD" or answer.status in {204, 304} or (length is not None and length <= body_of.SMALL):
        try:
            content = await answer.read()
        except TimeoutError as error:
            raise failure(upstream, 504, error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise failure(upstream, 502, error) from error
        await send(start)
        await send({"type": "http.response.body", "body": content})
        return
    await send(start)
    gone = asyncio.ensure_future(_disconnected(receive)) if receive else None
    try:
        async for piece in answer.content.iter_any():
            if gone and gone.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        if gone:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _all_read(body: bytes | RequestBody | None) -> bool:
    return not isinstance(body, RequestBody) or body.ended
