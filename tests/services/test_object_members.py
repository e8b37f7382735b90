"""Three members of SeaweedFS by the image's own start script: one may be lost at any moment, and no file with it.

The settings are the operator's: the peers' certificate and keys are made as the operator makes them.
"""

import contextlib
import io
import logging
import random
import threading
import time
from collections.abc import Iterator

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error

from chatcluster_operator.desired import generate
from chatcluster_operator.desired.objects import peer_files
from chatcluster_testing.postgres import running_postgres
from chatcluster_testing.process import wait_until
from chatcluster_testing.s3_members import BUCKET, Member, Members, running_members

pytestmark = pytest.mark.timeout(600)
REFUSED = (S3Error, urllib3.exceptions.HTTPError, OSError)


@pytest.fixture(scope="module")
def members() -> Iterator[Members]:
    peer = peer_files(generate(None, random.Random(0).randbytes))
    with running_postgres() as postgres, running_members(postgres, peer, env={"CHAT_REPAIR_MINUTES": "1"}) as found:
        yield found


class Writer:
    """Somebody who puts files by whichever member answers, again and again until one takes it, and knows what was
    taken: from then on each member must know of it.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.taken: list[str] = []
        self.longest = 0.0
        """Seconds between two files taken, at most."""

    def __enter__(self) -> "Writer":
        self._thread.start()
        self.await_more(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def await_more(self, count: int) -> None:
        wanted = len(self.taken) + count
        wait_until(lambda: len(self.taken) >= wanted, f"{count} more files to be taken", timeout=120)

    def tell(self, what: str) -> None:
        """Into the test's report: no noisy machine fails a test by its seconds."""
        logging.getLogger(__name__).warning("leader %s: gap in writes %.1f s", what, self.longest)

    def _run(self) -> None:
        last, number = time.monotonic(), 0
        while not self._over.is_set():
            key = f"files/{id(self)}/{number}"
            for client in self._clients():
                with contextlib.suppress(*REFUSED):
                    client.put_object(BUCKET, key, io.BytesIO(content(key)), len(content(key)))
                    self.taken.append(key)
                    now = time.monotonic()
                    self.longest, last, number = max(self.longest, now - last), now, number + 1
                    break
            time.sleep(0.05)

    def _clients(self) -> list[Minio]:
        running = [member.client for member in self._members.members if member.running]
        return random.sample(running, len(running))


def content(key: str) -> bytes:
    return key.encode() * 1000


def missing(keys: list[str], member: Member) -> list[str]:
    """Of acknowledged files those that a member does not have, each asked for until it gets an answer."""
    client, gone = member.client, []
    for key in keys:
        for _ in range(60):
            try:
                with client.get_object(BUCKET, key) as answer:
                    if answer.read() != content(key):
                        gone.append(key)
                break
            except S3Error as error:
                if (error.code or "").startswith("NoSuch"):
                    gone.append(key)
                    break
                time.sleep(0.5)
            except (urllib3.exceptions.HTTPError, OSError):
                time.sleep(0.5)
        else:
            gone.append(key)
    return gone


def short_of_copies(members: Members) -> list[int]:
    """Volumes of which there are fewer than two copies, as the master that leads knows."""
    found: dict[int, int] = {}
    volumes = members.master("/vol/status")["Volumes"]
    for racks in volumes["DataCenters"].values():  # type: ignore[index, attr-defined]
        for nodes in racks.values():
            for held in nodes.values():
                for volume in held or []:
                    found[volume["Id"]] = found.get(volume["Id"], 0) + 1
    return [volume for volume, copies in found.items() if copies < 2]


def back(member: Member) -> None:
    member.spawn()
    member.await_ready()


def test_files_are_known_to_all_members_as_soon_as_they_are_acknowledged(members: Members) -> None:
    with Writer(members) as writer:
        writer.await_more(20)
    assert [missing(writer.taken, member) for member in members.members] == [[], [], []]
    assert short_of_copies(members) == []


def test_a_killed_leader_loses_no_file_and_writes_go_on(members: Members) -> None:
    with Writer(members) as writer:
        leader = members.leader
        leader.kill()
        writer.await_more(10)
        others = [member for member in members.members if member is not leader]
        assert members.leader in others
        assert [missing(writer.taken, member) for member in others] == [[], []]
        back(leader)
        writer.await_more(10)
    writer.tell("killed")
    assert missing(writer.taken, leader) == []


def test_a_member_that_is_told_to_end_is_missed_by_nobody(members: Members) -> None:
    with Writer(members) as writer:
        leader = members.leader
        leader.stop()
        writer.await_more(10)
        back(leader)
        writer.await_more(10)
    writer.tell("told to end")
    assert [missing(writer.taken, member) for member in members.members] == [[], [], []]


def test_a_member_that_lost_its_disk_gets_its_copies_back(members: Members) -> None:
    with Writer(members) as writer:
        writer.await_more(10)
        lost = next(member for member in members.members if member is not members.leader)
        lost.kill()
        lost.throw_away()
        back(lost)
        wait_until(lambda: not short_of_copies(members), "two copies of every volume again", timeout=300)
    assert [missing(writer.taken, member) for member in members.members] == [[], [], []]


def test_nobody_gets_in_without_the_certificate_and_the_key(members: Members) -> None:
    member = members.members[0]
    http = urllib3.PoolManager(timeout=5, retries=False)
    filer = f"http://{member.host}:{member.ports['FILER']}/buckets/{BUCKET}/"
    assert http.request("GET", filer).status == 401
    assert http.request("POST", f"{filer}intruder", fields={"file": ("intruder", b"x")}).status == 401
    assigned = members.master("/dir/assign?collection=intruders&replication=010")
    volume = f"http://{assigned['url']}/{assigned['fid']}"
    assert http.request("POST", volume, fields={"file": ("intruder", b"x")}).status == 401
