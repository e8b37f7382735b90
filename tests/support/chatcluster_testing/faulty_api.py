"""A proxy before a real API server that answers wrongly, late, half or not at all, as a test says.

It takes plain HTTP on a loopback port and runs in a thread of its own, so that synchronous tests can turn faults on
and off while an operator process talks through it.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
from aiohttp import web

from chatcluster_testing.control_plane import ControlPlane
from chatcluster_testing.process import free_port

_HOP_BY_HOP = {"connection", "content-length", "content-encoding", "host", "keep-alive", "transfer-encoding"}


class Call(NamedTuple):
    """A call on its way to the API server."""

    method: str
    path: str
    query: Mapping[str, str]

    @property
    def watch(self) -> bool:
        """Whether it asks for a stream of changes."""
        return self.query.get("watch") == "true"

    @property
    def writes(self) -> bool:
        """Whether it would change something that belongs to a ChatCluster, or its status."""
        return self.method != "GET" and "/leases" not in self.path and "/events" not in self.path


@dataclass(frozen=True)
class Refuse:
    """Answered with an error, without having reached the server."""

    status: int
    reason: str = "Injected"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Cut:
    """The connection breaks before the call has reached the server."""


@dataclass(frozen=True)
class Lost:
    """The server carries the call out, `then` is called, and the connection breaks before the answer arrives."""

    then: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Slow:
    """The call reaches the server after so many seconds, and each piece of the answer waits as long."""

    seconds: float


Fault = Refuse | Cut | Lost | Slow


class FaultyApi:
    """The proxy. `fault` is asked about each call, `deaf` about each stream whenever it has something to say."""

    def __init__(self, plane: ControlPlane) -> None:
        self.port = free_port()
        self.fault: Callable[[Call], Fault | None] = lambda _: None
        self.deaf: Callable[[Call], bool] = lambda _: False
        self._target = plane.url
        self._tls = ssl.create_default_context(cafile=str(plane.ca))
        self._transports: set[asyncio.Transport] = set()
        self._stopped = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="faulty-api")

    @property
    def url(self) -> str:
        """Address for a kubeconfig."""
        return f"http://127.0.0.1:{self.port}"

    def heal(self) -> None:
        """No more faults."""
        self.fault, self.deaf = lambda _: None, lambda _: False

    def cut(self) -> None:
        """Break every connection there is."""
        self._loop.call_soon_threadsafe(lambda: [transport.abort() for transport in tuple(self._transports)])

    def start(self) -> None:
        """Take connections."""
        self._thread.start()
        assert self._started.wait(10), "the proxy has not started"

    def stop(self) -> None:
        """Break all connections and end the thread."""
        self.cut()
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        application = web.Application(client_max_size=8 << 20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._started.set()
            await self._stopped.wait()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._transports.add(transport)
        try:
            return await self._answer_or_not(request, transport)
        except (aiohttp.ClientError, ConnectionError):
            transport.abort()
            return web.Response(status=502)
        finally:
            self._transports.discard(transport)

    async def _answer_or_not(self, request: web.Request, transport: asyncio.Transport) -> web.StreamResponse:
        call = Call(request.method, request.path, dict(request.query))
        body = await request.read()
        fault = self.fault(call)
        if isinstance(fault, Refuse):
            return web.json_response(
                {"kind": "Status", "code": fault.status, "reason": fault.reason, "message": "refused by the test"},
                status=fault.status,
                headers=fault.headers,
            )
        if isinstance(fault, Cut):
            raise ConnectionResetError
        pause = fault.seconds if isinstance(fault, Slow) else 0.0
        await asyncio.sleep(pause)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._target}{request.path_qs}"
        async with self._session.request(call.method, url, data=body or None, headers=headers) as upstream:
            if isinstance(fault, Lost):
                await upstream.read()
                fault.then()
                raise ConnectionResetError
            kept = {name: value for name, value in upstream.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=upstream.status, headers=kept)
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                if call.watch and self.deaf(call):
                    continue
                await asyncio.sleep(pause)
                await response.write(chunk)
            await response.write_eof()
            return response


@contextlib.contextmanager
def faulty(plane: ControlPlane) -> Iterator[FaultyApi]:
    """A proxy without faults, for as long as the block lasts."""
    api = FaultyApi(plane)
    api.start()
    try:
        yield api
    finally:
        api.stop()
