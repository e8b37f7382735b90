"""PostgreSQL grows from one member to three and to five while somebody writes: nothing acknowledged is lost.

The members are processes with the operator's files and a real API server; the test does what Kubernetes does.
"""

import pytest

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import stores
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.patroni import Members, Writer, running_members
from chatcluster_testing.specs import body, inputs_maker

pytestmark = pytest.mark.timeout(900)


def of(members: int) -> ChatCluster:
    return ChatCluster.from_body(body(f"{{version: '1.0', postgres: {{members: {members}}}}}"))


def test_one_becomes_three_and_five(tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster = of(1)
    inputs = inputs_maker()(cluster)
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    with (
        running(tmp_path_factory.mktemp("control-plane")) as plane,
        running_members(plane, cluster, inputs, url) as members,
        Writer(members) as writer,
    ):
        for count, waits_for in ((3, 1), (5, 2)):
            members.grow(of(count))
            writer.goes_on()
            assert len(members.members) == count
            until(
                lambda waits_for=waits_for: f"ANY {waits_for} (" in waited_for(members),
                f"a commit to wait for {waits_for} others",
            )
        writer.check()


def waited_for(members: Members) -> str:
    return members.leader.administer("SHOW synchronous_standby_names")
