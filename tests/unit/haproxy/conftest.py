"""A real HAProxy with the rendered configuration, in front of tiny servers and a tiny name server, all on loopback.

Each backend's pods listen on one port of different loopback addresses (127.0.0.2, 127.0.0.3, …), as the pods behind a
headless Service do, and the name server says which of them there are.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatcluster_haproxy import Backend, EdgeConfig, render
from chatcluster_testing.names import NameServer, running_name_server

ROUTES: dict[str, tuple[tuple[str, ...], bool]] = {
    "gateway": (("/api/v1/",), False),
    "file": (("/api/v1/files",), False),
    "message": (("/socket.io/",), True),
    "presence": (("/presence/socket.io/",), True),
}


@dataclass
class Pod:
    """A tiny HTTP server: says what it was asked, echoes on upgraded connections, and is ready or not as told."""

    name: str
    address: str
    port: int
    ready: bool = True
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Go as a killed process does: its open connections too."""
        assert self.server is not None
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if ": " in line)}
        if path == "/readyz":
            status = "200 OK" if self.ready else "503 Service Unavailable"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return True
        if headers.get("upgrade") == "websocket":
            seed = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(seed.encode(), usedforsecurity=False).digest()).decode()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
            )
            while chunk := await reader.read(4096):
                writer.write(self.name.encode() + b":" + chunk)
                await writer.drain()
            return False
        received = await _body(reader, headers)
        answer = {"pod": self.name, "method": method, "path": path, "headers": headers, "received": received}
        body = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        return True


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> int:
    remaining = received = int(headers.get("content-length", 0))
    while remaining:
        remaining -= len(await reader.read(min(remaining, 65536)))
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
            received += size
        await reader.readline()
    return received


@dataclass
class Edge:
    """The running proxy and what is behind it."""

    url: str
    admin_url: str
    port: int
    pods: dict[str, list[Pod]]
    names: NameServer
    loop: asyncio.AbstractEventLoop
    log: Path

    def run(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(5)

    def add_pod(self, backend: str, address: str) -> Pod:
        """Start one more pod, which the name server does not know yet."""
        pod = Pod(f"{backend}-{address[-1]}", address, self.pods[backend][0].port)
        self.run(pod.start())
        return pod

    def client(self, **options) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=10, **options)

    def servers_up(self, backend: str) -> int:
        """Servers of the backend that the proxy would send a new request to."""
        rows = httpx.get(f"{self.admin_url}/stats;csv", timeout=5).text.splitlines()
        keys = rows[0].removeprefix("# ").split(",")
        items = [dict(zip(keys, row.split(","), strict=False)) for row in rows[1:]]
        return sum(
            item["pxname"] == backend
            and item["svname"] not in {"BACKEND", "FRONTEND"}
            and item["status"].startswith("UP")
            for item in items
        )


def wait_for(condition: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Return once the condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def waiting() -> Callable[..., None]:
    """`wait_for`, for the tests."""
    return wait_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def haproxy() -> str:
    """The program."""
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        pytest.skip("haproxy is not installed (Debian package haproxy)")
    return program


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """Says which pods there are."""
    with running_name_server() as server:
        yield server


@pytest.fixture(scope="module")
def edge(haproxy: str, names: NameServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The edge with two pods behind each backend, all of them up."""
    with running_edge(haproxy, names, tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture(scope="module")
def start_edge(haproxy: str, names: NameServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """The same with other settings, for as long as a block lasts."""
    return lambda **settings: running_edge(haproxy, names, tmp_path_factory.mktemp("edge"), **settings)


@contextlib.contextmanager
def running_edge(haproxy: str, names: NameServer, folder: Path, **settings: Any) -> Iterator[Edge]:
    """An edge as `settings` of EdgeConfig say."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(5)

    pods: dict[str, list[Pod]] = {}
    for name in ROUTES:
        port = free_port()
        pods[name] = [Pod(f"{name}-{number}", f"127.0.0.{number}", port) for number in (2, 3)]
        for pod in pods[name]:
            run(pod.start())
        names.records[f"{name}.test"] = [pod.address for pod in pods[name]]
    port, admin_port = free_port(), free_port()
    config = EdgeConfig(
        **{
            "backends": tuple(
                Backend(
                    name, f"{name}.test", pods[name][0].port, routes, slots=4, sticky=sticky, max_body_bytes=200_000
                )
                for name, (routes, sticky) in ROUTES.items()
            ),
            "cookie_key": "0123456789abcdef",
            "port": port,
            "admin_port": admin_port,
            "nameservers": (names.address,),
            "max_connections": 200,
            "drain_seconds": 5,
            **settings,
        }
    )
    file = folder / "haproxy.cfg"
    file.write_text(render(config))
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen([haproxy, "-db", "-f", str(file)], stdout=output, stderr=output)
    running = Edge(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}", port, pods, names, loop, log)
    try:
        wait_for(lambda: _answers(running.admin_url) or process.poll() is not None, "haproxy listens")
        assert process.poll() is None, log.read_text()
        for name in ROUTES:
            wait_for(lambda name=name: running.servers_up(name) == 2, f"both pods of {name} are up")
        yield running
    finally:
        process.terminate()
        process.wait(10)
        for pod in (pod for group in pods.values() for pod in group):
            run(pod.stop())
        run(_cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=1).status_code == 200
    except httpx.TransportError:
        return False
