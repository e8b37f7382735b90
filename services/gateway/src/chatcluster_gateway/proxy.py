"""The gateway itself, as plain ASGI: check the caller, count the call, pass it on, stream both bodies.

Nothing is held whole but request bodies up to 64 KiB: those are read before a service is called, so that slow callers
occupy none of its connections.
"""

import asyncio
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatcluster_common import context, errors
from chatcluster_common.auth import Principal, check_scope
from chatcluster_common.errors import Problem
from chatcluster_common.permissions import scope_for
from chatcluster_gateway import body as body_of
from chatcluster_gateway import gcra, headers, routes
from chatcluster_gateway.apitokens import PREFIX, ApiTokens, Exchanged, is_secret
from chatcluster_gateway.audit import ADDRESS, Audit, Call
from chatcluster_gateway.body import CallerGoneError, RequestBody
from chatcluster_gateway.callers import Callers, bearer, limited_address
from chatcluster_gateway.cors import Cors
from chatcluster_gateway.headers import Header, Incoming
from chatcluster_gateway.http1 import Answer, BrokenOffError
from chatcluster_gateway.limiter import RedisLimiter
from chatcluster_gateway.models import AuditEvent
from chatcluster_gateway.policies import Limit, Policies
from chatcluster_gateway.routes import Route, Upstream
from chatcluster_gateway.settings import GatewaySettings
from chatcluster_gateway.upstream import Upstreams, failure

_OWN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
_INTERNAL = re.compile(r"/internal/users/[^/]+/(export|erase)")
"""What the user service asks of every service: it takes the internal token, and the edge passes no such path on."""

_QUERY = re.compile(rb"[!-~]*")
_ALLOW = ", ".join(sorted(routes.METHODS))
_VIA = b"1.1 chatcluster"
_RATE_LIMIT = frozenset({b"ratelimit", b"ratelimit-policy"})


class Gateway:
    """Passes `/api/v1/…` on to the services; `own` answers the gateway's own paths and its lifespan."""

    def __init__(
        self,
        own: ASGIApp,
        settings: GatewaySettings,
        *,
        callers: Callers,
        api_tokens: ApiTokens,
        audit: Audit,
        limiter: RedisLimiter,
        upstreams: Upstreams,
        services: Collection[str],
    ) -> None:
        """`services` are those of this ChatCluster: it may do without some."""
        self._own = own
        self._callers = callers
        self._api_tokens = api_tokens
        self._audit = audit
        self._limiter = limiter
        self._upstreams = upstreams
        self._services = services
        self._policies = Policies(settings)
        self._cors = Cors(settings.cors_origins)
        self._trust_edge = settings.trust_edge
        self._max_upload = settings.max_body_bytes
        self._max_json = settings.max_json_bytes
        self._seconds = settings.answer_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any ASGI type."""
        if scope["type"] != "http" or scope["path"] in _OWN_PATHS or _INTERNAL.fullmatch(scope["path"]):
            await self._own(scope, receive, send)
            return
        incoming = Incoming.read(scope["headers"])
        visit = Visit(
            scope, receive, send, incoming, self._address(scope, incoming), self._cors.headers(incoming.origin)
        )
        try:
            await self._serve(visit)
        except Problem as problem:
            response = problem.response()
            sent = {name for name, _ in response.raw_headers}
            said = [header for header in visit.said if header[0] not in sent]
            response.raw_headers = headers.outward(response.raw_headers, problem.status) + said
            await response(scope, receive, visit.send)
        except CallerGoneError:
            return

    async def _serve(self, visit: "Visit") -> None:
        """Answer, or raise a `Problem`."""
        scope, incoming = visit.scope, visit.incoming
        method: str = scope["method"]
        path: bytes = scope["raw_path"]
        route = routes.find(path) if routes.fit(path) else None
        if route:
            scope["route"] = route  # what logs and metrics call it
        endpoint = routes.ENDPOINTS.get((method, path), routes.PLAIN)

        principal = None if endpoint.public else await self._identify(visit)
        if principal:
            await self._count(visit, self._policies.of_caller(principal, endpoint.limit))
        else:
            await self._count(visit, self._policies.of_address(limited_address(visit.address), endpoint.limit))

        if method == "OPTIONS" and incoming.preflight:
            await self._answer_preflight(visit)
            return
        route = self._served(scope, route)
        if principal:
            if route.audited:
                visit.send = self._noting(visit, route.audited, principal)
            if principal.scopes is not None and path != routes.EXCHANGE:
                check_scope(principal, scope_for(method, scope["path"]))
        elif not endpoint.public:
            raise visit.refusal or errors.unauthorized()

        most = self._max_upload if endpoint.upload else self._max_json
        body = await body_of.take(incoming, visit.receive, most, self._seconds)
        if route.upstream is None:
            await self._answer_own(visit, body)
            return
        inward = incoming.inward + self._forwarding(visit)
        query: bytes = scope["query_string"]
        target = path + b"?" + query if query else path
        answer = await self._upstreams.call(route.upstream, method.encode(), target, inward, body)
        try:
            await _pass_back(visit, answer, route.upstream, listen=_all_read(body))
        finally:
            answer.release()

    def _served(self, scope: Scope, route: Route | None) -> Route:
        """The route, or a `Problem` that says why the call is not served."""
        path: bytes = scope["raw_path"]
        if not routes.fit(path) or not _QUERY.fullmatch(scope["query_string"]):
            raise Problem(400, "bad_path", "The path or the query has something in it that is not allowed.")
        owner = routes.owner(path)
        if owner and owner not in self._services:
            raise errors.not_installed(owner)
        if route is None:
            raise errors.not_found("path")
        if scope["method"] not in routes.METHODS:
            raise Problem(405, "method_not_allowed", "This method is not served here.", headers={"Allow": _ALLOW})
        return route

    async def _identify(self, visit: "Visit") -> Principal | None:
        """Who calls; None: nobody we know, and `visit.refusal` may say why."""
        authorization = visit.incoming.authorization
        token = bearer(authorization) if authorization else None
        if token is None:
            return None
        try:
            if not token.startswith(PREFIX):
                return self._callers.principal(token)
            exchanged = self._api_tokens.remembered(token)
            if exchanged is None:
                if not is_secret(token):
                    return None
                # Guessing costs looks at the database: they are counted like any call of a stranger.
                limits = self._policies.of_address(limited_address(visit.address), None)
                await self._count(visit, limits)
                visit.said = [header for header in visit.said if header[0] not in _RATE_LIMIT]
                call = Call(visit.scope["method"], visit.scope["path"], visit.address)
                exchanged = await self._api_tokens.exchange(token, call)
        except Problem as problem:
            if problem.status != 401:
                raise
            visit.refusal = problem
            return None
        visit.take_over(exchanged)
        return exchanged.principal

    async def _count(self, visit: "Visit", limits: list[Limit]) -> None:
        decisions = await self._limiter.take(limits)
        visit.said += gcra.headers(decisions)
        for decision in decisions:
            if not decision.allowed:
                raise Problem(429, "rate_limited", f"Too many requests. Try again in {decision.retry_seconds} s.")

    async def _answer_preflight(self, visit: "Visit") -> None:
        if not self._cors.allows(visit.incoming.origin):
            raise errors.Problem(403, "origin_not_allowed", "Pages of this origin may not call the API.")
        fields = headers.outward([], 204) + visit.said + self._cors.preflight()
        await visit.send({"type": "http.response.start", "status": 204, "headers": fields})
        await visit.send({"type": "http.response.body", "body": b""})

    async def _answer_own(self, visit: "Visit", body: bytes | RequestBody | None) -> None:
        content = await body_of.read(body, self._seconds) if isinstance(body, RequestBody) else body or b""
        visit.scope[ADDRESS] = visit.address
        unread = True

        async def receive() -> Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": content}
            return await visit.receive()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = headers.outward(message["headers"], message["status"]) + visit.said
                message = {**message, "headers": fields}
            await visit.send(message)

        await self._own(visit.scope, receive, send)

    def _noting(self, visit: "Visit", event: AuditEvent, principal: Principal) -> Send:
        """`visit.send`, which notes the call before its answer is passed on."""
        send = visit.send
        call = Call(visit.scope["method"], visit.scope["path"], visit.address)
        token_id = principal.session_id if principal.scopes is not None else None

        async def note_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                status: int = message["status"]
                entry = self._audit.entry(event, principal.user_id, call, status=status, token_id=token_id)
                await self._audit.add(entry)
            await send(message)

        return note_and_send

    def _address(self, scope: Scope, incoming: Incoming) -> str:
        if self._trust_edge and (sent := incoming.said.get(b"x-forwarded-for")) is not None:
            return sent.rpartition(b",")[2].strip().decode("latin-1")
        return scope["client"][0] if scope["client"] else ""

    def _forwarding(self, visit: "Visit") -> list[Header]:
        said = visit.incoming.said
        edge = said if self._trust_edge else {}
        via = said.get(b"via")
        fields = [
            (b"x-forwarded-for", visit.address.encode("latin-1")),
            (b"x-forwarded-proto", edge.get(b"x-forwarded-proto") or visit.scope["scheme"].encode()),
            (b"x-forwarded-host", edge.get(b"x-forwarded-host") or said.get(b"host", b"")),
            (b"via", via + b", " + _VIA if via else _VIA),
        ]
        fields += [(name.encode(), value.encode()) for name, value in context.outgoing_headers().items()]
        return fields


@dataclass(slots=True)
class Visit:
    """One request on its way."""

    scope: Scope
    receive: Receive
    send: Send
    incoming: Incoming
    address: str
    said: list[Header]
    """What any answer says: rate limits, CORS."""
    refusal: Problem | None = None
    """Why the token is not good."""

    def take_over(self, exchanged: Exchanged) -> None:
        """From here on the call has the access token in the API token's place."""

        def replaced(sent: Iterable[Header]) -> list[Header]:
            mine = (b"authorization", exchanged.authorization)
            return [mine if header[0] == b"authorization" else header for header in sent]

        self.incoming.inward = replaced(self.incoming.inward)
        self.scope["headers"] = replaced(self.scope["headers"])


async def _pass_back(visit: Visit, answer: Answer, upstream: Upstream, *, listen: bool) -> None:
    """Send the answer to the caller. `listen`: the request's body has been read, what comes now says that they left."""
    send = visit.send
    start: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": headers.outward(answer.headers, answer.status) + visit.said,
    }
    if answer.complete or (answer.length is not None and answer.length <= body_of.SMALL):
        try:
            content = await answer.read()
        except TimeoutError as error:
            raise failure(upstream, 504, error) from error
        except BrokenOffError as error:
            raise failure(upstream, 502, error) from error
        await send(start)
        await send({"type": "http.response.body", "body": content})
        return
    await send(start)
    gone = asyncio.ensure_future(_disconnected(visit.receive)) if listen else None
    try:
        async for piece in answer.pieces():
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
