"""Makes `tests/results/gateway.json`: what the gateway costs a request, in time and in processor.

One gateway process on a core of its own, a bare upstream and the clients on the other. Clients are signed in, limits
are wide but counted in Redis, each request is logged and counted as always. The upstream alone is measured in the same
run, so that what the gateway adds is the difference of two figures made within a minute.

python tests/load/gateway.py                  # about a minute; needs two cores with little else to do
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.figures import Figures
from chatcluster_testing.postgres import running_postgres
from chatcluster_testing.process import Program, Service, accepts, free_port, running_service, service_program
from chatcluster_testing.redis import running_redis
from chatcluster_testing.tokens import TokenAuthority

TICKS = os.sysconf("SC_CLK_TCK")
GATEWAY_CORE, OTHER_CORE = {0}, {1}
ANSWER = b'{"items": [], "next_cursor": null}'
PATH = "/api/v1/conversations?limit=20"
"""A list of conversations is what clients ask for most."""

TARGET_PER_CORE = 2000
TARGET_ADDED_MS = 5.0


@dataclass
class Bench:
    """The processes under measurement."""

    gateway: Service
    upstream: Service
    tokens: list[str]


class BareUpstream(asyncio.Protocol):
    """Answers each request at once with the same bytes: as little as a service can cost."""

    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(ANSWER),
        ANSWER,
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection of the gateway, or of a client that goes past it."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Requests without bodies: each ends with an empty line."""
        self.transport.write(self.answer * data.count(b"\r\n\r\n"))


async def serve_upstream(port: int) -> None:
    """Run the upstream until killed."""
    server = await asyncio.get_running_loop().create_server(BareUpstream, "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def running_bench(*, users: int, pin: bool) -> Iterator[Bench]:
    """Gateway, Redis, PostgreSQL and upstream; signed-in users."""
    with (
        tempfile.TemporaryDirectory(prefix="chatcluster-load-") as name,
        running_postgres() as postgres,
        running_redis() as redis,
    ):
        folder = Path(name)
        tokens = TokenAuthority.create(folder)
        port = free_port()
        argv = [sys.executable, str(Path(__file__)), "--serve-upstream", str(port)]
        upstream = Program("upstream", argv, folder, lambda: accepts(port)).start()
        services = ("USER", "MESSAGE", "FILE", "NOTIFICATION", "PRESENCE")
        env = {f"CHAT_{service}_URL": f"http://127.0.0.1:{port}" for service in services} | {
            "CHAT_DATABASE_URL": postgres.url(postgres.create_database()),
            "CHAT_REDIS_URL": redis.url("gateway"),
            "CHAT_USER_RATE_PER_SECOND": "100000",
            "CHAT_USER_BURST": "100000",
        }
        migration = service_program("gateway", folder / "m", env, jwks_file=tokens.jwks_file, args=["migrate"]).program
        assert migration.spawn().wait() == 0, migration.log
        with running_service("gateway", folder / "gateway", env, jwks_file=tokens.jwks_file) as gateway:
            if pin:
                for pid, cores in (
                    (gateway.program.pid, GATEWAY_CORE),
                    (upstream.pid, OTHER_CORE),
                    (redis.program.pid, OTHER_CORE),
                    (postgres.program.pid, OTHER_CORE),
                    (os.getpid(), OTHER_CORE),
                ):
                    pin_to(pid, cores)
            try:
                yield Bench(
                    gateway,
                    Service(upstream, f"http://127.0.0.1:{port}"),
                    [tokens.token_for(f"user-{n}", lifetime=3600) for n in range(users)],
                )
            finally:
                upstream.kill()


def pin_to(pid: int, cores: set[int]) -> None:
    """Bind all threads of a process."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


class Client(asyncio.Protocol):
    """One connection; when it is answered it asks again, or puts itself among the free ones."""

    def __init__(self, request: bytes, latencies: list[float], free: "asyncio.Queue[Client] | None") -> None:
        self.request = request
        self.latencies = latencies
        self.free = free
        self.wrong = 0
        self._buffer = b""
        self._asked: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, due: float) -> None:
        """Send the request; its latency counts from when it was due."""
        self._asked = due
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """An answer, or part of it: all have the same body, without which none is whole."""
        self._buffer += data
        if not self._buffer.endswith(ANSWER) or self._asked is None:
            if b"\r\n\r\n" in self._buffer and not self._buffer.startswith(b"HTTP/1.1 200 "):
                self.wrong += 1
                self.transport.abort()
            return
        self.wrong += not self._buffer.startswith(b"HTTP/1.1 200 ")
        self._buffer = b""
        now = time.perf_counter()
        self.latencies.append(now - self._asked)
        self._asked = None
        if self.free:
            self.free.put_nowait(self)
        else:
            self.ask(now)


async def load(
    url: str, tokens: list[str], *, connections: int, seconds: float, per_second: float | None = None
) -> list[float]:
    """Latencies in seconds, of a steady rate, or of as many requests as are answered when there is none.

    Raises `AssertionError` for any answer that is not the upstream's.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Client] | None = None if per_second is None else asyncio.Queue()
    clients: list[Client] = []
    for n in range(connections):
        token = tokens[n % len(tokens)]
        request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        request += "Accept: application/json\r\nAccept-Encoding: gzip\r\nUser-Agent: load\r\n\r\n"
        client = Client(request.encode(), latencies, free)
        await loop.create_connection(lambda client=client: client, host, int(port))
        clients.append(client)
    began = time.perf_counter()
    if free is None or per_second is None:
        for client in clients:
            client.ask(began)
        await asyncio.sleep(seconds)
    else:
        for client in clients:
            free.put_nowait(client)
        for n in range(int(per_second * seconds)):
            due = began + n / per_second
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            # When none is free the request waits, and its latency counts the wait.
            async with asyncio.timeout(10):
                (await free.get()).ask(due)
    for client in clients:
        client.transport.abort()
    assert not sum(client.wrong for client in clients), "answers that are not the upstream's"
    return latencies


def percentile(values: list[float], percent: int) -> float:
    """In milliseconds."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1000


async def measure(bench: Bench, figures: Figures, *, seconds: float, connections: int) -> None:
    """All figures."""
    pid = bench.gateway.program.pid
    await load(bench.gateway.url, bench.tokens, connections=connections, seconds=1)  # tokens checked, pools filled
    used, began = cpu_seconds(pid), time.perf_counter()
    full = await load(bench.gateway.url, bench.tokens, connections=connections, seconds=seconds)
    cpu, took = cpu_seconds(pid) - used, time.perf_counter() - began
    rate = len(full) / seconds
    figures.add(
        "proxied requests a second and core of the gateway",
        len(full) / cpu,
        "1/s",
        target=TARGET_PER_CORE,
        at_least=True,
        samples=len(full),
    )
    figures.add("proxied requests a second, gateway on one core", rate, "1/s", samples=len(full))
    figures.add("share of its core that the gateway got", cpu / took * 100, "%", samples=1)
    half = rate / 2
    through = await load(bench.gateway.url, bench.tokens, connections=connections, seconds=seconds, per_second=half)
    past = await load(bench.upstream.url, bench.tokens, connections=connections, seconds=seconds, per_second=half)
    for percent, target in ((50, None), (99, TARGET_ADDED_MS)):
        added = percentile(through, percent) - percentile(past, percent)
        figures.add(f"added by the gateway at half load, p{percent}", added, "ms", target=target, samples=len(through))
        figures.add(f"upstream alone at the same rate, p{percent}", percentile(past, percent), "ms", samples=len(past))


def main() -> None:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each of the three loads (default 10)")
    parser.add_argument("--connections", type=int, default=64, help="of the clients (default 64)")
    parser.add_argument("--users", type=int, default=64, help="signed-in people they belong to (default 64)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    parser.add_argument("--serve-upstream", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    import uvloop  # noqa: PLC0415 what the services run on as well

    if options.serve_upstream:
        uvloop.run(serve_upstream(options.serve_upstream))
        return
    figures = Figures("gateway", " ".join(["python", "tests/load/gateway.py", *sys.argv[1:]]))
    with running_bench(users=options.users, pin=True) as bench:
        uvloop.run(measure(bench, figures, seconds=options.seconds, connections=options.connections))
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
