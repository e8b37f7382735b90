"""PostgreSQL as a process of the tests: one server a run, a fresh database for whoever asks."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chatcluster_testing.process import Program, as_user, find_program, free_port

_ADMIN = "chat_tests"
_MINIMUM = 15


@dataclass
class Postgres:
    """A running server; databases are made on demand and go away with it."""

    program: Program
    port: int
    bin: Path

    def create_database(self) -> str:
        """A fresh empty database; returns its name."""
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def clone_database(self, template: str) -> str:
        """A fresh database with the schema and rows of `template`, which nobody may be connected to."""
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def url(self, database: str) -> str:
        """What a service takes as `CHAT_DATABASE_URL`."""
        return f"postgresql+asyncpg://{_ADMIN}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; returns rows as unaligned text, columns separated by `|`."""
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, self._libpq_url(database)],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, f"{sql}\n{done.stderr}"
        return done.stdout.strip()

    def _libpq_url(self, database: str) -> str:
        return f"postgresql://{_ADMIN}@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def running_postgres(
    more: Mapping[str, str] | None = None, *, env: Mapping[str, str] | None = None
) -> Iterator[Postgres]:
    """A server on a free loopback port, in a temporary folder, without durability; with `more` options, and an
    environment for what it calls."""
    found = binaries()
    user = "nobody" if os.geteuid() == 0 else ""  # PostgreSQL refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-postgres-"))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    port = free_port()
    run_as = as_user(user) if user else {}
    initdb = [found / "initdb", "-D", data, "-U", _ADMIN, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    try:
        made = subprocess.run(
            [*initdb, "--no-sync"], check=False, capture_output=True, text=True, cwd=folder, timeout=60, **run_as
        )
        assert made.returncode == 0, made.stderr
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
            "max_connections": "200",
        }
        options |= more or {}
        argv = [str(found / "postgres"), "-D", str(data), *(f"--{k}={v}" for k, v in options.items())]

        def ready() -> bool:
            probe = [found / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            return subprocess.run(probe, check=False, timeout=10).returncode == 0

        program = Program("postgres", argv, folder, ready, user=user, env=env or {})
        server = Postgres(program, port, found)
        program.start()
        try:
            yield server
        finally:
            program.stop(by=signal.SIGINT)  # a fast shutdown: open connections do not hold it up
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binaries() -> Path:
    """The newest server's folder; Debian keeps one a major version, off PATH."""
    versions = {int(p.name): p / "bin" for p in Path("/usr/lib/postgresql").glob("*") if re.fullmatch(r"\d+", p.name)}
    usable = [version for version, path in versions.items() if version >= _MINIMUM and (path / "initdb").exists()]
    return versions[max(usable)] if usable else Path(find_program("initdb")).resolve().parent
