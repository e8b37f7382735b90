"""Kafka's nodes: what is made of what they say, how many of them there may be, and the files that they are given."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.events import MESSAGES_TOPIC
from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.api.spec.stores import Kafka
from chatcluster_operator.decide.members import Contact, Member, Reach, Standing, StoreView
from chatcluster_operator.decide.members.kafka import Broker, decide, described
from chatcluster_operator.desired import generate, kafka, stores
from chatcluster_operator.desired.pods import CHECKSUM
from chatcluster_testing.specs import body, inputs_maker


def cluster(members: int | None = None, **status: Any) -> ChatCluster:
    made = body({"version": "1.0"} | ({"kafka": {"members": members}} if members else {}))
    return ChatCluster.from_body(made | {"status": status} if status else made)


def contacts(*addresses: str) -> tuple[Contact, ...]:
    return tuple(Contact(f"demo-kafka-{n}", address, f"node-{n}") for n, address in enumerate(addresses))


def says(node: int, *, leader: int = 0, holds: tuple[int, ...] = (6, 6, 6), **more: Any) -> dict[str, Any]:
    """What a node says, as `State.java` has it."""
    brokers = [{"id": n, "alive": True, "holds": held, "leads": 2} for n, held in enumerate(holds)]
    view = {"leader": leader, "voters": [0, 1, 2], "brokers": brokers, "behind": [], "behindCount": 0}
    view |= {"reassigning": 0, "doing": "", "problem": ""} | more.pop("view", {})
    return {"node": node, "formed": True, "ready": True, "why": "", "view": view} | more


def seen(*answers: object, addresses: tuple[str, ...] = ("10.0.0.1", "10.0.0.2", "10.0.0.3")) -> StoreView:
    reach = Reach(cluster(3), "kafka", generate(None, bytes), contacts(*addresses))
    return described(reach, answers)


def test_all_is_well() -> None:
    view = seen(says(0), says(1), says(2))
    assert view.well
    assert view.leader == "demo-kafka-0"
    assert [member.role for member in view.members] == [MemberRole.LEADER, MemberRole.FOLLOWER, MemberRole.FOLLOWER]


LATE = {"behind": ["chat.messages.v1-0 on 2"], "behindCount": 1}
MANY = {"behind": [f"chat.messages.v1-{n} on 2" for n in range(20)], "behindCount": 40}


@pytest.mark.parametrize(
    ("answers", "states", "problem"),
    [
        ((None, None, None), ["Unreachable"] * 3, "no node answers"),
        ((says(0, view=LATE), says(1, view=LATE), None), ["Running", "Running", "Unreachable"], "out of step: chat"),
        ((says(0, view=MANY), says(1), says(2)), ["Running"] * 3, "copies of partitions are out of step"),
        ((says(0), says(1), says(2, ready=False, why="waits")), ["Running", "Running", "Joining"], ""),
        ((says(0, leader=-1), says(1, leader=-1), None), ["Running", "Running", "Unreachable"], "no controller"),
        ((says(0, leader=0), says(1, leader=1), None), ["Running", "Running", "Unreachable"], "no controller"),
        ((says(0, view={"problem": "X: y"}), says(1), says(2)), ["Running"] * 3, "cannot be: X: y"),
        ((says(0, view={"reassigning": 4}), says(1), says(2)), ["Running"] * 3, "partitions are moved"),
        (({"nonsense": 1}, says(1), says(2)), ["Unreachable", "Running", "Running"], ""),
    ],
)
def test_what_is_wrong_is_told(answers: tuple[object, ...], states: list[str], problem: str) -> None:
    view = seen(*answers)
    assert [member.state.value for member in view.members] == states
    assert problem in view.problem
    assert bool(view.problem) == bool(problem)
    assert not view.well


def test_a_node_without_a_pod_is_absent_and_one_that_says_why_is_quoted() -> None:
    view = seen(says(0, ready=False, why="the broker starts"), None, None, addresses=("10.0.0.1", "", "10.0.0.3"))
    assert [member.state for member in view.members] == [
        MemberState.JOINING,
        MemberState.ABSENT,
        MemberState.UNREACHABLE,
    ]
    assert view.members[0].detail == "the broker starts"


def standing(wanted: int, members: list[Member]) -> Standing:
    view = StoreView("kafka", tuple(members))
    return Standing(cluster(3), view, wanted=wanted, made=len(members), now=0)


def brokers(*empty: bool) -> list[Member]:
    return [Broker(f"demo-kafka-{n}", state=MemberState.RUNNING, empty=is_empty) for n, is_empty in enumerate(empty)]


@pytest.mark.parametrize(
    ("wanted", "empty", "members"),
    [
        (3, (False, False, False), None),
        (5, (False, False, False), None),
        (3, (False, False, False, False, False), 5),
        (3, (False, False, False, False, True), 4),
        (3, (False, False, False, True, False), 5),
        (3, (False, False, False, True, True), None),
    ],
)
def test_a_broker_goes_once_it_and_all_after_it_hold_nothing(
    wanted: int, empty: tuple[bool, ...], members: int | None
) -> None:
    decision = decide(standing(wanted, brokers(*empty)))
    assert decision.members == members
    assert bool(decision.waits) == (members is not None)


def test_of_a_broker_that_nobody_knows_of_nothing_is_assumed() -> None:
    assert decide(standing(3, [*brokers(False, False, False), Member("demo-kafka-3")])).members == 4
    told_apart = seen(
        says(0, holds=(1, 1, 1, 0)), says(1, holds=(1, 1, 1, 1)), None, None, addresses=("a", "b", "c", "d")
    )
    assert [isinstance(member, Broker) and member.empty for member in told_apart.members] == [False] * 4


@given(wanted=st.integers(1, 9), empty=st.lists(st.booleans(), min_size=1, max_size=9))
def test_no_broker_goes_that_holds_something(wanted: int, empty: list[bool]) -> None:
    members = decide(standing(wanted, brokers(*empty))).members
    there = wanted if members is None else members
    assert all(empty[there:])
    assert there >= min(wanted, len(empty))


def manifests(members: int | None) -> dict[str, dict[str, Any]]:
    made = cluster(members)
    return {item["kind"]: item for item in kafka.manifests(made, inputs_maker()(made)) if item["kind"] != "Service"}


@pytest.mark.parametrize(("members", "copies"), [(None, 1), (3, 3), (4, 3), (9, 3)])
def test_the_cluster_is_described_for_its_nodes(members: int | None, copies: int) -> None:
    wished = json.loads(manifests(members)["ConfigMap"]["data"]["cluster.json"])
    assert (wished["members"], wished["replication"]) == (members or 1, copies)
    assert wished["host"] % 2 == "demo-kafka-2.demo-kafka-nodes.chat.svc"
    assert wished["topics"] == {MESSAGES_TOPIC: 6}


def test_more_members_restart_none_that_there_are() -> None:
    three, nine = (manifests(members)["StatefulSet"]["spec"]["template"] for members in (3, 9))
    assert three == nine
    one = manifests(None)["StatefulSet"]["spec"]["template"]
    assert one["metadata"]["annotations"][CHECKSUM] == three["metadata"]["annotations"][CHECKSUM]


def test_a_broker_is_asked_before_it_stops_and_has_time_to() -> None:
    spec = manifests(3)["StatefulSet"]["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert container["lifecycle"]["preStop"] == {"httpGet": {"port": "state", "path": "/stop"}}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 60
    assert spec["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize(
    ("members", "bootstrap"),
    [
        (None, "demo-kafka:9092"),
        (3, ",".join(f"demo-kafka-{n}.demo-kafka-nodes:9092" for n in range(3))),
        (5, ",".join(f"demo-kafka-{n}.demo-kafka-nodes:9092" for n in range(3))),
    ],
)
def test_services_know_the_first_brokers(members: int | None, bootstrap: str) -> None:
    made = cluster(members)
    told = {
        item["name"]: item.get("value") for item in stores.access(made, inputs_maker()(made), "kafka", "message").env
    }
    assert told["CHAT_KAFKA_BOOTSTRAP"] == bootstrap
    assert told["CHAT_KAFKA_REPLICATION"] == str(min(3, members or 1))


@pytest.mark.parametrize(
    ("there", "asked", "members"), [(0, 1, 1), (1, 3, 3), (3, 1, 3), (5, 3, 3), (5, 4, 4), (5, 1, 5)]
)
def test_three_brokers_stay_of_those_that_there_are(there: int, asked: int, members: int) -> None:
    status = {"stores": {"kafka": {"size": there}}} if there else {}
    wished = json.loads(
        kafka.manifests(made := cluster(asked, **status), inputs_maker()(made))[1]["data"]["cluster.json"]
    )
    assert wished["members"] == members


def test_two_members_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of 1, 3"):
        Kafka(members=2)
