"""Engine.IO over long-polling: each request takes what is queued (GET) or brings packets (POST).

Protocol: https://socket.io/docs/v4/engine-io-protocol/#http-long-polling
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from chatcluster_common import errors
from chatcluster_common.realtime.session import ENVIRON, TRANSPORT_ERROR, Session

if TYPE_CHECKING:
    from chatcluster_common.realtime.engine import Engine


class _RefusedError(Exception):
    """A request that breaks the protocol, with the codes of the official server."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.content = orjson.dumps({"code": code, "message": message})


class LongPolling:
    """The requests of clients without a WebSocket."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    async def serve(self, scope: Scope, query: Mapping[str, str], receive: Receive) -> Response:
        """Answer one request: the first of a session, a poll or a post."""
        method = scope["method"]
        if method == "OPTIONS":
            return Response(
                headers={"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "Content-Type"}
            )
        try:
            session = self._session_of(query)
            if session is None:
                if method != "GET":
                    raise _RefusedError(2, "Bad handshake method")
                if not self._engine.accepting:
                    return errors.unavailable("This replica is going away. Connect again.").response()
                session = self._engine.open("polling")
                await self._engine.emit("connect", session.sid, ENVIRON)
            payload = await self._exchange(session, method, query.get("t"), receive)
            return Response(payload, media_type="text/plain")
        except _RefusedError as refused:
            return Response(refused.content, status_code=400, media_type="application/json")

    def _session_of(self, query: Mapping[str, str]) -> Session | None:
        """The polling session that a request belongs to; None for the first of one."""
        if query.get("transport") != "polling" or "j" in query:
            raise _RefusedError(0, "Transport unknown")
        if query.get("EIO", "4") != "4":
            raise _RefusedError(5, "Unsupported protocol version")
        if "sid" not in query:
            return None
        session = self._engine.sessions.get(query["sid"])
        if session is None or not session.polling:
            raise _RefusedError(1, "Session ID unknown")
        return session

    async def _exchange(self, session: Session, method: str, stamp: str | None, receive: Receive) -> str:
        payload = None
        if method == "GET":
            payload = await _polled(session, stamp, receive)
        elif method == "POST" and not session.closed:
            payload = await self._post(session, receive)
        if payload is None:
            await session.close(TRANSPORT_ERROR, at_once=True)
            raise _RefusedError(3, "Bad request")
        return payload

    async def _post(self, session: Session, receive: Receive) -> str | None:
        body = bytearray()
        more = True
        while more:
            message: Message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self._engine.max_payload:
                return None
            more = message.get("more_body", False)
        try:
            await session.post(body.decode())
        except UnicodeDecodeError:
            return None
        return "ok"


async def _polled(session: Session, stamp: str | None, receive: Receive) -> str | None:
    """What a poll brings. None where its connection is lost while it waits, which ends the session: what is sent then
    reaches nobody, and a client that does not hear of the loss would go on polling."""
    poll, lost = asyncio.ensure_future(session.poll(stamp)), asyncio.ensure_future(_lost(receive))
    try:
        await asyncio.wait((poll, lost), return_when=asyncio.FIRST_COMPLETED)
        return None if lost.done() else poll.result()
    finally:
        poll.cancel()
        lost.cancel()
        await asyncio.gather(poll, lost, return_exceptions=True)


async def _lost(receive: Receive) -> None:
    """Returns once the client of a request has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
