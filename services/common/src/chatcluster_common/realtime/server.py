"""Socket.IO for a service: the handshake, events that are always acknowledged, the end of a token, draining."""

# python-socketio has no type annotations:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import socketio
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from socketio.exceptions import ConnectionRefusedError as Refused
from starlette.types import ASGIApp

from chatcluster_common import context, errors, logs
from chatcluster_common.auth import Principal, TokenVerifier, check
from chatcluster_common.permissions import Permission, Scope
from chatcluster_common.realtime.channels import Channels, ChannelsUnavailableError
from chatcluster_common.realtime.engine import Engine
from chatcluster_common.realtime.frames import Frame
from chatcluster_common.realtime.manager import ChannelManager
from chatcluster_common.realtime.session import Session
from chatcluster_common.signals import Signals

log = logs.get_logger(__name__)

CONNECTIONS = Gauge("chat_socket_connections", "Connected sockets.", ["service"])
CONNECTS = Counter("chat_socket_connects_total", "Handshakes, by how they ended.", ["service", "result"])
DISCONNECTS = Counter("chat_socket_disconnects_total", "Sockets gone, by reason.", ["service", "reason"])
EVENTS = Counter("chat_socket_events_total", "Client events, by name and status.", ["service", "event", "status"])
EVENT_SECONDS = Histogram(
    "chat_socket_event_duration_seconds",
    "Time from a client event to its acknowledgement.",
    ["service", "event"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DELIVERIES = Counter("chat_socket_deliveries_total", "Events queued for sockets.", ["service", "event"])

HANDLER_SECONDS = 10.0
_MAX_EVENT_BYTES = 128 * 1024
_TOKEN_GRACE_SECONDS = 5.0
_IDLE_SECONDS = 5.0
_CLOSES_PER_SECOND = 20.0
"""Draining closes at least this fast; faster when there are more sockets than the time allows for at this rate."""

M = TypeVar("M", bound=BaseModel)


class _Json:
    """What python-socketio calls `json`, by orjson."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(value: str | bytes, **_: Any) -> Any:
        return orjson.loads(value)


class _Server(socketio.AsyncServer):
    def _engineio_server_class(self) -> Any:
        return Engine


@dataclass(eq=False)
class Connection:
    """One connected socket of one person's device."""

    sid: str
    session: Session
    principal: Principal
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while one of its events is handled."""
    expiry: asyncio.TimerHandle | None = None

    @property
    def user_id(self) -> str:
        """Whose it is."""
        return self.principal.user_id


Hook = Callable[[Connection], Awaitable[None]]


class RealtimeServer:
    """The sockets of one process. Register events, then serve `asgi(app)`; run `channels` while it serves.

    `away` names what the drivers of the service's stores raise when a store does not answer. `scope` is what a scoped
    token needs to connect; an event may need another, see `event`.

    A connection's events are handled one after the other, so that a client's messages keep their order and a flood of
    them waits in the client's own connection.
    """

    def __init__(
        self,
        service: str,
        redis: Redis,
        *,
        path: str,
        on_frame: Callable[[str, Frame], None],
        on_resubscribed: Callable[[], Awaitable[None]],
        on_connect: Hook,
        on_disconnect: Hook,
        on_idle: Callable[[str], None] = lambda _room: None,
        scope: Scope,
        away: Sequence[type[Exception]] = (),
    ) -> None:
        self.service = service
        # There from the start: an autoscaler takes a missing figure for a failure.
        CONNECTIONS.labels(service)
        self._scope = scope
        self.path = path
        self.channels = Channels(redis, on_frame=on_frame, on_resubscribed=on_resubscribed)
        self.manager = ChannelManager(self.channels, on_idle=on_idle)
        self.verifier: TokenVerifier | None = None
        self._away = (TimeoutError, ChannelsUnavailableError, *away)
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._connections: dict[str, Connection] = {}
        self._background: set[asyncio.Task[None]] = set()
        quiet: Any = logging.getLogger("chatcluster.socketio")
        quiet.setLevel(logging.ERROR)
        self._sio = _Server(
            client_manager=self.manager,
            async_mode="asgi",
            async_handlers=False,
            json=_Json,
            logger=quiet,
            engineio_logger=quiet,
            max_http_buffer_size=_MAX_EVENT_BYTES,
        )
        self._engine: Engine = self._sio.eio
        self._sio.on("connect", self._connect)
        self._sio.on("disconnect", self._disconnect)
        self._sio.on("*", self._unknown)

    def asgi(self, app: ASGIApp) -> ASGIApp:
        """`app` with the sockets at `path`."""
        return socketio.ASGIApp(self._sio, other_asgi_app=app, socketio_path=self.path)

    def event(
        self,
        name: str,
        model: type[M],
        handler: Callable[[Connection, M], Awaitable[Mapping[str, Any]]],
        *,
        scope: Scope | None = None,
    ) -> None:
        """Handle the client event `name`: its data is checked against `model`, the result acknowledged with `ok: true`.
        A scoped token needs `scope`, by default the one it needed to connect.

        Whatever goes wrong is acknowledged as `{ok: false, error: problem}`.
        """

        async def handle(sid: str, *data: Any) -> dict[str, Any]:
            connection = self._connections.get(sid)
            if connection is None:
                return _failed(errors.unauthorized())
            context.request_id.set(context.accept_request_id(None))
            context.trace.set(context.continue_trace(None))
            started = time.perf_counter()
            status = 200
            try:
                async with connection.busy, asyncio.timeout(HANDLER_SECONDS):
                    if sid not in self._connections:  # closed while this event waited: nobody would see its result
                        raise errors.unavailable()
                    check(connection.principal, Permission.CHAT, scope or self._scope)
                    arguments = model.model_validate(data[0] if data else {})
                    return {"ok": True, **await handler(connection, arguments)}
            except Exception as error:
                problem = self._problem(error)
                status = problem.status
                return _failed(problem)
            finally:
                EVENTS.labels(self.service, name, str(status)).inc()
                EVENT_SECONDS.labels(self.service, name).observe(time.perf_counter() - started)

        self._sio.on(name, handle)

    def connections(self) -> list[Connection]:
        """Every connected socket."""
        return list(self._connections.values())

    def connection(self, sid: str) -> Connection | None:
        """The connected socket of that id."""
        return self._connections.get(sid)

    def deliver(self, room: str, frame: Frame) -> int:
        """Queue a frame for the room's sockets in this process."""
        count = self.manager.deliver(room, frame)
        if count:
            DELIVERIES.labels(self.service, frame.event).inc(count)
        return count

    async def emit(self, connection: Connection, event: str, data: Mapping[str, Any]) -> None:
        """Send an event to one socket."""
        connection.session.offer(Frame(event, orjson.dumps(data)).packet)

    async def join(self, connection: Connection, *rooms: str) -> None:
        """Put a socket into rooms; returns when nothing published there can be missed any more."""
        try:
            await self.manager.join(connection.sid, rooms)
        except ChannelsUnavailableError as error:
            raise errors.unavailable() from error

    async def leave(self, connection: Connection, *rooms: str) -> None:
        """Take a socket out of rooms."""
        await self.manager.leave(connection.sid, rooms)

    async def close(self, connection: Connection) -> None:
        """Close a socket once the event it is busy with is acknowledged. Its client connects again by itself."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                async with connection.busy:
                    await self._engine.close(connection.session.sid)
        except TimeoutError:
            log.warning("a socket is closed while it is busy")
            await self._engine.close(connection.session.sid)

    def end(self, user_id: str, session_id: str | None = None) -> None:
        """The session (of None: all sessions of the person) is over: tell its sockets, and close them."""
        for connection in self.connections():
            principal = connection.principal
            if principal.user_id == user_id and session_id in {None, principal.session_id}:
                self._expire(connection)

    def follow(self, signals: Signals) -> None:
        """Close the sockets of sessions that `signals` says are over."""
        signals.on("session_revoked", lambda fields: self.end(fields["user_id"], fields["session_id"]))
        signals.on("user_revoked", lambda fields: self.end(fields["user_id"]))
        signals.on("user_erased", lambda fields: self.end(fields["user_id"]))

    async def drain(self, seconds: float) -> None:
        """Let no new socket in, tell each when to connect again, and close them evenly within 80 % of `seconds`."""
        self._engine.accepting = False
        connections = self.connections()
        random.shuffle(connections)
        loop = asyncio.get_running_loop()
        interval = min(1 / _CLOSES_PER_SECOND, seconds * 0.8 / max(len(connections), 1))
        begun = loop.time()
        notice = 0.2
        for place, connection in enumerate(connections):
            delay = int((notice + place * interval) * 1000)
            await self.emit(connection, "server:draining", {"retry_after_ms": delay})
        closing: list[asyncio.Task[None]] = []
        for place, connection in enumerate(connections):
            # A little after its client was told to go by itself.
            await asyncio.sleep(max(begun + 2 * notice + place * interval - loop.time(), 0))
            if self._connections.get(connection.sid) is connection:
                closing.append(asyncio.create_task(self.close(connection)))
        if closing:
            await asyncio.wait(closing)
        log.info("sockets closed", sockets=len(connections))

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        token = auth.get("token") if isinstance(auth, dict) else None
        session = self.manager.session(sid)
        if session is None:
            raise Refused("The connection was lost.")
        try:
            if not isinstance(token, str) or self.verifier is None:
                raise errors.unauthorized()
            connection = Connection(sid, session, self.verifier.verify(token))
            check(connection.principal, Permission.CHAT, self._scope)
            async with asyncio.timeout(HANDLER_SECONDS):
                await self._on_connect(connection)
        except Exception as error:
            problem = self._problem(error)
            CONNECTS.labels(self.service, problem.code).inc()
            if problem.status >= 500:
                # Refused, a client would not try again; disconnected, it does.
                await self._engine.close(session.sid)
            raise Refused(problem.detail, problem.document()) from error
        if session.closed:
            # It went away during the handshake, of which python-socketio tells nobody.
            await self._on_disconnect(connection)
            raise Refused("The connection was lost.")
        CONNECTS.labels(self.service, "ok").inc()
        CONNECTIONS.labels(self.service).inc()
        self._connections[sid] = connection
        left = connection.principal.expires_at + _TOKEN_GRACE_SECONDS - time.time()
        connection.expiry = asyncio.get_running_loop().call_later(max(left, 0), self._expire, connection)

    async def _disconnect(self, sid: str, reason: str) -> None:
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        if connection.expiry:
            connection.expiry.cancel()
        CONNECTIONS.labels(self.service).dec()
        DISCONNECTS.labels(self.service, reason).inc()
        try:
            await self._on_disconnect(connection)
        except Exception:
            log.exception("what follows a disconnect failed")

    async def _unknown(self, event: str, _sid: str, *_data: Any) -> dict[str, Any]:
        EVENTS.labels(self.service, "unknown", "404").inc()
        return _failed(errors.Problem(404, "unknown_event", f"There is no event {event[:64]!r}."))

    def _problem(self, error: Exception) -> errors.Problem:
        if isinstance(error, errors.Problem):
            return error
        if isinstance(error, ValidationError):
            return errors.from_validation(error.errors(include_url=False, include_context=False, include_input=False))
        if isinstance(error, self._away):
            return errors.store_away(error)
        return errors.internal(error)

    def _expire(self, connection: Connection) -> None:
        async def end() -> None:
            await self.emit(connection, "auth:expired", {})
            await self.close(connection)

        task = asyncio.create_task(end())
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _failed(problem: errors.Problem) -> dict[str, Any]:
    return {"ok": False, "error": problem.document()}
