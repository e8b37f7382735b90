"""PostgreSQL grows to five members and shrinks to one while somebody writes: nothing acknowledged is lost.

The members are processes with the operator's files and a real API server; the test does what Kubernetes does.
"""

import pytest

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import stores
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.patroni import Members, Writer, running_members
from chatcluster_testing.specs import body, inputs_maker

pytestmark = pytest.mark.timeout(1500)


def of(members: int) -> ChatCluster:
    return ChatCluster.from_body(body(f"{{version: '1.0', postgres: {{members: {members}}}}}"))


def test_one_becomes_three_and_five_and_one_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster = of(1)
    inputs = inputs_maker()(cluster)
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    with (
        running(tmp_path_factory.mktemp("control-plane")) as plane,
        running_members(plane, cluster, inputs, url) as members,
    ):
        with Writer(members) as writer:
            for count, waited_for in ((3, "ANY 1 "), (5, "ANY 2 "), (3, "ANY 1 "), (1, "")):
                members.resize(of(count))
                writer.goes_on()
                assert len(members.members) == count
                until(
                    lambda waited_for=waited_for: standbys(members).partition("(")[0] == waited_for,
                    f"commits to wait for {waited_for or 'nobody'}",
                )
        writer.check()


def standbys(members: Members) -> str:
    return members.leader.administer("SHOW synchronous_standby_names")
