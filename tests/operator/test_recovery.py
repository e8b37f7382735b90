"""A new ChatCluster from a backup, against a real API server; what Jobs and stores do is played."""

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.api import SERVICES
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_operator.kube.kinds import CHATBACKUP, CLAIM
from chatcluster_testing.control_plane import ApiRefusalError, ControlPlane, running, until
from chatcluster_testing.crash import Assassin
from chatcluster_testing.faulty_api import faulty
from chatcluster_testing.operator import Room, apply_install, new_room, operator_process
from chatcluster_testing.restoring import ID, SOURCE, Restore
from chatcluster_testing.rollouts import end_job, end_jobs

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def restore(room: Room, plane: ControlPlane, tmp_path: Path) -> Restore:
    """One that has not begun."""
    return Restore(room, plane, tmp_path)


def message(room: Any, kind: str = "Restored") -> str:
    """What a condition says."""
    return room.condition(kind).get("message", "")


def test_keys_then_postgres_then_the_rest_and_nobody_is_let_in_before(restore: Restore, room: Room) -> None:
    restore.begin()
    until(lambda: room.child("Job", "demo-recovery-find"), "the first Job", 60)
    assert not restore.made
    assert room.condition("Ready")["reason"] == "Restoring"
    keys = restore.find()
    postgres = until(lambda: room.child("StatefulSet", "demo-postgres"), "PostgreSQL", 60)
    assert keys.items() <= restore.credentials().items(), "the backup's keys were there first"
    assert postgres["spec"]["replicas"] == 1
    others = {f"demo-{name}" for name in ("postgres", "mongodb", "redis", "kafka")}
    until(lambda: restore.made == others, "the other stores, without files", 60)
    until(lambda: not room.child("Secret", "demo-recovery-keys"), "the keys to be in one place alone", 60)

    restore.ready("postgres")
    until(lambda: (room.child("StatefulSet", "demo-postgres") or {})["spec"]["replicas"] == 3, "all its members", 60)
    until(lambda: room.child("StatefulSet", "demo-objects"), "the object store", 60)
    assert not room.child("Job", "demo-recovery-fill"), "stores are not ready yet"
    restore.fill()
    until(lambda: {f"demo-{name}" for name in SERVICES} <= restore.made, "the services", 60)
    until(lambda: not room.child("Job", "demo-recovery-fill"), "what was for the restore to be gone", 60)
    end_jobs(room)
    room.run_everything()
    until(lambda: room.condition("Ready").get("status") == "True", "Ready", 60)
    assert restore.status["source"]["backupId"] == ID
    assert "everything is here that was acknowledged before 2026-11-23T04:26:00Z" in message(room)
    assert room.events("Restored")
    before = room.versions()
    room.change({"metadata": {"annotations": {"look": "again"}}})
    until(room.settled, "another look", 60)
    assert room.versions() == before


def test_a_failed_step_says_what_to_do_and_goes_on_when_that_is_done(restore: Restore, room: Room) -> None:
    restore.begin()
    job = until(lambda: room.child("Job", "demo-recovery-find"), "the first Job", 60)
    end_job(room, job, failed="Job has reached the specified backoff limit")
    until(lambda: room.condition("Restored").get("reason") == "RecoveryFailed", "the condition", 60)
    assert "kubectl delete job demo-recovery-find" in message(room)
    until(lambda: room.events("RecoveryFailed"), "the event", 30)
    room.api.delete(KINDS["Job"].path(room.namespace, "demo-recovery-find"))

    def another() -> bool:
        found = room.child("Job", "demo-recovery-find")
        return found is not None and found["metadata"]["uid"] != job["metadata"]["uid"]

    until(another, "another Job", 60)
    restore.find()
    restore.phase("Postgres")


def test_a_release_older_than_the_backup_is_refused_until_it_is_another(restore: Restore, room: Room) -> None:
    restore.begin()
    restore.find(release="99.0")
    until(lambda: room.condition("Restored").get("reason") == "RecoveryRefused", "the condition", 60)
    assert f"spec.version {install.RELEASE} is older" in message(room)
    assert not restore.made


def test_volumes_of_an_earlier_one_are_not_written_over(restore: Restore, room: Room) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "data-demo-postgres-0",
            "labels": {
                "app.kubernetes.io/name": "chatcluster",
                "app.kubernetes.io/instance": "demo",
                "app.kubernetes.io/component": "postgres",
            },
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    room.api.create(CLAIM.path(room.namespace), claim)
    restore.begin()
    until(lambda: room.condition("Restored").get("reason") == "RecoveryRefused", "the condition", 60)
    assert "data-demo-postgres-0" in message(room)
    assert not room.child("Job", "demo-recovery-find")


def test_a_chatbackup_is_waited_for_and_says_where_its_backup_lies(restore: Restore, room: Room) -> None:
    """Its ChatCluster is gone; that of the same name is another one."""
    body = {"apiVersion": CHATBACKUP.api_version, "kind": CHATBACKUP.name, "metadata": {"name": "early"}}
    room.api.create(CHATBACKUP.path(room.namespace), {**body, "spec": {"clusterName": "lost"}})
    restore.begin({"bootstrap": {"recovery": {"backup": {"name": "early"}}}})
    until(lambda: room.condition("Restored").get("reason") == "BackupNotFound", "the condition", 60)
    assert "to be complete; it is Pending" in message(room)
    # What the operator says of it comes first, else it would say it over what follows.
    path = CHATBACKUP.path(room.namespace, "early")
    until(lambda: (room.api.get(path) or {}).get("status", {}).get("conditions"), "what is said of it", 60)
    whole = {"phase": "Completed", "id": ID, "source": {**SOURCE, "backupId": ID}}
    room.api.merge(f"{path}/status", {"status": whole})
    job = until(lambda: room.child("Job", "demo-recovery-find"), "the Job that finds it", 60)
    given = {item["name"]: item.get("value") for item in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (given["CHAT_BACKUP_BACKUP"], given["CHAT_BACKUP_PATH"]) == (ID, SOURCE["path"])
    until(lambda: restore.status.get("source", {}).get("backupId") == ID, "the status", 60)


def test_what_it_begins_with_cannot_change(restore: Restore, room: Room) -> None:
    restore.begin()
    for change in (None, {"recovery": {"source": {**SOURCE, "path": "another"}}}):
        with pytest.raises(ApiRefusalError, match="cannot be added, changed or removed"):
            room.change({"spec": {"bootstrap": change}})
    room.create(name="other")
    with pytest.raises(ApiRefusalError, match="cannot be added, changed or removed"):
        room.change({"spec": {"bootstrap": {"recovery": {"source": SOURCE}}}}, name="other")
    assert room.api.get(CHATCLUSTER.path(room.namespace, "other"))


def test_an_operator_killed_in_each_phase_begins_nothing_twice(tmp_path: Path) -> None:
    with running(tmp_path) as plane, faulty(plane) as api, new_room(plane) as room:
        apply_install(plane.api)
        token = plane.service_account_token(install.NAMESPACE, install.NAME)
        operator = operator_process(plane, "operator", token, server=api.url)
        operator.program.start()
        over, revived = threading.Event(), list[threading.Event]()
        avengers: list[threading.Thread] = []

        def lie_in_wait() -> None:
            """The operator dies at one of its next writes, and another one starts."""
            for event in revived:
                assert event.wait(120), "a phase in which nothing was written"
            assassin, done = Assassin(operator, api), threading.Event()
            assassin.at_write(random.randint(1, 6), heard=random.random() < 0.5)

            def revive() -> None:
                assassin.done.wait(240)
                api.heal()
                operator.program.kill()
                operator.program.start()
                done.set()
                # A program ends with the thread that started it.
                over.wait(600)

            revived.append(done)
            avengers.append(threading.Thread(target=revive))
            avengers[-1].start()

        restore = Restore(room, plane, tmp_path)
        try:
            until(lambda: operator.leading, "the operator to lead", 60)
            keys = restore.run(each=lie_in_wait)
        except AssertionError as error:
            raise AssertionError(f"{error}; the operator's log ends:\n{operator.program.log[-4000:]}") from None
        finally:
            over.set()
            for thread in avengers:
                thread.join()
            operator.program.kill()
        assert [event.is_set() for event in revived] == [True] * 3
        assert keys.items() <= restore.credentials().items()
        generation = (room.child("StatefulSet", "demo-postgres") or {})["metadata"]["generation"]
        assert generation == 2, "it was made once, and changed once when it was restored"
