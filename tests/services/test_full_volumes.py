"""Each store on a volume of its own that is filled to its last byte while somebody writes, and then grown.

While it is full, writes are refused in words that services understand, reads go on, and the store comes up again after
it was killed. Once grown it writes again, with nobody's help; all that was acknowledged is there.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import stores
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.full_volume import Volume, told, volume
from chatcluster_testing.patroni import Members, Writer
from chatcluster_testing.process import free_port
from chatcluster_testing.specs import MINIMAL, body, inputs_maker

MIB = 1024 * 1024
SIZE, GROWN = 600, 900
"""MiB."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Like `tmp_path`, and shorter: sockets have short names alone."""
    made = Path(tempfile.mkdtemp(prefix="full-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def disk(folder: Path) -> Iterator[Volume]:
    """An empty one, which everybody may write to."""
    with volume(folder / "0/data", SIZE) as made:
        made.path.chmod(0o777)
        yield made


def test_postgres(disk: Volume, folder: Path) -> None:
    cluster = ChatCluster.from_body(body(MINIMAL))
    inputs = inputs_maker()(cluster)
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    (folder / "plane").mkdir()
    with running(folder / "plane") as plane:
        plane.api.create("/api/v1/namespaces", {"metadata": {"name": cluster.namespace}})
        members = Members(plane, cluster, inputs, folder, url)
        [member] = members.members
        port = free_port()
        member.env |= {"CHAT_RESERVE_MB": "64", "CHAT_VOLUME_PORT": str(port)}
        try:
            members.start()
            _postgres_fills_and_grows(disk, members, port)
        except Exception as error:
            error.add_note(member.log[-6000:])
            raise
        finally:
            member.close()


def _postgres_fills_and_grows(disk: Volume, members: Members, port: int) -> None:
    [member] = members.members
    with Writer(members) as writer:

        def count() -> int:
            return member.ask(members.url, "SELECT count(*) FROM numbers")

        until((disk.path / ".reserve").exists, "a reserve to be made")
        server = member.administer("SELECT pg_postmaster_start_time()")
        disk.fill()
        until(lambda: "ReadOnlySqlTransaction" in writer.error, "writes to be refused for what is about to come")
        until(lambda: not (disk.path / ".reserve").exists(), "the reserve to be given up")
        until(lambda: told(port)["chat_volume_full"] == 1, "the volume to be told of as full")
        assert count() >= len(writer.acknowledged)
        assert member.administer("SELECT pg_postmaster_start_time()") == server, "it went on all the time"

        member.kill()
        member.spawn()
        until(lambda: member.ready, "it to start on what the reserve has left", 60)
        writer.error = ""
        until(lambda: "ReadOnlySqlTransaction" in writer.error, "writes to be refused after the start, too")
        assert count() >= len(writer.acknowledged)

        disk.fill()  # not a byte is left, of the reserve either
        member.kill()
        member.spawn()
        disk.grow(GROWN)
        until(lambda: member.ready, "it to start once it has room", 90)
        writer.goes_on()
        until(lambda: told(port)["chat_volume_full"] == 0, "the volume to be told of as one with room")
    writer.check()
