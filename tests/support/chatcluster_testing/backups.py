"""What backups are tested with: an S3 behind TLS of a private authority, and a PostgreSQL that archives into it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcluster_operator.desired.tls import make_authority, make_leaf
from chatcluster_testing.postgres import Postgres, binaries, running_postgres
from chatcluster_testing.process import Program, accepts, as_user, free_port, wait_until
from chatcluster_testing.s3 import ACCESS_KEY, S3, SECRET_KEY, running_s3

BACKUPS = Path(__file__).parents[3] / "stores/postgres/backups.py"
PASSPHRASE = "a passphrase of the tests, long enough"
PYTHON = "/usr/bin/python3"
"""Debian's, which has what the script needs."""
USER = "nobody" if os.geteuid() == 0 else ""
"""Who runs PostgreSQL; it refuses to run as root."""


@dataclass
class Destination:
    """An S3 with a certificate that only `ca_file` vouches for, and a bucket in it."""

    s3: S3
    port: int
    folder: Path
    bucket: str

    def env(self, path: str, prefix: str = "CHAT_BACKUP") -> dict[str, str]:
        """What the steps of a backup, and `backups` beside PostgreSQL, are told of it."""
        return {
            # By name: pgBackRest knows no addresses in certificates.
            f"{prefix}_ENDPOINT": f"https://localhost:{self.port}",
            f"{prefix}_BUCKET": self.bucket,
            f"{prefix}_PATH": path,
            f"{prefix}_CA_FILE": str(self.folder / "ca.crt"),
            f"{prefix}_SECRETS_DIR": str(self.folder),
        }


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder of the one who runs PostgreSQL, which others may read; pytest's own may not be entered by it."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-backup-"))
    folder.chmod(0o755)
    if USER:
        shutil.chown(folder, USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_destination() -> Iterator[Destination]:
    """The S3 and the files by which it is reached."""
    now, port = int(time.time()), free_port()
    authority = make_authority("destination", now=now)
    leaf = make_leaf(["localhost", "127.0.0.1"], authority, now=now)
    secrets = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "passphrase": PASSPHRASE}
    files = {"ca.crt": authority.certificate, "tls.crt": leaf.certificate, "tls.key": leaf.key, **secrets}
    with _folder() as folder:
        for name, content in files.items():
            (folder / name).write_text(content)
        paths = {f"s3.{what}.file": str(folder / f"tls.{end}") for what, end in (("cert", "crt"), ("key", "key"))}
        with running_s3({**paths, "s3.port.https": str(port)}) as s3:
            yield Destination(s3, port, folder, s3.create_bucket())


@contextlib.contextmanager
def archiving_postgres(environment: Mapping[str, str]) -> Iterator[Postgres]:
    """A PostgreSQL whose write-ahead log goes to the repository, with `backups watch` beside it, and the database of
    requests."""
    settings = {
        "wal_level": "replica",
        "archive_mode": "on",
        # It is called in the data folder.
        "archive_command": f'CHAT_POSTGRES_DATA="$PWD" {PYTHON} {BACKUPS} pgbackrest-push %p',
        "full_page_writes": "on",
    }
    with (
        _folder() as folder,
        running_postgres(settings | {"unix_socket_directories": str(folder)}, env=environment) as server,
    ):
        server.execute("CREATE ROLE chat_backup LOGIN")
        server.execute("CREATE DATABASE chat_backup OWNER chat_backup")
        local = f"host={folder} port={server.port} dbname=postgres user=chat_tests"
        reached = {"CHAT_POSTGRES_DATA": server.execute("SHOW data_directory"), "CHAT_POSTGRES_LOCAL": local}
        script = f"{PYTHON} {BACKUPS} watch $$ & wait"
        program = Program("backups", ["/bin/sh", "-c", script], folder, lambda: True, {**environment, **reached}, USER)
        program.start()
        try:
            yield server
        finally:
            program.kill()
            # It would bring the last of its log to the repository first.
            server.program.kill()


@contextlib.contextmanager
def restored_postgres(environment: Mapping[str, str]) -> Iterator[Postgres]:
    """A PostgreSQL in a new data folder, filled by `backups restore`, once it takes writes."""
    with _folder() as folder:
        data, port, found = folder / "data", free_port(), binaries()
        env = {"PATH": os.environ["PATH"], "CHAT_POSTGRES_DATA": str(data), **environment}
        run_as = as_user(USER) if USER else {}
        argv = [PYTHON, str(BACKUPS), "restore", f"--datadir={data}", "--scope=tests"]
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, env=env, cwd=folder, timeout=120, **run_as
        )
        assert done.returncode == 0, done.stdout + done.stderr
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "archive_mode": "off"}
        # As Patroni starts it: otherwise it had to take as many connections as the one that was backed up.
        options["hot_standby"] = "off"
        argv = [str(found / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
        program = Program("postgres", argv, folder, lambda: accepts(port), {**env, "HOME": str(folder)}, USER)
        server = Postgres(program, port, found)
        program.start()
        try:
            wait_until(lambda: _recovered(server), "the end of recovery")
            yield server
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends:\n{program.log[-4000:]}") from None
        finally:
            program.stop(by=signal.SIGINT)


def _recovered(server: Postgres) -> bool:
    try:
        return server.execute("SELECT pg_is_in_recovery()") == "f"
    except AssertionError as error:
        # Until it has read as much of the log as makes it consistent, it answers nobody.
        if "the database system is" not in str(error):
            raise
        return False


def step(name: str, folder: Path, env: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Run a step as its container does; what it says."""
    files, said = folder / "secrets", folder / f"{name}.said"
    files.mkdir(parents=True, exist_ok=True)
    for file, value in secrets.items():
        (files / file).write_text(value)
    variables = {"CHAT_SECRETS_DIR": str(files), "CHAT_BACKUP_MESSAGE": str(said), "PATH": os.environ["PATH"], **env}
    argv = [sys.executable, "-m", "chatcluster_backup.main", name]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=variables, timeout=300)
    assert said.exists(), done.stderr
    result: dict[str, Any] = json.loads(said.read_text())
    assert (done.returncode == 0) == {"failed", "broken"}.isdisjoint(result), done.stderr
    return result
