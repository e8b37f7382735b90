"""Makes `tests/results/realtime.json`: the real-time side of the message service beside two other Socket.IO servers.

python tests/load/realtime.py                      # all of it, about five minutes
python tests/load/realtime.py --only deliveries    # one part; --dry writes nothing

The others are stock python-socketio with its Redis manager and a minimal server for Node (`realtime_servers`). Each
server is one process that has a core to itself; clients, Redis and MongoDB share the other. All have the same
connections, check the same tokens, and take what they deliver from Redis, as from another replica, because the document
store of the tests takes a few hundred messages a second and would be all that is measured. What `message:send` costs,
store and all, is measured by itself.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from crowd import Crowd, crowd_at

from chatcluster_testing import node
from chatcluster_testing.figures import Figures
from chatcluster_testing.kafka import running_kafka
from chatcluster_testing.mongodb import MongoDB, running_mongodb
from chatcluster_testing.peers import running_peers
from chatcluster_testing.process import Program, accepts, free_port, service_program
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority

SERVERS = Path(__file__).parent / "realtime_servers"
OURS, STOCK, NODE = "message service", "stock python-socketio", "Node"
SMALL, LARGE = 10, 1000
BACKLOG_SECONDS = 0.06
"""How much is on its way at full load: enough that the server always has work, little beside the 200 ms allowed."""
_TICKS = os.sysconf("SC_CLK_TCK")
_TEXT = "The quick brown fox jumps over the lazy dog and has lunch with it. "


@dataclass
class Server:
    """A server under load."""

    name: str
    program: Program
    port: int

    @property
    def cpu(self) -> float:
        """Seconds of CPU since its start."""
        stat = Path(f"/proc/{self.program.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS

    @property
    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def metric(self, name: str) -> float:
        """A sample of `/metrics`, by its name with labels; 0 for one that is not there yet."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " ")), 0.0)


@dataclass
class People:
    """Accounts, each in a large conversation and a small one."""

    ids: list[str]
    tokens: list[str]
    large: list[str]
    """Conversation ids."""
    small: list[str]

    def handshakes(self, count: int) -> list[dict[str, Any]]:
        """What so many of them send to connect. Our service knows who is where; the others are told."""
        rooms = [("large", LARGE, self.large), ("small", SMALL, self.small)]
        return [
            {
                "token": self.tokens[n],
                "rooms": [f"message:conversation:{ids[n // size]}" for _, size, ids in rooms if n // size < len(ids)],
            }
            for n in range(count)
        ]


class Stage:
    """The stores, and the servers on them one after the other. Servers run on core 0, all else on core 1."""

    def __init__(self, stack: contextlib.ExitStack, *, kafka: bool = False) -> None:
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {1})
        self.folder = Path(tempfile.mkdtemp(prefix="chatcluster-load-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.redis: Redis = stack.enter_context(running_redis())
        self.mongodb: MongoDB = stack.enter_context(running_mongodb())
        self.peers = stack.enter_context(running_peers())
        self.authority = TokenAuthority.create(self.folder)
        self._kafka = stack.enter_context(running_kafka()).env if kafka else {"CHAT_KAFKA_BOOTSTRAP": "127.0.0.1:9"}

    @contextlib.contextmanager
    def ours(self, database: str = "chat") -> Iterator[Server]:
        """A process of the message service."""
        env = {
            "CHAT_MONGODB_URL": self.mongodb.url,
            "CHAT_MONGODB_DATABASE": database,
            "CHAT_REDIS_URL": self.redis.url("message"),
            "CHAT_USER_URL": self.peers.url,
            "CHAT_FILE_URL": self.peers.url,
            "CHAT_PRESENCE_URL": self.peers.url,
            "CHAT_LOG_LEVEL": "WARNING",
            **self._kafka,
        }
        folder = self.folder / f"message-{uuid.uuid4()}"
        program = service_program("message", folder, env, jwks_file=self.authority.jwks_file).program
        with self._running(OURS, program, int(program.env["CHAT_PORT"])) as server:
            yield server

    @contextlib.contextmanager
    def other(self, name: str) -> Iterator[Server]:
        """One of the servers to compare with."""
        port = free_port()
        argv = (
            [sys.executable, str(SERVERS / "stock.py")]
            if name == STOCK
            else [
                "node",
                str(node.install(SERVERS / "node") / "server.mjs"),
            ]
        )
        argv += [str(port), str(self.authority.jwks_file), self.redis.admin_url]
        program = Program(name.replace(" ", "-"), argv, self.folder, lambda: accepts(port))
        with self._running(name, program, port) as server:
            yield server

    @contextlib.contextmanager
    def _running(self, name: str, program: Program, port: int) -> Iterator[Server]:
        program.argv = ["taskset", "--cpu-list", "0", *program.argv]
        program.start()
        try:
            yield Server(name, program, port)
        finally:
            program.kill()

    def people(self, server: Server, count: int, *, large: int, small: int) -> People:
        """Accounts with conversations, so many of each size."""
        ids = [f"person-{uuid.uuid4()}" for _ in range(count)]
        for user_id in ids:
            self.peers.add_person(user_id, user_id[:12])
        tokens = [self.authority.token_for(user_id, lifetime=3600) for user_id in ids]
        made: dict[int, list[str]] = {LARGE: [], SMALL: []}
        for size, number in ((LARGE, large), (SMALL, small)):
            for start in range(0, number * size, size):
                body = {"type": "group", "members": ids[start + 1 : start + size]}
                conversation = _post(f"http://127.0.0.1:{server.port}/api/v1/conversations", body, tokens[start])
                made[size].append(conversation["id"])
        return People(ids, tokens, made[LARGE], made[SMALL])


class Loudspeaker:
    """Publishes messages for servers to deliver, and does not wait for Redis to say so."""

    def __init__(self, redis: Redis, server: Server) -> None:
        self._stock = server.name == STOCK
        self._wire = socket.create_connection(("127.0.0.1", redis.port))
        self._wire.sendall(_command("AUTH", "admin", "admin-password"))
        assert self._wire.recv(100) == b"+OK\r\n"
        self._wire.sendall(_command("CLIENT", "REPLY", "OFF"))
        self._seq: dict[str, int] = {}
        self._number = 0

    def say(self, conversation_id: str) -> None:
        """A message in a conversation, stamped with the time and a number that only rises."""
        self._number += 1
        seq = self._seq[conversation_id] = self._seq.get(conversation_id, 0) + 1
        room = f"message:conversation:{conversation_id}"
        message = {
            "id": "0198c1a2-7b3c-7def-8123-456789abcdef",
            "conversation_id": conversation_id,
            "seq": seq,
            "sender_id": "person-5d0c2a1e-97a5-4b52-a9b0-5a4a4a4f9f10",
            "client_id": "5d0c2a1e-97a5-4b52-a9b0-5a4a4a4f9f10",
            "body": f"t={time.monotonic_ns()} n={self._number} {_TEXT}",
            "attachments": [],
            "mentions": [],
            "thread_root": None,
            "reply_count": 0,
            "reactions": {},
            "created_at": "2026-01-01T00:00:00.000Z",
            "edited_at": None,
            "deleted_at": None,
        }
        if self._stock:
            emit: dict[str, Any] = {"method": "emit", "event": "message:new", "data": [message], "binary": False}
            emit |= {"namespace": "/", "room": room, "skip_sid": None, "callback": None, "host_id": "load"}
            self._wire.sendall(_command("PUBLISH", "socketio", json.dumps(emit)))
        else:
            head = json.dumps(["message:new", {"seq": seq, "at": time.time()}])
            self._wire.sendall(_command("PUBLISH", room, f"{head}\n{json.dumps(message)}"))

    def close(self) -> None:
        """Hang up."""
        self._wire.close()


@dataclass
class Load:
    """What a server delivered at full load."""

    seconds: float
    delivered: int
    delays: list[float]
    server_cpu: float
    """Seconds of CPU it took."""
    clients_cpu: float
    disordered: int
    missing: int
    """Deliveries that did not come."""

    def rate(self) -> float:
        """Deliveries a second."""
        return self.delivered / self.seconds

    def rate_of_cpu(self) -> float:
        """Deliveries a second of the server's own CPU: a core's worth, also where other programs share the core."""
        return self.delivered / self.server_cpu

    @property
    def p99(self) -> float:
        """Milliseconds from publishing to arrival."""
        return percentile(self.delays, 99)


def full_load(
    server: Server, crowd: Crowd, speaker: Loudspeaker, *, rooms: Sequence[str], size: int, seconds: float
) -> Load:
    """Publish as fast as the server delivers: always so much more that `BACKLOG_SECONDS` of work is on its way."""
    began = crowd.delivered
    said = 0
    ahead = size / 4

    def until(end: float) -> None:
        nonlocal said
        while time.monotonic() < end:
            while said * size - (crowd.delivered - began) < ahead:
                speaker.say(rooms[said % len(rooms)])
                said += 1
            crowd.poll(0.02)

    for _ in range(6):  # warm up, and find out how much is on its way in the time wanted
        start, delivered = time.monotonic(), crowd.delivered
        until(start + 0.25)
        ahead = max((crowd.delivered - delivered) / (time.monotonic() - start) * BACKLOG_SECONDS, size / 4)
    crowd.delays.clear()
    disordered = crowd.disordered
    start, delivered = time.monotonic(), crowd.delivered
    cpu, own = server.cpu, time.process_time()
    until(start + seconds)
    load = Load(
        time.monotonic() - start,
        crowd.delivered - delivered,
        list(crowd.delays),
        server.cpu - cpu,
        time.process_time() - own,
        crowd.disordered - disordered,
        0,
    )
    give_up = time.monotonic() + 15
    while crowd.delivered - began < said * size and time.monotonic() < give_up:
        crowd.poll(0.1)
    load.missing = said * size - (crowd.delivered - began)
    return load


def deliveries(
    stage: Stage, figures: Figures, seconds: float, others: Sequence[str] = (STOCK, NODE)
) -> dict[tuple[str, int], Load]:
    """Deliveries a second of each server, in rooms of 10 and of 1,000, to the same 1,000 connections."""
    loads: dict[tuple[str, int], Load] = {}
    with stage.ours() as server:
        people = stage.people(server, LARGE, large=1, small=LARGE // SMALL)
        _loads_of(stage, server, people, seconds, loads)
    for name in others:
        with stage.other(name) as server:
            _loads_of(stage, server, people, seconds, loads)
    for size in (SMALL, LARGE):
        for name in (OURS, *others):
            load = loads[name, size]
            what = f"rooms of {size:,}, {name}"
            for unit, rate in (("second", Load.rate), ("second of CPU", Load.rate_of_cpu)):
                target = None
                if name == OURS:
                    target = 2 * rate(loads[STOCK, size])
                    if size == LARGE and NODE in others:
                        target = max(target, rate(loads[NODE, size]))
                figures.add(
                    f"deliveries a {unit}, {what}",
                    rate(load),
                    "1/s",
                    target=target,
                    at_least=True,
                    samples=load.delivered,
                )
            allowed = 200 if name == OURS else None
            figures.add(f"publish to arrival p99, {what}", load.p99, "ms", target=allowed, samples=len(load.delays))
            figures.add(f"share of a core the clients took, {what}", load.clients_cpu / load.seconds, "")
            figures.add(f"deliveries missing or out of order, {what}", load.missing + load.disordered, "", target=0)
    return loads


def _loads_of(stage: Stage, server: Server, people: People, seconds: float, loads: dict[tuple[str, int], Load]) -> None:
    with crowd_at(server.port) as crowd:
        crowd.connect(people.handshakes(LARGE))
        speaker = Loudspeaker(stage.redis, server)
        for size, rooms in ((SMALL, people.small), (LARGE, people.large)):
            loads[server.name, size] = full_load(server, crowd, speaker, rooms=rooms, size=size, seconds=seconds)
        speaker.close()


def connections(stage: Stage, figures: Figures, count: int) -> None:
    """What a connection costs each server: time until it is let in, and memory while it says nothing."""
    warm = 100
    with stage.ours("connections") as server:
        people = stage.people(server, warm + count, large=0, small=(warm + count) // SMALL)
    handshakes = people.handshakes(warm + count)

    def measure(server: Server) -> None:
        with crowd_at(server.port) as crowd:
            crowd.connect(handshakes[:warm])
            memory, cpu = server.memory, server.cpu
            seconds = crowd.connect(handshakes[warm:])
            cpu = server.cpu - cpu
            ours = server.name == OURS
            for unit, rate in (("second", count / seconds), ("second of CPU", count / cpu)):
                figures.add(
                    f"new connections a {unit}, {server.name}",
                    rate,
                    "1/s",
                    target=800 if ours else None,
                    at_least=True,
                    samples=count,
                )
            figures.add(
                f"time to connect p99, {server.name}", percentile(crowd.connecting[warm:], 99), "ms", samples=count
            )
            figures.add(
                f"memory a connection, {server.name}",
                (server.memory - memory) / count / 1024,
                "KiB",
                target=45 if ours else None,
                samples=count,
            )

    with stage.ours("connections") as server:
        measure(server)
    for name in (STOCK, NODE):
        with stage.other(name) as server:
            measure(server)


def acknowledgements(stage: Stage, figures: Figures, per_second: int, seconds: float) -> None:
    """Time from `message:send` to its acknowledgement at a steady rate, and what the store alone takes."""
    _store_alone(stage, figures, per_second, seconds)
    with stage.ours("sends") as server:
        people = stage.people(server, 2 * SMALL, large=0, small=2)
        sent: dict[int, float] = {}
        took: list[float] = []

        def acknowledged(number: int, data: bytes) -> None:
            answer = json.loads(data)[0]
            assert answer["ok"], answer
            took.append(time.monotonic() - sent[number])

        with crowd_at(server.port) as crowd:
            crowd.on_acknowledged = acknowledged
            crowd.connect(people.handshakes(len(people.ids)))
            cpu = server.cpu
            began = time.monotonic()
            for number in range(int(per_second * seconds)):
                due = began + number / per_second
                while (left := due - time.monotonic()) > 0:
                    crowd.poll(left)
                who = number % len(people.ids)
                body = {
                    "conversation_id": people.small[who // SMALL],
                    "client_id": str(uuid.uuid4()),
                    "body": f"t={time.monotonic_ns()} n={number} {_TEXT}",
                }
                sent[number] = due
                crowd.send(
                    crowd.sockets[who], f'42{number}["message:send",'.encode() + json.dumps(body).encode() + b"]"
                )
            give_up = time.monotonic() + 15
            while (len(took) < len(sent) or crowd.delivered < SMALL * len(sent)) and time.monotonic() < give_up:
                crowd.poll(0.1)
            cpu = server.cpu - cpu
            missing = len(sent) - len(took) + SMALL * len(sent) - crowd.delivered
    at = f"at {per_second}/s"
    figures.add(f"message:send to acknowledgement {at}, p50", percentile(took, 50), "ms", samples=len(took))
    figures.add(f"message:send to acknowledgement {at}, p99", percentile(took, 99), "ms", target=25, samples=len(took))
    figures.add(f"message:send to arrival at members {at}, p99", percentile(crowd.delays, 99), "ms")
    figures.add(f"CPU a message:send with {SMALL} deliveries", cpu / len(sent) * 1e6, "µs", samples=len(sent))
    figures.add(f"acknowledgements and deliveries missing {at}", missing, "", target=0)


def _store_alone(stage: Stage, figures: Figures, per_second: int, seconds: float) -> None:
    """One durable insert for each message, as large and as indexed as a message, and nothing else."""
    with MongoClient[dict[str, Any]](stage.mongodb.url) as client:
        database = client.get_database("alone", write_concern=WriteConcern(w="majority", j=True))
        messages = database.get_collection("messages")
        messages.create_index([("conversation_id", 1), ("seq", 1)], unique=True)
        messages.create_index([("sender_id", 1), ("client_id", 1)], unique=True)
        took: list[float] = []
        began = time.monotonic()
        for number in range(int(per_second * seconds)):
            due = began + number / per_second
            time.sleep(max(due - time.monotonic(), 0))
            document = {"_id": str(uuid.uuid4()), "conversation_id": "c", "seq": number, "sender_id": "s"}
            messages.insert_one({**document, "client_id": str(uuid.uuid4()), "body": _TEXT, "reactions": {}})
            took.append(time.monotonic() - due)
    for percent in (50, 99):
        figures.add(
            f"the store alone: a durable insert at {per_second}/s, p{percent}",
            percentile(took, percent),
            "ms",
            samples=len(took),
        )


def replicas(stage: Stage, figures: Figures, messages: int) -> float:
    """Frames and CPU that a process spends on conversations nobody connected to it is in; the frames."""
    frames = 'chat_frames_total{direction="in",result="ok"}'
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(stage.ours("replicas")) for _ in range(3)]
        people = stage.people(servers[0], 3 * SMALL, large=0, small=3)
        crowds = [stack.enter_context(crowd_at(server.port)) for server in servers]
        handshakes = people.handshakes(3 * SMALL)
        # The members of the first conversation are spread over two processes; the third has another's.
        for crowd, theirs in zip(crowds, (handshakes[:5], handshakes[5:10], handshakes[20:]), strict=True):
            crowd.connect(theirs)
        before = [(server.metric(frames), server.cpu) for server in servers]
        speaker = Loudspeaker(stage.redis, servers[0])
        for _ in range(messages):
            speaker.say(people.small[0])
            for crowd in crowds:
                crowd.poll(0.001)
        give_up = time.monotonic() + 15
        while sum(crowd.delivered for crowd in crowds) < SMALL * messages and time.monotonic() < give_up:
            for crowd in crowds:
                crowd.poll(0.01)
        cpu = [server.cpu - was for server, (_, was) in zip(servers, before, strict=True)]
        got = [server.metric(frames) - was for server, (was, _) in zip(servers, before, strict=True)]
        speaker.close()
        delivered = sum(crowd.delivered for crowd in crowds)
    about = f"of {messages:,} messages"
    figures.add(f"frames a process without members got, {about}", got[2], "", target=0)
    figures.add(f"frames a process with members got, {about}", min(got[:2]), "", target=messages, at_least=True)
    figures.add(f"CPU a process without members took, {about}", cpu[2], "s")
    figures.add(f"CPU a process with members took, {about}", cpu[0], "s")
    figures.add(f"deliveries missing with three processes, {about}", SMALL * messages - delivered, "", target=0)
    return got[2]


def percentile(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds."""
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


def _post(url: str, body: Mapping[str, Any], token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 http to loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def main() -> None:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, Callable[[Stage, Figures], object]] = {
        "deliveries": lambda stage, figures: deliveries(stage, figures, options.seconds),
        "connections": lambda stage, figures: connections(stage, figures, options.connections),
        "acknowledgements": lambda stage, figures: acknowledgements(stage, figures, options.rate, 2 * options.seconds),
        "replicas": lambda stage, figures: replicas(stage, figures, 2000),
    }
    parser.add_argument("--only", choices=parts, help="one part (default: all)")
    parser.add_argument("--seconds", type=float, default=15, help="at full load, for each server and size (default 15)")
    parser.add_argument("--connections", type=int, default=5000, help="to open and keep (default 5000)")
    parser.add_argument("--rate", type=int, default=200, help="messages to send a second (default 200)")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    figures = Figures("realtime", command=" ".join(["python", "tests/load/realtime.py", *sys.argv[1:]]))
    figures.add("load average of the machine before the run", os.getloadavg()[0], "")
    for name, part in parts.items():
        if options.only in {None, name}:
            with contextlib.ExitStack() as stack:
                part(Stage(stack, kafka=name == "acknowledgements"), figures)
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
