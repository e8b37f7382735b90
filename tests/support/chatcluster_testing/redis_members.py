"""Redis with several members as processes, by its own scripts and from the very files that the operator writes.

Each member has an address of its own of the loopback network, and a Redis and a Sentinel there; the ports are the same
for all, as they are in a cluster.
"""

import base64
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import Inputs, generate, redis, stores
from chatcluster_testing.process import Program, free_port, store_env, wait_until
from chatcluster_testing.redis import redis_server
from chatcluster_testing.specs import body, inputs_maker

SCRIPTS = Path(__file__).parents[3] / "stores" / "redis"
GROUP = stores.REDIS_GROUP


@dataclass
class Member:
    """One member: its Redis, its Sentinel, its volume."""

    name: str
    """Its address, which is also what the others call it."""
    folder: Path
    redis: Program
    sentinel: Program
    env: dict[str, str]

    @property
    def programs(self) -> tuple[Program, Program]:
        """Both, Redis first."""
        return self.redis, self.sentinel

    def spawn(self) -> None:
        """Start both, and wait for neither."""
        self.redis.spawn()
        self.sentinel.spawn()

    def kill(self) -> None:
        """SIGKILL to both at once, as when the node goes."""
        for program in self.programs:
            program.kill()

    def signal(self, number: signal.Signals) -> None:
        """To all processes of both: SIGSTOP makes the member as good as cut off."""
        for program in self.programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, number)

    def run(self, script: str, *arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """One of the image's scripts in this member's container."""
        argv = [str(SCRIPTS / script), *arguments]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=timeout, check=False)

    def lose_volume(self) -> None:
        """Begin with an empty one."""
        shutil.rmtree(self.folder / "data")
        (self.folder / "data").mkdir()


@dataclass
class Members:
    """All of them."""

    folder: Path
    redis_port: int
    sentinel_port: int
    inputs: Inputs
    network: int
    common: Mapping[str, str]
    """Environment of all of them, with Redis on PATH."""
    members: list[Member] = field(default_factory=list[Member])

    def named(self, name: str) -> Member:
        """The member of that address."""
        return next(member for member in self.members if member.name == name)

    def others(self, than: Member) -> list[Member]:
        """All but that one."""
        return [member for member in self.members if member is not than]

    def url(self, service: str) -> str:
        """What the operator tells a service, with the addresses of the test."""
        url = stores.access(self.cluster, self.inputs, "redis", service).secrets["chat_redis_url"]
        for number in range(3):
            url = url.replace(f"demo-redis-{number}:26379", f"{self.address(number)}:{self.sentinel_port}")
        return url

    def bring(self, inputs: Inputs) -> None:
        """Mount what the operator writes of these inputs, as the kubelet does."""
        self.inputs = inputs
        [secret] = [item for item in redis.manifests(self.cluster, inputs) if item["kind"] == "Secret"]
        for member in self.members:
            for name, value in secret["data"].items():
                part = member.folder / "secrets" / f".{name}"
                part.write_bytes(base64.b64decode(value))
                part.replace(member.folder / "secrets" / name)

    def address(self, number: int) -> str:
        """Of the member of that ordinal."""
        return f"127.77.{self.network}.{number + 1}"

    @property
    def cluster(self) -> ChatCluster:
        """A ChatCluster with so many members."""
        return ChatCluster.from_body(body({"version": "1.0", "redis": {"members": max(len(self.members), 3)}}))

    def set_up(self, count: int) -> None:
        """Have so many members: files for those that come, others for those that are there. Nothing is started."""
        known = {member.name: member for member in self.members}
        names = [self.address(number) for number in range(count)]
        self.members = [known.get(name) or self._member(name) for name in names]
        [config] = [item["data"] for item in redis.manifests(self.cluster, self.inputs) if item["kind"] == "ConfigMap"]
        for member in self.members:
            member.env |= {"REDIS_MEMBERS": " ".join(names)}
            for file, text in config.items():
                (member.folder / file).write_text(self._here(member, text))
        self.bring(self.inputs)

    def _here(self, member: Member, text: str) -> str:
        """A configuration with the paths and ports of the test."""
        for there, here in {
            "bind 0.0.0.0": f"bind {member.name}",
            "port 6379": f"port {self.redis_port}",
            "port 26379": f"port {self.sentinel_port}",
            "/run/secrets/chatcluster": f"{member.folder}/secrets",
            "/var/lib/chatcluster": f"{member.folder}/data",
            "dir /tmp\n": f"dir {member.folder}/tmp\n",
        }.items():
            text = text.replace(there, here)
        return text

    def _member(self, name: str) -> Member:
        folder = self.folder / name
        for part in ("data", "secrets", "tmp"):
            (folder / part).mkdir(parents=True)
        env = {
            "CHAT_SECRETS_DIR": str(folder / "secrets"),
            "REDIS_MEMBER": name,
            "REDIS_HOST": name,
            "REDIS_PORT": str(self.redis_port),
            "SENTINEL_PORT": str(self.sentinel_port),
            "REDIS_DATA": str(folder / "data"),
            "REDIS_CONFIG": str(folder / "redis.conf"),
            "SENTINEL_CONFIG": str(folder / "sentinel.conf"),
            "TMPDIR": str(folder / "tmp"),
            **self.common,
        }
        redis, sentinel = (self._program(script, folder, env) for script in ("entrypoint", "sentinel"))
        member = Member(name, folder, redis, sentinel, env)
        member.redis.ready = lambda: member.run("healthcheck", "ready").returncode == 0
        member.sentinel.ready = lambda: member.run("healthcheck", "sentinel-ready").returncode == 0
        return member

    @staticmethod
    def _program(script: str, folder: Path, env: dict[str, str]) -> Program:
        return Program(script, [str(SCRIPTS / script)], folder, lambda: True, env=env)

    def start(self) -> None:
        """All at once, until each says that it is ready."""
        for member in self.members:
            member.spawn()
        self.wait_well()

    def wait_well(self) -> None:
        """Until every member is ready, the master with all the others as its replicas."""
        for member in self.members:
            for program in member.programs:
                wait_until(program.ready, f"{member.name} to be ready; its log ends:\n{program.log[-2000:]}")

    def stop(self) -> None:
        """End all of them."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Member.kill, self.members))


@contextlib.contextmanager
def redis_members(count: int = 3) -> Iterator[Members]:
    """So many members, not yet started."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-redis-"))
    cluster = ChatCluster.from_body(body({"version": "1.0", "redis": {"members": 3}}))
    inputs = replace(inputs_maker()(cluster), credentials=generate(None, secrets.token_bytes))
    # Tests that run side by side have networks of their own.
    common = store_env(Path(redis_server(folder)).parent)
    found = Members(folder, free_port(), free_port(), inputs, os.getpid() % 250, common)
    try:
        found.set_up(count)
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)
