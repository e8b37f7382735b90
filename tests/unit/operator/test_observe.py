"""What is kept of objects, and when a worker is woken by them."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.decide import Child, Key
from chatcluster_operator.kube import Client
from chatcluster_operator.observe import (
    Backoff,
    Cache,
    CatalogueError,
    Observer,
    Owner,
    child_of,
    fields_digest,
    pod_of,
)
from chatcluster_operator.observe.informer import Listing
from chatcluster_operator.observe.observer import parse_catalogue

OWNER = Owner("chat", "demo")
KEY = Key("Service", "demo-user")


def entry(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"manager": "chatcluster-operator", "operation": "Apply", "fieldsV1": fields, **changes}


def body(*managed: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {"name": "demo-user", "namespace": "chat", "uid": "c", "resourceVersion": "7", "generation": 2}
    return {"metadata": {**metadata, "managedFields": list(managed)}, **more}


OURS = entry({"f:spec": {"f:replicas": {}}})


@pytest.mark.parametrize(
    ("managed", "same"),
    [
        ([OURS], True),
        ([{**OURS, "time": "2026-01-01T00:00:00Z"}], True),
        ([entry({"f:metadata": {"f:labels": {}}}, manager="kubectl-label"), OURS], True),
        ([entry({"f:status": {}}, subresource="status"), OURS], True),
        ([entry({"f:spec": {}})], False),
        ([entry({"f:spec": {"f:replicas": {}}}, operation="Update")], False),
        ([], False),
    ],
)
def test_the_digest_changes_only_with_the_fields_that_are_ours(managed: list[dict[str, Any]], same: bool) -> None:
    assert (fields_digest(body(*managed)) == fields_digest(body(OURS))) is same


@pytest.mark.parametrize(
    ("status", "available", "rolled_out"),
    [
        ({}, False, False),
        ({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 3}, True, True),
        ({"observedGeneration": 2, "readyReplicas": 2, "updatedReplicas": 3}, True, False),
        ({"observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 3}, False, False),
        ({"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 3}, True, False),
        (
            {"observedGeneration": 2, "readyReplicas": 3, "conditions": [{"type": "Available", "status": "False"}]},
            False,
            False,
        ),
    ],
)
def test_workloads(status: dict[str, Any], available: bool, rolled_out: bool) -> None:
    workload = child_of(body(spec={"replicas": 3}, status=status), "StatefulSet").workload
    assert workload is not None
    assert (workload.available, workload.rolled_out) == (available, rolled_out)


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "service", "image": "x:1", **state}]}


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        ({}, "", ""),
        (container(ready=True, state={"running": {}}), "", ""),
        (container(state={"waiting": {"reason": "ContainerCreating"}}), "", ""),
        (container(state={"waiting": {"reason": "ErrImagePull"}}), "ImagePullFailed", "image x:1 cannot be fetched"),
        (
            container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}),
            "ConfigurationMissing",
            "no secret",
        ),
        (
            container(
                restartCount=1,
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"exitCode": 3}},
            ),
            "CrashLooping",
            "exit code 3",
        ),
        # Between two crashes it runs for a moment; what is told must not flicker.
        (
            container(restartCount=4, ready=False, state={"running": {}}, lastState={"terminated": {"exitCode": 3}}),
            "CrashLooping",
            "kubectl logs -n chat demo-user -c service --previous",
        ),
        (container(restartCount=9, ready=True, lastState={"terminated": {"exitCode": 3}}), "", ""),
        (
            {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}]},
            "Unschedulable",
            "0/3 nodes",
        ),
    ],
)
def test_what_keeps_a_pod_from_running(status: dict[str, Any], reason: str, says: str) -> None:
    pod = pod_of(body(status=status))
    assert pod.reason == reason
    assert says in pod.message


def child(**changes: Any) -> Child:
    known = {"uid": "c", "version": 7, "controller": "u", "instance": "demo", "fields": "ours"}
    return Child(**{**known, **changes})


@pytest.mark.parametrize(
    ("second", "woken", "kept"),
    [
        (child(version=8), 0, child(version=8)),
        (child(version=8, fields="fewer"), 1, child(version=8, fields="fewer")),
        (child(version=6, fields="older"), 0, child()),
        (child(uid="another", version=3), 1, child(uid="another", version=3)),
    ],
)
def test_a_worker_is_woken_only_by_what_could_change_a_decision(second: Child, woken: int, kept: Child) -> None:
    wakes: list[Owner] = []
    cache = Cache(wakes.append)
    cache.put_child(OWNER, KEY, child())
    wakes.clear()
    cache.put_child(OWNER, KEY, second)
    assert len(wakes) == woken
    assert cache.children(OWNER) == {KEY: kept}


def test_a_secret_that_another_has_changed_wakes_although_no_field_of_it_is_ours() -> None:
    wakes: list[Owner] = []
    cache = Cache(wakes.append)
    key = Key("Secret", "demo-edge-issued")
    cache.put_child(OWNER, key, child(fields="", version=7))
    cache.put_child(OWNER, key, child(fields="", version=8))
    assert len(wakes) == 2


def test_a_late_deletion_does_not_remove_the_successor() -> None:
    cache = Cache(lambda _: None)
    cache.put_child(OWNER, KEY, child(uid="new", version=9))
    cache.remove(OWNER, KEY, uid="old")
    assert KEY in cache.children(OWNER)
    cache.remove(OWNER, KEY, uid="new")
    assert cache.versions("Service") == []


@given(st.integers(min_value=1, max_value=40))
def test_back_off_grows_to_its_cap_and_no_further(tries: int) -> None:
    backoff = Backoff(first=0.5, cap=8.0)
    delays = [backoff.next() for _ in range(tries)]
    assert all(0.25 <= delay <= 8.0 for delay in delays)
    assert delays[-1] <= 0.5 * 2 ** (tries - 1)
    backoff.reset()
    assert backoff.next() <= 0.5


def test_the_catalogue_is_read_or_refused_by_release() -> None:
    assert parse_catalogue({"1.0": "gateway: a:1\nuser: b:2\n"}) == {"1.0": {"gateway": "a:1", "user": "b:2"}}
    for text in ("- a", "", "a: ["):
        with pytest.raises(CatalogueError, match=r"'1\.0'"):
            parse_catalogue({"1.0": text})


class Silent:
    """A client that was last answered so many seconds ago."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def silence(self) -> float:
        return self._seconds


@pytest.mark.parametrize(("server", "deaf"), [(1.0, True), (60.0, False)])
def test_a_watch_is_deaf_only_where_the_server_speaks(
    server: float, deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an API server every watch is silent, and starting again would mend none."""
    monkeypatch.setattr("chatcluster_operator.observe.observer.DEAF_SECONDS", -1.0)
    observer = Observer(
        cast(Client, Silent(server)),
        namespace="system",
        watched=["a", "b"],
        seen=print,
        gone=print,
        changed=print,
        catalogue_changed=print,
        apis_changed=print,
    )
    assert ("ChatCluster" in observer.deaf()) is deaf


@pytest.mark.parametrize(
    ("listing", "gone"),
    [
        (Listing(None, 10, {("chat", "other")}), True),
        (Listing(None, 10, {("chat", "demo")}), False),
        (Listing("elsewhere", 10, set()), False),
        (Listing("chat", 10, set()), True),
        (Listing(None, 6, set()), False),
    ],
)
def test_what_a_list_lacks_is_gone_unless_it_is_younger(listing: Listing, gone: bool) -> None:
    assert listing.lacks("chat", "demo", 7) is gone
