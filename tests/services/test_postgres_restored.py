"""PostgreSQL restored from a backup: real Patroni and pgBackRest, the image's own scripts, a real API server.

It begins with what a try has left that broke off in its midst, which is the worst that a node can do which is drained.
"""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from chatcluster_backup import postgres as backup
from chatcluster_operator.api import RecoveryTarget
from chatcluster_operator.desired import stores
from chatcluster_testing.backups import Destination, archiving_postgres, running_destination
from chatcluster_testing.control_plane import running
from chatcluster_testing.patroni import Members, running_members
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.specs import restoring

ID = "20261123T042549Z-0a1b2c3d"
FOLDER = "tests/restored"

pytestmark = pytest.mark.timeout(1500)


@dataclass(frozen=True)
class Kept:
    """A backup of PostgreSQL."""

    destination: Destination
    target: RecoveryTarget


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    """One with a row of before its restore point, and more in the log after that."""
    with running_destination() as destination, archiving_postgres(destination.env(FOLDER)) as source:
        source.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        source.execute("CREATE ROLE chat_user LOGIN PASSWORD 'another'")
        source.execute("CREATE DATABASE chat_user OWNER chat_user")
        source.execute("SET ROLE chat_user; CREATE TABLE people (name text)", "chat_user")
        source.execute("CREATE DATABASE chat_objects")
        source.execute("CREATE TABLE filemeta (name text)", "chat_objects")
        yield Kept(destination, asyncio.run(_back_up(source)))


async def _back_up(source: Postgres) -> RecoveryTarget:
    url = f"postgresql://chat_backup@127.0.0.1:{source.port}/chat_backup"
    base = await backup.base_backup(url, ID, within=600)
    source.execute("INSERT INTO people VALUES ('before')", "chat_user")
    point = await backup.restore_point(url, f"{ID}-1", within=600)
    source.execute("INSERT INTO people VALUES ('after')", "chat_user")
    source.execute("SELECT pg_switch_wal()")
    return RecoveryTarget(label=base.label, point=point.name)


@pytest.fixture
def members(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Its one member, not started yet."""
    cluster, inputs = restoring("Postgres")
    assert inputs.recovery is not None
    status = inputs.recovery.status.model_copy(update={"postgres": kept.target})
    inputs = replace(inputs, recovery=replace(inputs.recovery, status=status))
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    more = {
        **kept.destination.env(FOLDER, "CHAT_RECOVERY"),
        "CHAT_RECOVERY_LABEL": kept.target.label,
        "CHAT_RECOVERY_POINT": kept.target.point,
    }
    with (
        running(tmp_path_factory.mktemp("control-plane")) as plane,
        running_members(plane, cluster, inputs, url, more, start=False) as members,
    ):
        yield members


def test_it_is_as_it_was_at_the_restore_point_and_belongs_to_its_new_cluster(members: Members) -> None:
    [member] = members.members
    broken = member.folder / "data/pgdata"
    broken.mkdir(mode=0o700)
    (broken / "PG_VERSION").write_text("15\n")
    for path in (broken, broken / "PG_VERSION"):
        shutil.chown(path, broken.parent.owner())
    config = f"{members.path}/configmaps/{members.name}-config"
    members.plane.api.merge(config, {"metadata": {"annotations": {"initialize": ""}}})

    members.start()
    assert "of a restore that broke off" in member.log
    assert member.ask(members.url, "SELECT string_agg(name, ' ') FROM people") == "before"
    for database, table in {"chat_backup": "requests", "chat_objects": "filemeta"}.items():
        there = member.env["CHAT_POSTGRES_LOCAL"].replace("dbname=postgres", f"dbname={database}")
        found = member.run("psql", there, "-X", "-A", "-t", "-c", f"SELECT to_regclass('{table}')")
        assert (found.returncode, found.stdout.strip()) == (0, ""), f"{table} is of another cluster"

    member.stop()
    for name in [name for name in member.env if name.startswith("CHAT_RECOVERY")]:
        del member.env[name]
    members.start()
    assert member.ask(members.url, "SELECT string_agg(name, ' ') FROM people") == "before"
    assert member.administer("SHOW restore_command") == "", "it needs the backup no more"
