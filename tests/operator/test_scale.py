"""What many ChatClusters cost, in calls of the API; tests/load/fleet.py has the times, for a thousand."""

from chatcluster_testing.control_plane import until
from chatcluster_testing.operator import Operator, Room

COUNT = 10


def test_a_restarted_operator_reads_each_chatcluster_and_writes_nothing(room: Room, operator: Operator) -> None:
    names = [f"chat-{number}" for number in range(COUNT)]
    for name in names:
        room.create(name=name)
    until(lambda: all(room.settled(name) for name in names), "everything applied", 120)
    before = room.versions()

    operator.program.stop()
    operator.program.start()
    until(lambda: operator.leading, "the operator to lead again", 60)
    looks = "chatcluster_operator_reconciles_total"
    until(lambda: operator.metric(looks, result="ok") >= operator.metric("chatcluster_operator_workers"), "a look", 60)

    assert room.versions() == before
    assert operator.metric("chatcluster_operator_applies_total") == 0
    clusters = operator.metric("chatcluster_operator_workers")
    assert clusters >= COUNT
    # The ChatCluster, its credentials; the rest is in the lists and watches, however many there are.
    reads = operator.metric("chatcluster_operator_api_calls_total", method="GET")
    assert reads <= 4 * clusters + 80
