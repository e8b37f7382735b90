"""PostgreSQL's members as processes: the image's scripts, the operator's files, a real API server, and fake pods."""

import base64
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide.times import rfc3339
from chatcluster_operator.desired import Inputs, postgres
from chatcluster_testing.control_plane import ControlPlane, until
from chatcluster_testing.postgres import binaries
from chatcluster_testing.process import Program, free_port, store_env

SCRIPTS = Path(__file__).parents[3] / "stores/postgres"
DATABASE = "chat_user"


def _second() -> str:
    """This moment as Kubernetes says it."""
    return rfc3339(int(time.time()))


@dataclass(eq=False)
class Member:
    """One member: what a pod's containers would be."""

    name: str
    folder: Path
    env: dict[str, str]
    port: int
    rest_port: int
    argv: Sequence[str]
    """Before a program's own words: as whom it runs."""
    _main: Program = field(init=False)
    _guard: Program = field(init=False)

    def __post_init__(self) -> None:
        def ready() -> bool:
            return self.run("healthcheck").returncode == 0

        self._main = Program(self.name, [*self.argv, "bash", "entrypoint"], self.folder, ready, env=self.env)
        guard = [*self.argv, "member", "guard"]
        self._guard = Program(f"{self.name}-guard", guard, self.folder, lambda: True, env=self.env)

    @property
    def log(self) -> str:
        """Of both containers."""
        return self._main.log + self._guard.log

    def run(self, *words: str, wait: float = 60) -> subprocess.CompletedProcess[str]:
        """A command in its container."""
        argv = [*self.argv, *words]
        return subprocess.run(
            argv, check=False, cwd=self.folder, env=self.env, timeout=wait, text=True, capture_output=True
        )

    @property
    def several(self) -> bool:
        """Whether its pod is one of several, which have a guard and hand over before they go."""
        return "CHAT_MEMBERS" in self.env

    def spawn(self, *, guard: bool = True) -> None:
        """Start its main container; the guard's too where it is to have one."""
        if guard and self.several:
            self.spawn_guard()
        self._main.spawn()

    def spawn_guard(self) -> None:
        """Start the guard's container, unless it runs."""
        with contextlib.suppress(AssertionError):
            self._guard.spawn()

    @property
    def ready(self) -> bool:
        """As the kubelet would find it."""
        return self._main.ready()

    def kill(self) -> None:
        """What the kernel does to all processes of a container whose first one is killed."""
        processes = self._server()
        self._main.kill()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def kill_pod(self) -> None:
        """What the kernel does where the guard's container is killed too."""
        self._guard.kill()
        self.kill()

    def stop(self) -> None:
        """What the kubelet does when the pod is to go: the hook first, then SIGTERM."""
        if self.several:
            done = self.run("member", "handover")
            assert done.returncode == 0, done.stderr
        self._main.stop(timeout=60)

    def hang(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT for Patroni; PostgreSQL goes on."""
        self._main.signal(number)

    def close(self) -> None:
        """End everything."""
        self.kill_pod()

    def _server(self) -> list[int]:
        """PostgreSQL's processes, the one that starts the others first."""
        try:
            first = int((self.folder / "data/pgdata/postmaster.pid").read_text().splitlines()[0])
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        except (OSError, ValueError, IndexError):
            return []
        return [first, *map(int, children)]

    def connect(self, url: str) -> Any:
        """A connection by the URL of a service, of which host and port are this member's."""
        user = url.partition("://")[2].partition("@")[0]
        connection = psycopg2.connect(f"postgresql://{user}@127.0.0.1:{self.port}/{DATABASE}?connect_timeout=2")
        connection.autocommit = True
        return connection

    def ask(self, url: str, query: str) -> Any:
        """The first column of the first row."""
        with contextlib.closing(self.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return row[0] if row else None

    def administer(self, query: str) -> str:
        """A query as the superuser, whom PostgreSQL lets in within the container alone; its rows as text."""
        done = self.run("psql", self.env["CHAT_POSTGRES_LOCAL"], "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class Members:
    """All members of one ChatCluster's PostgreSQL."""

    plane: ControlPlane
    cluster: ChatCluster
    inputs: Inputs
    folder: Path
    url: str
    """Of a service that uses it, as the operator makes it."""
    members: list[Member] = field(default_factory=list[Member])

    def __post_init__(self) -> None:
        namespace = self.cluster.namespace
        self.path = f"/api/v1/namespaces/{namespace}"
        self._began = _second()
        replicas = self._make()
        token = self.plane.service_account_token(namespace, self.name)
        self._kubeconfig = shutil.copy(self.plane.kubeconfig("patroni", token), self.folder)
        account = self.folder / "account"
        account.mkdir()
        shutil.copy(self.plane.ca, account / "ca.crt")
        (account / "token").write_text(token)
        for ordinal in range(replicas):
            self.members.append(self._member(f"{self.name}-{ordinal}"))

    def _make(self) -> int:
        """What the operator makes, on the API server; gives how many members there should be."""
        found = postgres.manifests(self.cluster, self.inputs)
        [stateful_set] = [item for item in found if item["kind"] == "StatefulSet"]
        self._template = stateful_set["spec"]["template"]
        for item in found:
            if item["kind"] in _MADE:
                item["metadata"].pop("ownerReferences", None)
                group = "/api/v1" if item["apiVersion"] == "v1" else f"/apis/{item['apiVersion']}"
                kind, name = f"{item['kind'].lower()}s", item["metadata"]["name"]
                self.plane.api.apply(f"{group}/namespaces/{self.cluster.namespace}/{kind}/{name}", item)
        kinds = ("ConfigMap", "Secret")
        config, secret = (next(item for item in found if item["kind"] == kind and "data" in item) for kind in kinds)
        self._files = config["data"] | {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
        return stateful_set["spec"]["replicas"]

    def resize(self, cluster: ChatCluster) -> None:
        """What the operator and Kubernetes do when there are to be more or fewer.

        New ones begin or the last ones go, then those that stay are replaced, the last first, each once all others are
        ready.
        """
        self.cluster = cluster
        there, count = len(self.members), self._make()
        stay, leave = self.members[:count], self.members[count:]
        self.members[:] = stay + [self._member(f"{self.name}-{ordinal}") for ordinal in range(there, count)]
        for member in self.members[there:]:
            member.spawn()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Member.stop, leave))
        for member in leave:
            member.close()
            self.plane.api.delete(f"{self.path}/pods/{member.name}")
        self.settle()
        for member in reversed(stay):
            member.stop()
            self._write_files(member.folder, member.port, member.rest_port)
            member.env.pop("CHAT_MEMBERS", None)
            member.env.update(self._pod_env())
            member.spawn()
            self.settle()

    @property
    def name(self) -> str:
        """Of all objects that PostgreSQL needs."""
        return f"{self.cluster.name}-{postgres.NAME}"

    def _member(self, name: str) -> Member:
        spec = self._template["spec"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": self._template["metadata"]["labels"]},
            "spec": spec | {"volumes": [{"name": "data", "emptyDir": {}}, *spec["volumes"]]},
        }
        self.plane.api.create(f"{self.path}/pods", pod)
        port, rest_port = free_port(), free_port()
        folder = self.folder / name[-1]
        for part in ("config", "run", "data", "bin"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for command, script in {
            "backups": "backups.py",
            "roles": "roles.py",
            "member": "member.py",
            "healthcheck": "healthcheck",
            "read-only": "read-only",
        }.items():
            (folder / "bin" / command).symlink_to(SCRIPTS / script)
        # With the Patroni of these tests, not the one of this machine's system.
        ha = folder / "bin/ha"
        ha.write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPTS / "ha.py"} "$@"\n')
        ha.chmod(0o755)
        (folder / "entrypoint").symlink_to(SCRIPTS / "entrypoint")
        self._write_files(folder, port, rest_port)
        env = {
            **store_env(folder / "bin", Path(sys.executable).parent),
            "PATRONI_NAME": name,
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{port}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{rest_port}",
            "KUBECONFIG": str(self._kubeconfig),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.plane.port),
            "CHAT_SERVICE_ACCOUNT_DIR": str(self.folder / "account"),
            "CHAT_CONFIG_DIR": str(folder / "config"),
            "CHAT_SECRETS_DIR": str(folder / "config"),
            "CHAT_DATA_DIR": str(folder / "data"),
            "CHAT_RUN_DIR": str(folder / "run"),
            "CHAT_POSTGRES_DATA": str(folder / "data/pgdata"),
            **self._pod_env(),
            "CHAT_PATRONI_PORT": str(rest_port),
            "CHAT_POSTGRES_PORT": str(port),
            "CHAT_POSTGRES_LOCAL": f"host={folder / 'run'} port={port} dbname=postgres user=postgres",
        }
        return Member(name, folder, env, port, rest_port, _as(_USER))

    def _pod_env(self) -> dict[str, str]:
        """How many members the pod's template says that there are; nothing of one alone."""
        given = self._template["spec"]["containers"][0]["env"]
        return {item["name"]: item["value"] for item in given if item["name"] == "CHAT_MEMBERS"}

    def _write_files(self, folder: Path, port: int, rest_port: int) -> None:
        """A member's configuration and secrets, as they would be mounted."""
        config = self._config(folder, port, rest_port, _USER or os.environ.get("USER", ""))
        for file, text in (self._files | {"patroni.yml": config}).items():
            (folder / "config" / file).write_text(text)
        if _USER:
            for path in (folder, *(folder / "config").iterdir(), *folder.iterdir()):
                if not path.is_symlink():
                    shutil.chown(path, _USER)

    def _config(self, folder: Path, port: int, rest_port: int, user: str) -> str:
        """The operator's, where this machine's folders, ports and user are."""
        config = yaml.safe_load(self._files["patroni.yml"])
        config["kubernetes"]["context"] = "test"
        config["restapi"]["listen"] = f"127.0.0.1:{rest_port}"
        bootstrap = yaml.safe_dump(config["bootstrap"]).replace("/usr/local/bin", f"{folder}/bin")
        config["bootstrap"] = yaml.safe_load(bootstrap)
        config["bootstrap"]["initdb"].append("no-sync")
        own = config["postgresql"]
        own |= {"listen": f"127.0.0.1:{port}", "bin_dir": str(binaries())}
        own |= {"data_dir": str(folder / "data/pgdata"), "pgpass": str(folder / "pgpass")}
        own["parameters"] |= {"unix_socket_directories": str(folder / "run"), "fsync": "off", "shared_buffers": "32MB"}
        own["pg_ident"] = [line.replace("chatcluster", user) for line in own["pg_ident"]]
        own["callbacks"] = {name: str(folder / "bin" / Path(run).name) for name, run in own["callbacks"].items()}
        return yaml.safe_dump(config)

    def say_ended(self, member: Member) -> None:
        """As the kubelet says it of a container that was killed and waits to be started again."""
        moment = _second()
        terminated = {"exitCode": 137, "reason": "Error", "startedAt": moment, "finishedAt": moment}
        waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
        self._say_state(member, waiting, {"terminated": terminated})

    def say_running(self, member: Member) -> None:
        """As the kubelet says it of a container that runs."""
        self._say_state(member, {"running": {}}, {})

    def _say_state(self, member: Member, state: dict[str, Any], last: dict[str, Any]) -> None:
        container = {"name": "postgres", "image": "postgres", "imageID": "", "restartCount": 1, "ready": False}
        status = {"containerStatuses": [{**container, "state": state, "lastState": last}], "startTime": self._began}
        self.plane.api.merge(f"{self.path}/pods/{member.name}/status", {"status": status})

    def start(self) -> None:
        """All at once, and wait for all to be ready."""
        for member in self.members:
            member.spawn()
        self.settle()

    def settle(self) -> None:
        """Wait until one leads, and all others are in step with it."""
        try:
            until(lambda: all(member.ready for member in self.members) and self.leaders(), "all to be ready", 150, 0.3)
        except AssertionError as error:
            logs = "\n".join(f"== {member.name}\n{member.log[-3000:]}" for member in self.members)
            raise AssertionError(f"{error}\n{logs}") from None

    def leaders(self) -> list[Member]:
        """Those that the Service leads to."""
        label = f"{postgres.ROLE_LABEL}=primary".replace("/", "%2F").replace("=", "%3D")
        found = {item["metadata"]["name"] for item in self.plane.api.items(f"{self.path}/pods?labelSelector={label}")}
        return [member for member in self.members if member.name in found]

    @property
    def leader(self) -> Member:
        """Whom the Service leads to, once there is one."""
        [leader] = until(lambda: len(found := self.leaders()) == 1 and found, "one member to lead")
        return leader

    def others(self, than: Member) -> list[Member]:
        """All but one."""
        return [member for member in self.members if member is not than]

    def lock(self) -> str:
        """Who holds Patroni's lock."""
        found = self.plane.api.call("GET", f"{self.path}/configmaps/{self.name}-leader")
        return (found["metadata"].get("annotations") or {}).get("leader", "")

    def unlock(self) -> None:
        """Take Patroni's lock from who holds it."""
        self.plane.api.merge(
            f"{self.path}/configmaps/{self.name}-leader", {"metadata": {"annotations": {"leader": None}}}
        )


class Writer:
    """A client that writes number after number, wherever the Service leads it, and notes what was acknowledged."""

    def __init__(self, members: Members, every: float = 0.02) -> None:
        self._members, self._every = members, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.acknowledged: dict[int, float] = {}
        self.number = 0
        self.error = ""

    def __enter__(self) -> "Writer":
        with contextlib.closing(self._members.leader.connect(self._members.url)) as connection:
            execute(connection, "CREATE TABLE IF NOT EXISTS numbers (n bigint)", 30)
            execute(connection, "TRUNCATE numbers", 30)
        self._thread.start()
        until(lambda: self.acknowledged, "the first number to be written")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _write(self) -> None:
        connection: Any = None
        while not self._over.is_set():
            try:
                if connection is None:
                    [leader] = self._members.leaders()
                    connection = leader.connect(self._members.url)
                self.number += 1
                execute(connection, f"INSERT INTO numbers VALUES ({self.number})")  # noqa: S608 - a number
                self.acknowledged[self.number] = time.monotonic()
            except (psycopg2.Error, ValueError) as error:
                self.error = repr(error)
                if connection is not None:
                    connection.close()
                connection = None
            self._over.wait(self._every)

    def goes_on(self) -> None:
        """Wait until something has been acknowledged that was written from now on."""
        now = self.number
        try:
            until(lambda: any(number > now for number in list(self.acknowledged)[-3:]), "writes to go on", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.error}") from None

    @property
    def gap(self) -> float:
        """The longest time without an acknowledgement, in seconds."""
        return max(after - before for before, after in itertools.pairwise(self.acknowledged.values()))

    def check(self) -> None:
        """Everything that was acknowledged is there, on all members before long, and nothing twice."""
        for member in self._members.members:
            until(lambda at=member: self.acknowledged.keys() <= set(self._found(at)), f"all to be on {member.name}")
            found = self._found(member)
            assert len(found) == len(set(found)), "nothing is there twice"

    def _found(self, member: Member) -> list[int]:
        with contextlib.closing(member.connect(self._members.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT n FROM numbers")
            return [row[0] for row in cursor.fetchall()]


def execute(connection: Any, statement: str, seconds: float = 3.0) -> None:
    """One statement, acknowledged within the time; `psycopg2.OperationalError` else.

    The server's own time limit ends before a commit waits for copies.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        timer = threading.Timer(seconds, lambda: wire.shutdown(socket.SHUT_RDWR))
        timer.start()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            timer.cancel()


_USER = "nobody" if os.geteuid() == 0 else ""
"""As whom members run; empty: as whoever runs the tests."""
_MADE = frozenset({"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "Secret"})


def _as(user: str) -> list[str]:
    """PostgreSQL refuses to run as root. The other user may read everything: our programs may be in root's folders."""
    if not user:
        return []
    rights = [option for kind in ("inh", "ambient") for option in (f"--{kind}-caps", "+dac_read_search")]
    return ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups", *rights, "--pdeathsig", "TERM", "--"]


@contextlib.contextmanager
def running_members(
    plane: ControlPlane,
    cluster: ChatCluster,
    inputs: Inputs,
    url: str,
    env: Mapping[str, str] | None = None,
    *,
    start: bool = True,
) -> Iterator[Members]:
    """All members, ready unless the test is to `start` them; with more variables where `env` has some."""
    # Sockets have short names only, so not the test's own folder.
    folder = Path(tempfile.mkdtemp(prefix="members-"))
    folder.chmod(0o755)
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": cluster.namespace}})
    members: Members | None = None
    try:
        members = Members(plane, cluster, inputs, folder, url)
        for member in members.members:
            member.env.update(env or {})
        if start:
            members.start()
        yield members
    finally:
        for member in members.members if members else ():
            member.close()
        shutil.rmtree(folder, ignore_errors=True)
