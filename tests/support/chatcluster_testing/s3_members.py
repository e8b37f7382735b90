"""Three members of SeaweedFS as processes of the tests: the image's own start script, and files in a real PostgreSQL.

Each has a loopback address of its own. Ports differ too, as members put sockets into /tmp by the port's number.
"""

import contextlib
import json
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from minio import Minio

from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import Program, find_program, free_port, store_env, wait_until
from chatcluster_testing.s3 import remove_sockets

STORE = Path(__file__).parents[3] / "stores/seaweedfs"
BUCKET = "chat-files"
ACCESS_KEY, SECRET_KEY = "file", "object-store-password"


@dataclass
class Member:
    """One member: `program` can be ended and started again; its data survives that unless it is thrown away."""

    program: Program
    host: str
    ports: dict[str, int]
    data: Path
    running: bool = False

    def spawn(self) -> None:
        # As in a new container, nothing is left of what the last one said.
        (self.data.parent / "bucket-ready").unlink(missing_ok=True)
        self.program.spawn()
        self.running = True

    def await_ready(self) -> None:
        """Started once more if it ends, as by the kubelet: of members that make their table at once only one can."""
        try:
            self.program.await_ready()
        except AssertionError:
            self.program.spawn().await_ready()

    def kill(self) -> None:
        """SIGKILL to all of it, as when a node loses its power."""
        self.program.kill()
        self.running = False

    def stop(self) -> None:
        """As the kubelet ends a pod."""
        self.program.stop(60, by=signal.SIGTERM)
        self.running = False

    def throw_away(self) -> None:
        """Its disk is lost."""
        shutil.rmtree(self.data)
        self.data.mkdir()

    @property
    def client(self) -> Minio:
        http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=10), retries=False)
        address = f"{self.host}:{self.ports['S3']}"
        return Minio(address, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1", http_client=http)


@dataclass
class Members:
    """All of them."""

    members: list[Member] = field(default_factory=list[Member])

    def master(self, path: str) -> dict[str, object]:
        """What the master that leads says at a path."""
        leader, http = self.leader, urllib3.PoolManager(timeout=5, retries=False)
        return http.request("GET", f"http://{leader.host}:{leader.ports['MASTER']}{path}").json()

    @property
    def leader(self) -> Member:
        """The running one that leads, as soon as one says so: one that has just started knows of none yet."""
        leaders: list[Member] = []

        def known() -> bool:
            leaders.extend(self._leaders())
            return bool(leaders)

        wait_until(known, "a master that leads", 60)
        return leaders[0]

    def _leaders(self) -> list[Member]:
        http = urllib3.PoolManager(timeout=5, retries=False)
        names: set[str] = set()
        for member in self.members:
            if member.running:
                with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
                    url = f"http://{member.host}:{member.ports['MASTER']}/cluster/status"
                    names.add(str(http.request("GET", url).json().get("Leader", "")).partition(":")[0])
        return [member for member in self.members if member.running and member.host in names]


@contextlib.contextmanager
def running_members(
    postgres: Postgres, peer: dict[str, str], *, env: dict[str, str] | None = None
) -> Iterator[Members]:
    """Three members, all ready. `peer` has the files peer.crt, peer.key and signing_key."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-s3-"))
    role = f"objects_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pass%word'")
    postgres.execute(f"CREATE DATABASE {role} OWNER {role}")
    identity = {
        "name": "file",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": [f"{action}:{BUCKET}" for action in ("Read", "Write", "List", "Tagging")],
    }
    mounted = folder / "secrets"
    mounted.mkdir()
    url = f"postgresql+asyncpg://{role}:pass%25word@127.0.0.1:{postgres.port}/{role}"
    for name, text in {
        **peer,
        "s3.json": json.dumps({"identities": [identity]}),
        "chat_filer_url": url,
    }.items():
        (mounted / name).write_text(text)
    weed = find_program("weed", str(Path(sys.executable).parent))
    hosts = [f"127.0.1.{number}" for number in (1, 2, 3)]
    ports = [{name: _port_pair() for name in ("S3", "MASTER", "STORAGE", "FILER")} for _ in hosts]
    masters = ",".join(f"{host}:{own['MASTER']}" for host, own in zip(hosts, ports, strict=True))
    found = Members()
    try:
        for number, (host, own) in enumerate(zip(hosts, ports, strict=True)):
            home = folder / str(number)
            (home / "data").mkdir(parents=True)
            settings = {f"CHAT_{name}_PORT": str(port) for name, port in own.items()} | {
                "CHAT_BUCKET": BUCKET,
                "CHAT_SECRETS_DIR": str(mounted),
                "CHAT_DATA_DIR": str(home / "data"),
                "CHAT_VOLUME_SIZE_MB": "64",
                "CHAT_MASTERS": masters,
                "CHAT_HOST": host,
                "CHAT_BIND": host,
                "CHAT_RACK": f"node-{number}",
                "TMPDIR": str(home),
                **store_env(Path(weed).parent),
                **(env or {}),
            }
            ready = (home / "bucket-ready").exists
            program = Program(f"weed-{number}", [str(STORE / "entrypoint")], home, ready, env=settings, timeout=150)
            found.members.append(Member(program, host, own, home / "data"))
        for member in found.members:
            member.spawn()
        for member in found.members:
            member.await_ready()
        yield found
    finally:
        for member in found.members:
            member.kill()
            remove_sockets(offset + port for port in member.ports.values() for offset in (0, 10_000))
        shutil.rmtree(folder, ignore_errors=True)


def _port_pair() -> int:
    """A port that is free, as is the one 10000 above it, where SeaweedFS has its gRPC."""
    while (port := free_port()) > 50_000:
        pass
    return port
