"""An API server that is away, busy, slow or forgetful, and watches that go deaf: the operator comes through."""

import itertools
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_testing.control_plane import ControlPlane, until
from chatcluster_testing.faulty_api import Call, Cut, Fault, FaultyApi, Lost, Refuse, Slow, faulty
from chatcluster_testing.operator import Operator, Room, new_room


class Scene(NamedTuple):
    """An operator that leads and reaches the API server through a proxy, and a ChatCluster of its own to look after."""

    operator: Operator
    api: FaultyApi
    room: Room

    def health(self, path: str) -> tuple[int, str]:
        """Status and text of one of its health checks."""
        try:
            with urllib.request.urlopen(f"{self.operator.url}{path}", timeout=5) as response:  # noqa: S310 http
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(scope="module")
def behind_proxy(
    plane: ControlPlane, operator: Operator, start_operator: Callable[..., Operator]
) -> Iterator[tuple[Operator, FaultyApi]]:
    """An operator behind a proxy, in the place of the shared one."""
    operator.program.stop()
    try:
        with faulty(plane) as api:
            started = start_operator("operator-faulty", server=api.url)
            until(lambda: started.leading, "the operator to lead", 60)
            yield started, api
            api.heal()
            assert started.program.stop() == 0
    finally:
        operator.program.start()
        until(lambda: operator.leading, "the shared operator to lead again", 60)


@pytest.fixture
def scene(plane: ControlPlane, behind_proxy: tuple[Operator, FaultyApi]) -> Iterator[Scene]:
    """The operator through faults, which are over when the test is."""
    operator, api = behind_proxy
    pid = operator.program.pid
    with new_room(plane) as room:
        yield Scene(operator, api, room)
    api.heal()
    assert operator.program.pid == pid
    until(lambda: operator.leading, "the operator to lead", 60)


def first(count: int, fault: Fault, when: Callable[[Call], bool]) -> Callable[[Call], Fault | None]:
    """A fault for the first so many calls of a kind."""
    left = itertools.count(count, -1)
    return lambda call: fault if when(call) and next(left) > 0 else None


def edge_replicas(room: Room) -> int:
    """What the edge's Deployment asks for."""
    return (room.child("Deployment", "demo-edge") or {})["spec"]["replicas"]


def test_throttled_it_waits_for_as_long_as_it_is_told(scene: Scene) -> None:
    refused: dict[str, float] = {}
    too_early: list[str] = []

    def busy(call: Call) -> Fault | None:
        if not call.writes:
            return None
        when = refused.get(call.path)
        if when is not None:
            too_early.extend([call.path] if time.monotonic() - when < 1.0 else [])
            return None
        refused[call.path] = time.monotonic()
        return Refuse(429, "TooManyRequests", {"Retry-After": "1"})

    scene.api.fault = busy
    scene.room.create()
    until(scene.room.settled, "everything applied", 60)
    assert len(refused) > 20
    assert too_early == []
    assert scene.operator.metric("chatcluster_operator_api_calls_total", status="429") >= len(refused)


def test_conflicts_are_tried_again(scene: Scene) -> None:
    """The API server answers so, too, when others wrote at the same moment: nothing is to be concluded from it."""
    scene.api.fault = first(3, Refuse(409, "Conflict"), lambda call: call.path.endswith("/status"))
    scene.room.create()
    until(scene.room.settled, "everything applied and said", 60)


def test_answers_that_are_lost_leave_nothing_twice(scene: Scene) -> None:
    """Every object is written once without the operator's hearing of it."""
    lost: Counter[tuple[str, str]] = Counter()

    def first_of_each(call: Call) -> Fault | None:
        lost[call.method, call.path] += 1
        return Lost() if call.writes and lost[call.method, call.path] == 1 else None

    scene.api.fault = first_of_each
    scene.room.create()
    until(scene.room.settled, "everything applied", 90)
    before = scene.room.contents()
    scene.api.heal()
    scene.room.change({"spec": {"edge": {"replicas": 3}}})
    until(lambda: edge_replicas(scene.room) == 3, "the change applied", 60)
    until(scene.room.settled, "everything applied again", 60)
    changed = {key for key, item in scene.room.contents().items() if item != before.get(key)}
    assert {kind for kind, _ in changed} <= {"Deployment", "PodDisruptionBudget"}, (
        "passwords and keys stay as they were"
    )


def test_a_slow_server_is_waited_for(scene: Scene) -> None:
    scene.api.fault = lambda _: Slow(0.1)
    scene.room.create()
    until(scene.room.settled, "everything applied", 90)


def test_a_change_during_an_outage_is_applied_after_it(scene: Scene) -> None:
    scene.room.create()
    until(scene.room.settled, "everything applied", 60)
    scene.api.fault = lambda _: Cut()
    scene.api.cut()
    scene.room.change({"spec": {"edge": {"replicas": 3}}})
    scene.room.api.delete(KINDS["Service"].path(scene.room.namespace, "demo-user"))
    until(lambda: scene.health("/readyz")[0] == 503, "it to say so", 60)
    assert "the API server has not answered" in scene.health("/readyz")[1]
    assert scene.health("/livez")[0] == 200, "to start again would help nobody"
    assert not scene.operator.leading
    scene.api.heal()
    until(
        lambda: (scene.room.child("Deployment", "demo-edge") or {})["spec"]["replicas"] == 3, "the change applied", 60
    )
    until(lambda: scene.room.child("Service", "demo-user"), "the Service put back", 60)
    until(lambda: scene.health("/readyz")[0] == 200, "it to be ready", 60)


def test_watches_whose_version_is_gone_begin_anew(scene: Scene) -> None:
    scene.room.create()
    until(scene.room.settled, "everything applied", 60)
    before = scene.operator.metric("chatcluster_operator_relists_total")
    told: set[str] = set()

    def expired(call: Call) -> Fault | None:
        if not call.watch or call.path in told:
            return None
        told.add(call.path)
        return Refuse(410, "Expired")

    scene.api.fault = expired
    scene.api.cut()
    scene.room.api.delete(KINDS["Service"].path(scene.room.namespace, "demo-user"))
    scene.room.change({"spec": {"edge": {"replicas": 3}}})
    until(lambda: scene.room.child("Service", "demo-user"), "the Service put back", 60)
    until(
        lambda: (scene.room.child("Deployment", "demo-edge") or {})["spec"]["replicas"] == 3, "the change applied", 60
    )
    until(lambda: scene.operator.metric("chatcluster_operator_relists_total") >= before + len(told), "fresh lists", 60)


def test_a_deaf_watch_is_found_by_the_canary_and_mended(scene: Scene) -> None:
    """The connection stands, and nothing comes: a change of the operator's own that does not return tells."""
    scene.room.create()
    until(scene.room.settled, "everything applied", 60)
    deaf_before = scene.operator.metric("chatcluster_operator_deaf_watches_total", kind="ConfigMap")
    begun: set[int] = set()
    config_maps = KINDS["ConfigMap"].path()
    # Deaf until the operator asks for another stream.
    scene.api.deaf = lambda call: call.path == config_maps and not begun
    scene.api.fault = lambda call: begun.add(1) if call.watch and call.path == config_maps else None
    scene.room.api.delete(KINDS["ConfigMap"].path(scene.room.namespace, "demo-jwks"))
    until(lambda: scene.room.child("ConfigMap", "demo-jwks"), "the ConfigMap put back", 90)
    assert scene.operator.metric("chatcluster_operator_deaf_watches_total", kind="ConfigMap") == deaf_before + 1
    assert scene.health("/livez")[0] == 200


def test_a_refused_watch_of_chatclusters_ends_nothing(scene: Scene) -> None:
    """Errors other than 410, over and over: the process goes on, and sees what it missed when they are over."""
    clusters = CHATCLUSTER.path()
    refused = itertools.count()
    scene.api.fault = lambda call: Refuse(500, "InternalError") if call.path == clusters and next(refused) < 6 else None
    scene.api.cut()
    scene.room.create()
    until(scene.room.settled, "everything applied", 90)
    assert next(refused) > 6
