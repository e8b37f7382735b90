"""Three members of PostgreSQL: real Patroni, real PostgreSQL, the image's own scripts, a real API server.

In each test a client writes all the time, led by the labels as the Service leads it. Nothing that was acknowledged may
be lost. How long it could not write is printed; docs/failover.md has the bounds, and the real cluster shows them.
"""

import contextlib
import json
import logging
import secrets
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator

import psycopg2
import pytest
import yaml

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import postgres, stores
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.patroni import Member, Members, Writer, execute, running_members
from chatcluster_testing.specs import body, inputs_maker

GAVE_UP = "release: gave up the lock of a Patroni that is dead"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    cluster = ChatCluster.from_body(body("{version: '1.0', postgres: {members: 3}}"))
    inputs = inputs_maker()(cluster)
    url = stores.access(cluster, inputs, "postgres", "user").secrets["chat_database_url"]
    with (
        running(tmp_path_factory.mktemp("control-plane")) as plane,
        running_members(plane, cluster, inputs, url) as members,
    ):
        yield members


@pytest.fixture(autouse=True)
def settled(members: Members) -> None:
    """Each test begins with three members in step."""
    members.settle()


def test_a_killed_one_is_replaced_and_comes_back_as_a_copy(members: Members) -> None:
    old = members.leader
    with Writer(members) as writer:
        old.kill()
        until(lambda: members.lock() not in {"", old.name}, "another to lead, while the killed one stays away", 60)
        writer.goes_on()
        old.spawn()
        members.settle()
        writer.goes_on()
    note("killed", writer)
    assert GAVE_UP in old.log
    assert members.leader is not old
    writer.check()


def test_one_whose_guard_is_killed_with_it_gives_up_the_lock_before_patroni_starts(members: Members) -> None:
    old = members.leader
    with Writer(members) as writer:
        old.kill_pod()
        before = old.log.count(GAVE_UP)
        old.spawn(guard=False)
        until(lambda: members.lock() not in {"", old.name}, "another to lead", 60)
        writer.goes_on()
        old.spawn_guard()
        members.settle()
        writer.goes_on()
    note("killed with its guard", writer)
    assert old.log.count(GAVE_UP) == before + 1
    assert members.leader is not old
    writer.check()


def test_whoever_asks_how_all_are_makes_no_second_leader(members: Members) -> None:
    acquired = "promoted self to leader by acquiring session lock"

    def count() -> int:
        return sum(member.log.count(acquired) for member in members.members)

    for _ in range(3):
        old, before = members.leader, count()
        with asked_all_the_while(members.others(old)):
            # Both wait for the word of the one that hangs, and so decide at the same moment.
            old.hang(signal.SIGSTOP)
            members.unlock()
            until(lambda old=old: members.lock() not in {"", old.name}, "another to lead", 60)
            old.hang(signal.SIGCONT)
            members.settle()
        assert count() == before + 1


@contextlib.contextmanager
def asked_all_the_while(asked: list[Member]) -> Iterator[None]:
    """Somebody asks these members' Patroni about all of them, again and again."""
    end = threading.Event()

    def ask(member: Member) -> None:
        while not end.is_set():
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{member.rest_port}/cluster", timeout=5) as answer,
            ):
                answer.read()

    askers = [threading.Thread(target=ask, args=(member,)) for member in asked for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        end.set()
        for asker in askers:
            asker.join()


def test_one_that_is_not_started_again_is_replaced_by_the_word_of_its_kubelet(members: Members) -> None:
    old = members.leader
    with Writer(members) as writer:
        old.kill_pod()
        members.say_ended(old)
        until(lambda: members.lock() not in {"", old.name}, "another to lead", 60)
        writer.goes_on()
        members.say_running(old)
        old.spawn()
        members.settle()
        writer.goes_on()
    note("killed and not started again", writer)
    buried = f"watchdog: gave up the lock of {old.name}, whose container has ended"
    assert any(buried in member.log for member in members.members)
    writer.check()


def test_one_that_is_to_go_hands_over_first_and_comes_back_with_other_settings(members: Members) -> None:
    old = members.leader
    with Writer(members) as writer:
        old.stop()
        assert members.leader is not old
        writer.goes_on()
        settings = json.loads((old.folder / "config/settings.json").read_text())
        settings["postgresql"]["parameters"]["max_connections"] += 7
        (old.folder / "config/settings.json").write_text(json.dumps(settings))
        old.spawn()
        members.settle()
        writer.goes_on()
    note("handed over", writer)
    assert old.ask(members.url, "SHOW max_connections") == str(settings["postgresql"]["parameters"]["max_connections"])
    writer.check()


def test_one_that_is_cut_off_acknowledges_nothing_is_not_led_to_and_rejoins(members: Members) -> None:
    """Its Patroni hears and says nothing, and so cannot stop its PostgreSQL: the worst that a lost node can do."""
    old = members.leader
    with Writer(members) as writer, contextlib.closing(old.connect(members.url)) as connection:
        old.hang(signal.SIGSTOP)
        until(lambda: members.lock() not in {"", old.name}, "another to lead", 90)
        until(lambda: members.leaders() and old not in members.leaders(), "nobody to be led to the old one")
        writer.goes_on()
        with pytest.raises(psycopg2.OperationalError):
            # It is in its log, so that the two have come apart; but nobody is told that it is there to stay.
            execute(connection, "INSERT INTO numbers VALUES (-1)")
        until(lambda: "watchdog: Patroni has not looked" in old.log, "the watchdog to stop a PostgreSQL left alone")
        old.hang(signal.SIGCONT)
        members.settle()
        writer.goes_on()
    note("cut off", writer)
    assert members.leader is not old
    writer.check()
    assert old.ask(members.url, "SELECT count(*) FROM numbers WHERE n < 0") == 0


def test_without_the_api_server_a_leader_goes_on_while_it_reaches_all_members(members: Members) -> None:
    old, other = members.leader, members.others(members.leader)[0]
    with Writer(members) as writer, contextlib.closing(old.connect(members.url)) as connection:
        members.plane.hang(signal.SIGSTOP)
        run_out = time.monotonic() + postgres.TTL
        try:
            until(
                lambda: time.monotonic() > run_out and on_their_word(old),
                "it to lead although its lock has run out",
                60,
            )
            writer.goes_on()
            execute(connection, "SELECT 1")
            other.kill()
            # The others might elect one, for all that it knows.
            until(lambda: not leads(old, members.url), "it to lead no more without one of them", 120)
        finally:
            members.plane.hang(signal.SIGCONT)
        other.spawn()
        members.settle()
        writer.goes_on()
    note("without the API server and a member", writer)
    writer.check()


def on_their_word(member: Member) -> bool:
    """Whether its Patroni leads because all others have said that they elect nobody."""
    with urllib.request.urlopen(f"http://127.0.0.1:{member.rest_port}/patroni", timeout=10) as answer:
        return json.load(answer).get("failsafe_mode_is_active", False)


def leads(member: Member, url: str) -> bool:
    """Whether it takes writes."""
    try:
        return member.ask(url, "SELECT pg_is_in_recovery()") is False
    except psycopg2.OperationalError:
        return False


def test_passwords_are_replaced_and_copies_go_on(members: Members) -> None:
    """Members hear of a new password in any order, and each is told of it once the leader takes it.

    A copy stays connected by the old one; whoever connects anew has the new one by then, or has it before long.
    """
    leader = members.leader
    early, late = members.others(leader)
    changed = yaml.safe_load((leader.folder / "config/secrets.yml").read_text())
    password = secrets.token_hex(16)
    changed["postgresql"]["authentication"]["replication"]["password"] = password

    def hear(member: Member) -> None:
        (member.folder / "config/secrets.yml").write_text(yaml.safe_dump(changed))

    def known(member: Member) -> bool:
        return password in (member.folder / "pgpass").read_text()

    before = receiver(early)
    hear(early)
    until(lambda: "roles: not yet" in early.log, "the copy to find that its password is not good yet")
    assert not known(early)
    hear(leader)
    until(lambda: known(early), "the copy to be told of its new password", 60)
    assert receiver(early) == before, "its connection was left alone"
    leader.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    until(lambda: receiver(early) not in {"", before}, "the copy to connect with its new password", 60)
    assert receiver(late) == "", "the old password is good no more"
    hear(late)
    until(lambda: receiver(late), "the other copy to connect once it has heard of the new password", 60)


def receiver(member: Member) -> str:
    """The process that copies from the leader now; empty: there is none."""
    return member.administer("SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming'")


def note(what: str, writer: Writer) -> None:
    """For whoever reads the log."""
    logging.getLogger(__name__).info("%s: %.1f s without a write", what, writer.gap)
