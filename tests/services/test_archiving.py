"""PostgreSQL's log that does not reach the backups' destination: the pod of the member that leads says so."""

from collections.abc import Iterator

import pytest

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.constants import NOT_ARCHIVED_SINCE
from chatcluster_operator.desired import stores
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.patroni import Members, running_members
from chatcluster_testing.specs import body, inputs_maker

SPEC = """
version: '1.0'
backup:
  destination: {endpoint: "https://backups.example.com:1", bucket: backups, secretName: destination}
  encryption: {secretName: passphrase}
"""


@pytest.fixture
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """One member, whose archive_command is a program that is not there."""
    cluster = ChatCluster.from_body(body(SPEC))
    inputs = inputs_maker()(cluster)
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    more = {"CHAT_BACKUP_ENDPOINT": "https://backups.example.com:1", "CHAT_ARCHIVING_STOPPED_SECONDS": "2"}
    with (
        running(tmp_path_factory.mktemp("control-plane")) as plane,
        running_members(plane, cluster, inputs, url, more) as members,
    ):
        yield members


def test_it_says_since_when_and_takes_it_back(members: Members) -> None:
    leader = members.leader

    def said() -> str:
        pod = members.plane.api.call("GET", f"{members.path}/pods/{leader.name}")
        return pod["metadata"].get("annotations", {}).get(NOT_ARCHIVED_SINCE, "")

    assert said() == ""
    leader.administer("SELECT pg_switch_wal()")
    assert until(said, "the pod to say so", 60).endswith("Z")
    leader.administer("ALTER SYSTEM SET archive_command = 'true'")
    leader.administer("SELECT pg_reload_conf()")
    until(lambda: said() == "", "the pod to take it back", 120)
