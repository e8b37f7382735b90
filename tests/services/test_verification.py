"""A backup restored for a test: PostgreSQL into a scratch folder, checked table by table; messages decoded; broken ones
are told as such."""

import asyncio
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest

from chatcluster_backup import backups, postgres, settings
from chatcluster_backup.manifest import Manifest
from chatcluster_backup.repository import Repository
from chatcluster_testing.backups import (
    BACKUPS,
    PASSPHRASE,
    PYTHON,
    USER,
    Destination,
    archiving_postgres,
    running_destination,
    step,
)
from chatcluster_testing.postgres import binaries
from chatcluster_testing.process import as_user
from chatcluster_testing.s3 import ACCESS_KEY, SECRET_KEY

BROKEN = 3
PATH = "verification"


@pytest.fixture(scope="module")
def destination() -> Iterator[Destination]:
    with running_destination() as found:
        yield found


@pytest.fixture(scope="module")
def base(destination: Destination) -> postgres.BaseBackup:
    """A base backup, and the log up to a restore point after it."""
    environment = {"PATH": os.environ["PATH"], **destination.env(PATH)}
    with archiving_postgres(environment) as server:
        server.execute("CREATE DATABASE chat_user")
        server.execute("CREATE TABLE people AS SELECT n FROM generate_series(1, 5000) n", "chat_user")
        server.execute("CREATE INDEX ON people (n)", "chat_user")
        url = server.url("chat_backup").replace("+asyncpg", "")
        made = asyncio.run(postgres.base_backup(url, "20261123T030000Z-0a1b2c3d", within=400))
        server.execute("CREATE TABLE later AS SELECT 1 AS n", "chat_user")
        asyncio.run(postgres.restore_point(url, "the-point", within=400))
    return made


def verify(destination: Destination, folder: Path, wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Its exit code and last word."""
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "base.json").write_text(json.dumps(wanted))
    env = {
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TMPDIR": "/tmp",
        "CHAT_POSTGRES_DATA": str(folder / "data"),
        "CHAT_POSTGRES_LOCAL": "host=/nowhere port=5432 dbname=postgres user=chat_tests",
        "CHAT_BACKUP_MESSAGE": str(folder / "said"),
        **destination.env(PATH, "CHAT_RECOVERY"),
    }
    argv = [PYTHON, str(BACKUPS), "verify", str(folder / "base.json")]
    run_as = as_user(USER) if USER else {}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env, cwd=folder, timeout=400, **run_as)
    assert (folder / "said").exists(), done.stdout + done.stderr
    assert not (folder / "data").exists(), "nothing of it stays"
    return done.returncode, json.loads((folder / "said").read_text())


def read(destination: Destination, folder: Path, items: int) -> dict[str, Any]:
    """What the step says that reads messages and files, of a backup with two messages of which `items` are promised."""
    secrets = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "passphrase": PASSPHRASE}
    env = destination.env(f"read-{items}")
    known = {name.removeprefix("CHAT_BACKUP_").lower(): value for name, value in env.items()} | secrets
    repository = Repository(settings.Destination.model_validate(known))
    id_ = "20261123T030000Z-0a1b2c3d"
    documents = [bson.encode({"indexes": []}), *(bson.encode({"_id": number}) for number in range(2))]
    part = repository.put(f"parts/{id_}/messages/messages", documents).model_copy(update={"items": items})
    now = datetime.now(UTC)
    about = {"id": id_, "namespace": "chat", "cluster": "demo", "release": "1.0", "moment": now, "completed": now}
    keys = repository.put(f"parts/{id_}/keys", [b"{}"])
    backups.write(repository, Manifest.model_validate({**about, "messages": (part,), "keys": keys}))
    work = {"CHAT_BACKUP_ID": id_, "CHAT_BACKUP_WORK": str(folder)}
    return step("verify", folder, {**env, **work}, {f"chat_backup_{name}": value for name, value in secrets.items()})


def test_messages_are_decoded_and_counted(destination: Destination, tmp_path: Path) -> None:
    assert read(destination, tmp_path, 2)["items"] == 2
    assert json.loads((tmp_path / "base.json").read_text()) == {}, "nothing of PostgreSQL is to be restored"
    assert "2 documents in place of 3" in read(destination, tmp_path, 3)["broken"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter; pytest's own it may not."""
    folder = Path(tempfile.mkdtemp(prefix="verify-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_whole_one_is_restored_and_checked(destination: Destination, base: Any, scratch: Path) -> None:
    before = len(list(destination.s3.client.list_objects(destination.bucket, recursive=True)))
    code, said = verify(destination, scratch / "a", {"label": base.label, "point": "the-point"})
    assert code == 0, said
    assert said["items"] >= 3, "the table of after the base backup too"
    assert said["bytes"] > 0
    after = len(list(destination.s3.client.list_objects(destination.bucket, recursive=True)))
    assert after == before, "nothing is written to the repository"


def test_nothing_is_done_where_there_is_no_postgresql_in_it(destination: Destination, scratch: Path) -> None:
    assert verify(destination, scratch / "a", {}) == (0, {"items": 0, "bytes": 0})


def test_a_point_that_the_log_does_not_reach_is_broken(destination: Destination, base: Any, scratch: Path) -> None:
    code, said = verify(destination, scratch / "a", {"label": base.label, "point": "another"})
    assert code == BROKEN
    assert "recovery" in said["broken"]


def test_a_file_that_is_another_is_broken(destination: Destination, base: Any, scratch: Path) -> None:
    client, bucket = destination.s3.client, destination.bucket
    names = [str(item.object_name) for item in client.list_objects(bucket, recursive=True)]
    largest = max(
        (name for name in names if f"/{base.label}/pg_data/base" in name or f"/{base.label}/bundle" in name),
        key=lambda name: client.stat_object(bucket, name).size or 0,
    )
    content = bytearray(client.get_object(bucket, largest).read())
    content[len(content) // 2] ^= 0xFF
    client.put_object(bucket, largest, io.BytesIO(bytes(content)), len(content))
    code, said = verify(destination, scratch / "a", {"label": base.label, "point": "the-point"})
    assert code == BROKEN, said
    assert "restore" in said["broken"]
