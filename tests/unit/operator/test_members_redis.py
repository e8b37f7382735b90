"""What Redis' members say, and what is made of it."""

from dataclasses import replace

import pytest

from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.decide.members import Contact, Reach
from chatcluster_operator.decide.members.redis import Copy, Told, described, elected, told
from chatcluster_operator.desired import generate
from chatcluster_testing.specs import body, even_randomness

NAMES = ("demo-redis-0", "demo-redis-1", "demo-redis-2")
REACH = Reach(
    ChatCluster.from_body(body("{version: '1.0', redis: {members: 3}}")),
    "redis",
    generate(None, even_randomness()),
    tuple(Contact(name, f"10.0.0.{number}", f"node-{number}") for number, name in enumerate(NAMES)),
)
COPIES = {name: Copy(100, copies=True) for name in NAMES[1:]}
MASTER = Told(master=True, loading=False, of="", linked=False, offset=100, copies=COPIES, named=NAMES[0])
REPLICA = Told(master=False, loading=False, of=NAMES[0], linked=True, offset=100, copies={}, named=NAMES[0])

MASTER_INFO = """\
# Persistence\r
loading:0\r
# Replication\r
role:master\r
connected_slaves:2\r
min_slaves_good_slaves:1\r
slave0:ip=demo-redis-1,port=6379,state=online,offset=1035,lag=0\r
slave1:ip=demo-redis-2,port=6379,state=wait_bgsave,offset=0,lag=0\r
master_repl_offset:1035\r
"""
REPLICA_INFO = """\
loading:0\r
role:slave\r
master_host:demo-redis-0\r
master_port:6379\r
master_link_status:up\r
master_sync_in_progress:0\r
slave_repl_offset:1035\r
master_repl_offset:1035\r
"""


def test_a_master_tells_of_its_replicas() -> None:
    copies = {NAMES[1]: Copy(1035, copies=True), NAMES[2]: Copy(0, copies=False)}
    found = told(MASTER_INFO, NAMES[0])
    assert found == Told(master=True, loading=False, of="", linked=False, offset=1035, copies=copies, named=NAMES[0])
    assert found.in_step, "those that copy have all"
    assert not told(MASTER_INFO.replace("offset:1035", "offset:1036"), None).in_step
    assert not told(MASTER_INFO.replace("lag=0", "lag=3"), None).in_step, "nobody copies"


def test_a_replica_tells_of_its_master() -> None:
    found = told(REPLICA_INFO, None)
    assert (found.master, found.of, found.linked, found.named) == (False, NAMES[0], True, None)
    assert not told(REPLICA_INFO.replace("status:up", "status:down"), None).linked
    assert not told(REPLICA_INFO.replace("in_progress:0", "in_progress:1"), None).linked
    assert told("", None) == Told(master=False, loading=False, of="", linked=False, offset=0, copies={}, named=None), (
        "what says nothing is nothing"
    )


@pytest.mark.parametrize(
    ("named", "master"),
    [
        ((0, 0, 0), 0),
        ((0, 0, 1), 0),
        ((0, 1, 1), 1),
        ((None, 1, 1), 1),
        ((None, None, 1), None),
        ((0, 1, 2), None),
        ((0, 1, None), None),
        ((None, None, None), None),
    ],
)
def test_the_master_is_whom_most_sentinels_name(named: tuple[int | None, ...], master: int | None) -> None:
    answers = [replace(REPLICA, named=None if each is None else NAMES[each]) for each in named]
    assert elected(answers) == ("" if master is None else NAMES[master])


WELL = (MASTER, REPLICA, REPLICA)
LEADER, FOLLOWER = MemberRole.LEADER, MemberRole.FOLLOWER
RUNNING, JOINING, UNREACHABLE = MemberState.RUNNING, MemberState.JOINING, MemberState.UNREACHABLE
ONE_COPY = {**COPIES, NAMES[2]: Copy(0, copies=False)}
NO_COPY = {name: Copy(0, copies=False) for name in NAMES[1:]}
MOVED = tuple(replace(each, named=NAMES[1]) for each in WELL)
NEW_MASTER = replace(MASTER, named=NAMES[1], copies={NAMES[2]: Copy(100, copies=True)})


@pytest.mark.parametrize(
    ("answers", "leader", "states", "problem"),
    [
        (WELL, 0, (RUNNING, RUNNING, RUNNING), ""),
        ((replace(MASTER, copies=ONE_COPY), REPLICA, None), 0, (RUNNING, RUNNING, UNREACHABLE), ""),
        (
            (replace(MASTER, copies=ONE_COPY), REPLICA, replace(REPLICA, linked=False)),
            0,
            (RUNNING, RUNNING, JOINING),
            "",
        ),
        ((replace(MASTER, copies=NO_COPY), None, REPLICA), 0, (RUNNING, UNREACHABLE, JOINING), "takes no writes"),
        ((None, REPLICA, REPLICA), None, (UNREACHABLE, JOINING, JOINING), "does not answer; Sentinels choose"),
        ((replace(MASTER, loading=True), REPLICA, REPLICA), None, (JOINING, JOINING, JOINING), "does not answer"),
        # The former master is back and follows nobody yet.
        ((MOVED[0], NEW_MASTER, replace(MOVED[2], of=NAMES[1])), 1, (JOINING, RUNNING, RUNNING), ""),
        ((None, None, REPLICA), None, (UNREACHABLE, UNREACHABLE, JOINING), "no master"),
    ],
)
def test_the_view(
    answers: tuple[Told | None, ...], leader: int | None, states: tuple[MemberState, ...], problem: str
) -> None:
    view = described(REACH, answers)
    assert view.leader == ("" if leader is None else NAMES[leader])
    assert [member.state for member in view.members] == list(states)
    assert [member.role is LEADER for member in view.members] == [number == leader for number in range(3)]
    assert all(member.in_step == (member.state is RUNNING) for member in view.members)
    assert (problem in view.problem) if problem else not view.problem


def test_who_has_no_pod_is_absent_and_why_one_is_not_well_is_told() -> None:
    away = replace(REACH, contacts=(*REACH.contacts[:2], Contact(NAMES[2])))
    assert described(away, (MASTER, REPLICA, None)).members[2].state is MemberState.ABSENT
    details = [
        described(REACH, (replace(MASTER, copies=NO_COPY), REPLICA, answer)).members[2].detail
        for answer in (
            replace(REPLICA, loading=True),
            replace(REPLICA, of=NAMES[1]),
            replace(REPLICA, linked=False),
            replace(MASTER, named=NAMES[1]),
        )
    ]
    assert details == [
        "it loads its data",
        "it is a replica of demo-redis-1, not of demo-redis-0",
        "it copies what it lacks",
        "it was master and does not follow demo-redis-0 yet",
    ]
