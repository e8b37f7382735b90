"""All of ChatCluster as processes of one machine: real stores, the six services in replicas, the edge in front.

Which service calls which, and how the edge routes, is taken from the operator, so that what runs here is wired as in a
cluster. What Kubernetes adds there is added here: names whose records are the ready pods, one address a service that
spreads connections over them, and migrations before the first start.
"""

import contextlib
import csv
import io
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chatcluster_haproxy import render
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import haproxy
from chatcluster_operator.desired.services import PROFILES
from chatcluster_testing.kafka import Kafka, running_kafka
from chatcluster_testing.mongodb import MongoDB, running_mongodb
from chatcluster_testing.names import NameServer, running_name_server
from chatcluster_testing.postgres import Postgres, running_postgres
from chatcluster_testing.process import Program, Service, find_program, free_port, service_program, wait_until
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.s3 import S3, running_s3
from chatcluster_testing.smtp import MailServer, running_mail_server
from chatcluster_testing.tokens import TokenAuthority

REPLICAS: Mapping[str, int] = {"gateway": 1, "user": 1, "message": 2, "file": 1, "notification": 1, "presence": 2}

_HAPROXY_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
_READY_SECONDS = 180


@dataclass
class Stores:
    """The stores and what stands for the world outside."""

    postgres: Postgres
    redis: Redis
    kafka: Kafka
    s3: S3
    mongodb: MongoDB
    mails: MailServer

    @property
    def programs(self) -> dict[str, Program]:
        """The stores by name."""
        return {
            "postgres": self.postgres.program,
            "redis": self.redis.program,
            "kafka": self.kafka.program,
            "objects": self.s3.program,
            "mongodb": self.mongodb.program,
        }


@dataclass
class Platform:
    """A running ChatCluster. Every process can be killed, frozen and started again by its `programs` entry."""

    url: str
    """The edge: the one origin of clients."""
    addresses: Mapping[str, str]
    """Where the services call each other, by service: any ready replica answers."""
    services: Mapping[str, list[Service]]
    """The replicas of each service."""
    stores: Stores
    tokens: TokenAuthority
    """The key that signs access tokens."""
    programs: dict[str, Program] = field(default_factory=dict[str, Program])
    """Every process by name: `message-1`, `redis`, `edge`, …"""

    def wait_until_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Return once every replica is ready, and the balancer and the edge know of it."""
        deadline = time.monotonic() + seconds
        for name, program in self.programs.items():
            wait_until(program.ready, f"{name} to be ready", deadline - time.monotonic())


@contextlib.contextmanager
def running_stores() -> Iterator[Stores]:
    """Every store, started; gone with its data at the end."""
    with contextlib.ExitStack() as stack:
        yield Stores(
            postgres=stack.enter_context(running_postgres()),
            redis=stack.enter_context(running_redis(durable=True)),
            kafka=stack.enter_context(running_kafka()),
            s3=stack.enter_context(running_s3()),
            mongodb=stack.enter_context(running_mongodb()),
            mails=stack.enter_context(running_mail_server()),
        )


@contextlib.contextmanager
def running_platform(
    folder: Path, *, replicas: Mapping[str, int] = REPLICAS, settings: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[Platform]:
    """All of it, ready; logs stay in `folder`, one for each process. `settings` are variables by service that win over
    those made here."""
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(running_stores())
        names = stack.enter_context(running_name_server())
        tokens = TokenAuthority.create(folder)
        edge_port = free_port()
        environments = _environments(stores, tokens, f"http://127.0.0.1:{edge_port}")
        balanced = {name: free_port() for name in replicas}
        addresses = {name: f"http://127.0.0.1:{port}" for name, port in balanced.items()}
        services: dict[str, list[Service]] = {}
        for name, count in replicas.items():
            env = environments[name] | {f"CHAT_{other.upper()}_URL": addresses[other] for other in PROFILES[name].calls}
            env |= dict((settings or {}).get(name, {}))
            services[name] = _replicas(name, count, folder, env, tokens)
            _migrate(name, folder, env, tokens)
        programs = {program.name: program for group in services.values() for program in _programs(group)}
        programs["balancer"] = _balancer(folder, balanced, services)
        programs["edge"] = _edge(folder, edge_port, names, services)
        for program in programs.values():
            # How they stop when asked to is for their own tests.
            stack.callback(program.kill)
            program.spawn()
        platform = Platform(
            f"http://127.0.0.1:{edge_port}", addresses, services, stores, tokens, programs | stores.programs
        )
        platform.wait_until_ready()
        yield platform


def _environments(stores: Stores, tokens: TokenAuthority, public_url: str) -> dict[str, dict[str, str]]:
    """What each service needs beside the addresses of others."""
    vapid = ec.generate_private_key(ec.SECP256R1())
    special = {
        "gateway": {
            "CHAT_TRUST_EDGE": "true",
            # All clients are one address here.
            "CHAT_SIGN_IN_RATE_PER_MINUTE": "60000",
            "CHAT_SIGN_IN_BURST": "1000",
            "CHAT_USER_RATE_PER_SECOND": "1000",
            "CHAT_USER_BURST": "5000",
            "CHAT_ADDRESS_RATE_PER_SECOND": "1000",
            "CHAT_ADDRESS_BURST": "5000",
        },
        "user": {
            "CHAT_TOKEN_KEY_FILE": str(tokens.key_file),
            "CHAT_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "CHAT_PUBLIC_URL": public_url,
            "CHAT_EMAIL_VERIFICATION": "optional",
            "CHAT_ARGON2_MEMORY_KIB": "64",
            "CHAT_ARGON2_ITERATIONS": "1",
        },
        "message": {"CHAT_MONGODB_URL": stores.mongodb.url, "CHAT_MONGODB_DATABASE": "chat"},
        "file": stores.s3.env(stores.s3.create_bucket())
        | {"CHAT_S3_PUBLIC_ENDPOINT": stores.s3.env("")["CHAT_S3_ENDPOINT"]},
        "notification": {
            "CHAT_PUBLIC_URL": public_url,
            "CHAT_SMTP_HOST": "127.0.0.1",
            "CHAT_SMTP_PORT": str(stores.mails.port),
            "CHAT_SMTP_SECURITY": "none",
            "CHAT_SMTP_FROM": "chat@example.org",
            "CHAT_VAPID_KEY": vapid.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        },
        "presence": {},
    }
    environments: dict[str, dict[str, str]] = {}
    for name, own in special.items():
        used = PROFILES[name].stores
        environments[name] = (
            (
                {"CHAT_DATABASE_URL": stores.postgres.url(stores.postgres.create_database())}
                if "postgres" in used
                else {}
            )
            | ({"CHAT_REDIS_URL": stores.redis.url(name)} if "redis" in used else {})
            | (stores.kafka.env if "kafka" in used else {})
            | own
        )
    return environments


def _replicas(name: str, count: int, folder: Path, env: Mapping[str, str], tokens: TokenAuthority) -> list[Service]:
    """Pods of one service have one port and an address each."""
    port = free_port()
    made: list[Service] = []
    for number in range(1, count + 1):
        service = service_program(
            name,
            folder / f"{name}-{number}",
            env,
            jwks_file=tokens.jwks_file,
            host=f"127.0.0.{number + 1}",
            port=port,
        )
        service.program.name = f"{name}-{number}"
        made.append(service)
    return made


def _programs(services: list[Service]) -> list[Program]:
    return [service.program for service in services]


def _migrate(name: str, folder: Path, env: Mapping[str, str], tokens: TokenAuthority) -> None:
    if not resources.files(f"chatcluster_{name}").joinpath("migrations").is_dir():
        return
    program = service_program(
        name, folder / f"{name}-migrate", env, jwks_file=tokens.jwks_file, args=["migrate"]
    ).program
    assert program.spawn().wait(60) == 0, program.log


def _balancer(folder: Path, ports: Mapping[str, int], services: Mapping[str, list[Service]]) -> Program:
    """What kube-proxy does: a connection to a service goes to a replica that is ready."""
    lines = ["defaults", " mode tcp", " timeout connect 1s", " timeout client 1h", " timeout server 1h"]
    lines += [" timeout check 1s", " retries 2", " option redispatch 1", " balance roundrobin"]
    for name, port in ports.items():
        lines += [f"listen {name}", f" bind 127.0.0.1:{port}", " option httpchk GET /readyz"]
        lines += [" default-server check inter 500ms rise 1 fall 1 init-addr none"]
        lines += [f" server {s.program.name} {s.url.removeprefix('http://')}" for s in services[name]]
    admin_port = free_port()
    lines += ["frontend admin", " mode http", f" bind 127.0.0.1:{admin_port}", " stats enable", " stats uri /stats"]
    known = {name: len(services[name]) for name in ports}
    return _haproxy("balancer", folder, "\n".join(lines) + "\n", lambda: _servers_up(admin_port) == known)


def _edge(folder: Path, port: int, names: NameServer, services: Mapping[str, list[Service]]) -> Program:
    """The edge as the operator configures it, told of these pods by these names."""
    body = {
        "metadata": {"name": "tests", "namespace": "tests", "uid": "0f5fd2a4-5a5c-4a3c-9d52-3f8b9b1f9c11"},
        "spec": {"version": "1.0"},
    }
    config = haproxy.config_of(ChatCluster.from_body(body))
    backends = []
    for backend in config.backends:
        pods = [service.url.removeprefix("http://").partition(":") for service in services[backend.name]]
        names.records[backend.host] = [address for address, _, _ in pods]
        backends.append(replace(backend, port=int(pods[0][2])))
    admin_port = free_port()
    config = replace(
        config,
        backends=tuple(backends),
        port=port,
        admin_port=admin_port,
        nameservers=(names.address,),
        drain_seconds=5,
    )
    known = {backend.name: len(services[backend.name]) for backend in backends}
    return _haproxy("edge", folder, render(config), lambda: _servers_up(admin_port) == known)


def _haproxy(name: str, folder: Path, config: str, ready: Callable[[], bool]) -> Program:
    file = folder / f"{name}.cfg"
    file.write_text(config)
    return Program(name, [find_program("haproxy", *_HAPROXY_FOLDERS), "-db", "-f", str(file)], folder, ready)


def _servers_up(admin_port: int) -> dict[str, int]:
    """How many servers of each backend an HAProxy would send a request to."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/stats;csv", timeout=2) as response:
            table = response.read().decode().removeprefix("# ")
    except OSError:
        return {}
    up: dict[str, int] = {}
    for row in csv.DictReader(io.StringIO(table)):
        if row["svname"] not in {"FRONTEND", "BACKEND"} and row["status"].startswith("UP"):
            up[row["pxname"]] = up.get(row["pxname"], 0) + 1
    return up
