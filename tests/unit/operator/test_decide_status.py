"""Conditions and events, by table."""

from typing import Any

import pytest

from chatcluster_operator.api import ChatCluster, InventoryItem
from chatcluster_operator.decide import (
    Child,
    Delete,
    Facts,
    Failure,
    Key,
    Missing,
    Notice,
    Plan,
    Pod,
    Replace,
    Snapshot,
    Workload,
    differs,
    notices,
    refused,
    report,
)
from chatcluster_operator.decide.certificates import CertificateFacts, Source
from chatcluster_operator.decide.conditions import PARTS, STATES, TYPES, judge
from chatcluster_operator.decide.members import Course, Member, StoreView
from chatcluster_operator.decide.operations import Wait
from chatcluster_operator.decide.protection import Protection
from chatcluster_operator.decide.recovery import Restoration
from chatcluster_operator.decide.volumes import Growth
from chatcluster_operator.desired import Component, WorkloadKind
from chatcluster_operator.desired.sizing import sizing

COMPONENTS = [
    Component("postgres", WorkloadKind.STATEFUL_SET, "demo-postgres", 1),
    Component("gateway", WorkloadKind.DEPLOYMENT, "demo-gateway", 2),
    Component("edge", WorkloadKind.DEPLOYMENT, "demo-edge", 2),
]
RUNNING = Workload(wanted=2, ready=2, updated=2, current=True, available=True)
STARTING = Workload(wanted=2, ready=0, updated=2, current=True, available=False)
ROLLING = Workload(wanted=2, ready=2, updated=1, current=True, available=True)
EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def cluster(status: dict[str, Any] | None = None, generation: int = 3, **spec: Any) -> ChatCluster:
    metadata = {"name": "demo", "namespace": "chat", "uid": "u", "generation": generation}
    return ChatCluster.from_body({"metadata": metadata, "spec": {"version": "1.0", **spec}, "status": status or {}})


def world(missing: tuple[Missing, ...] = (), pods: dict[Key, Pod] | None = None, **workloads: Workload) -> Snapshot:
    children = {
        Key(item.kind.value, item.workload): Child("c", 1, "u", "demo", "f", workload=workloads.get(item.name, RUNNING))
        for item in COMPONENTS
    }
    return Snapshot(children=children, pods=pods or {}, missing=missing)


def status_of(
    snapshot: Snapshot, previous: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    known: dict[str, Any] = {"release": "1.0", "now": NOW, "url": "http://demo-edge.chat", **more}
    return report(Facts(cluster(previous, **(spec or {})), COMPONENTS, snapshot, **known))


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


WELL = {
    "Ready": ("True", "Ready"),
    "Progressing": ("False", "Settled"),
    "ConfigurationValid": ("True", "Valid"),
    "Applied": ("True", "UpToDate"),
    "StoresReady": ("True", "Ready"),
    "ServicesReady": ("True", "Ready"),
    "EdgeReady": ("True", "Ready"),
    "Upgrading": ("False", "Settled"),
    "SchemaMigrated": ("False", "Waiting"),
    "Restarting": ("False", "Settled"),
    "Rotating": ("False", "Settled"),
    "Paused": ("False", "Active"),
    "Hibernated": ("False", "Awake"),
}
NO_SECRET = Missing("SecretNotFound", "spec.redis.external.secretName names a Secret that does not exist; create it")
PULL = Pod("p", 1, "gateway", "ImagePullFailed", "image x:1 cannot be fetched; correct it")


@pytest.mark.parametrize(
    ("snapshot", "more", "changed"),
    [
        (world(), {}, {}),
        (
            world(gateway=STARTING),
            {},
            {
                "Ready": ("False", "Starting"),
                "ServicesReady": ("False", "Starting"),
                "Progressing": ("True", "RollingOut"),
            },
        ),
        (world(gateway=ROLLING), {}, {"Progressing": ("True", "RollingOut")}),
        (
            world(missing=(NO_SECRET,)),
            {},
            {"Ready": ("False", "SecretNotFound"), "ConfigurationValid": ("False", "SecretNotFound")},
        ),
        (
            world(pods={Key("Pod", "demo-gateway-0"): PULL}, gateway=STARTING),
            {},
            {
                "Ready": ("False", "ImagePullFailed"),
                "ServicesReady": ("False", "ImagePullFailed"),
                "Progressing": ("True", "RollingOut"),
            },
        ),
        # A replica in trouble while enough others serve is not the platform's trouble.
        (world(pods={Key("Pod", "demo-gateway-0"): PULL}), {}, {}),
        (
            world(),
            {"plan": Plan(taken=(Key("Service", "demo-redis"),))},
            {"Ready": ("False", "NameTaken"), "Applied": ("False", "NameTaken")},
        ),
        (
            world(),
            {"failures": [Failure(Key("Service", "demo-redis"), "ApplyFailed", "refused")]},
            {"Ready": ("False", "ApplyFailed"), "Applied": ("False", "ApplyFailed")},
        ),
        (
            world(missing=(NO_SECRET,)),
            {"plan": Plan(held=(Key("StatefulSet", "demo-postgres"),))},
            {
                "Ready": ("False", "SecretNotFound"),
                "ConfigurationValid": ("False", "SecretNotFound"),
                "Applied": ("False", "Waiting"),
                "Progressing": ("False", "Waiting"),
            },
        ),
    ],
)
def test_conditions(snapshot: Snapshot, more: dict[str, Any], changed: dict[str, tuple[str, str]]) -> None:
    assert conditions(status_of(snapshot, **more)) == {**WELL, **changed}


def test_the_message_of_ready_is_that_of_the_problem_a_person_must_mend() -> None:
    status = status_of(world(missing=(NO_SECRET,), postgres=STARTING))
    assert status["conditions"][0]["message"] == NO_SECRET.message


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    before = status_of(world(gateway=STARTING), now=EARLIER)
    after = status_of(world(), previous=before)
    times = {item["type"]: item["lastTransitionTime"] for item in after["conditions"]}
    assert times["Ready"] == times["ServicesReady"] == NOW
    assert times["StoresReady"] == EARLIER
    assert {item["observedGeneration"] for item in after["conditions"]} == {3}


def test_the_version_is_told_once_all_of_it_runs() -> None:
    assert status_of(world(gateway=ROLLING), previous={"version": "0.9"})["version"] == "0.9"
    assert status_of(world(), previous={"version": "0.9"})["version"] == "1.0"
    assert status_of(world(), previous={"version": "0.9"}, release="0.9")["version"] == "0.9"


def test_a_spec_that_cannot_be_read_keeps_what_was_known() -> None:
    before = status_of(world(), now=EARLIER)
    after = refused(before, generation=4, problems={"spec.edge.replicas": "must be at least 1"}, now=NOW)
    assert conditions(after) == {
        **WELL,
        "Ready": ("False", "InvalidSpec"),
        "ConfigurationValid": ("False", "InvalidSpec"),
    }
    assert "spec.edge.replicas: must be at least 1" in after["conditions"][0]["message"]
    assert after["components"] == before["components"]


def test_conditions_of_others_do_not_make_the_status_differ() -> None:
    ours = status_of(world())
    theirs = {"type": "Audited", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": NOW}
    live = {**ours, "conditions": [theirs, *reversed(ours["conditions"])]}
    assert not differs(live, ours)
    assert differs({**live, "url": "http://elsewhere"}, ours)
    assert differs({}, ours)


def test_a_condition_that_is_no_longer_told_goes() -> None:
    ours = status_of(world())
    stale = {"type": "CertificateReady", "status": "True", "reason": "Valid", "message": "", "lastTransitionTime": NOW}
    assert differs({**ours, "conditions": [*ours["conditions"], stale]}, ours)


def test_an_invalid_spec_leaves_conditions_of_others_to_them() -> None:
    theirs = {"type": "Audited", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": NOW}
    before = status_of(world())
    live = {**before, "conditions": [*before["conditions"], theirs]}
    after = refused(live, generation=4, problems={"spec.version": "is wrong"}, now=NOW)
    assert {item["type"] for item in after["conditions"]} == {item["type"] for item in before["conditions"]}


def test_each_aspect_speaks_of_the_condition_under_which_it_is_listed() -> None:
    certificate = CertificateFacts(Source.SECRET, "mine")
    spec = {"capacity": {"concurrentUsers": 10_000}, "edge": {"tls": {"secretName": "mine"}}}
    components = [*COMPONENTS, Component("message", WorkloadKind.DEPLOYMENT, "demo-message", 2)]
    stores = {"redis": Course(3, StoreView("redis", (Member("demo-redis-0"),)))}
    facts = Facts(
        cluster(None, **spec),
        components,
        world(),
        "https://demo-edge.chat",
        NOW,
        certificate=certificate,
        stores=stores,
        growths={"redis": Growth("redis", "1Gi", "1Gi", "1Gi")},
        room={"demo-redis-0": 5},
        protection=Protection(holds=True, reason="BackedUp", message="x"),
        recovery=Restoration(wait=Wait("Restoring", "x")),
    )
    aspects = {**PARTS, **STATES}
    told = {name: verdict.type for name, aspect in aspects.items() if (verdict := aspect(facts))}
    assert told == {name: name for name in aspects}
    assert {verdict.type for verdict in judge(facts)} == TYPES


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, status_of(world(gateway=STARTING)), []),
        (status_of(world(gateway=STARTING)), status_of(world()), [Notice(False, "Ready", "Every component is ready.")]),
        (
            status_of(world()),
            status_of(world(missing=(NO_SECRET,))),
            [Notice(True, "SecretNotFound", NO_SECRET.message)],
        ),
        (status_of(world(missing=(NO_SECRET,))), status_of(world(missing=(NO_SECRET,))), []),
        (
            status_of(world(missing=(NO_SECRET,))),
            status_of(world()),
            [
                Notice(False, "Ready", "Every component is ready."),
                Notice(False, "Recovered", "The spec is valid and all it refers to exists."),
            ],
        ),
    ],
)
def test_events(before: dict[str, Any], after: dict[str, Any], told: list[Notice]) -> None:
    assert notices(before, after) == told


def test_a_rotation_tells_no_more_than_what_is_so() -> None:
    [told] = notices({"rotated": {"keys": 1}}, {"rotated": {"keys": 1, "passwords": 2}})
    assert (told.warning, told.reason) == (False, "Rotated")
    assert "nothing uses the old ones any more" in told.message
    assert "refused as soon as the kubelet" in told.message, "stores may accept the old ones for a while yet"


ASLEEP = Workload(wanted=0, ready=0, updated=0, current=True, available=False)
POD = Pod("p", 1, "message")


def test_a_hibernated_chatcluster_says_so_and_is_not_ready() -> None:
    world_asleep = world(postgres=ASLEEP, gateway=ASLEEP, edge=ASLEEP)
    found = conditions(status_of(world_asleep, spec={"hibernated": True}))
    assert found["Hibernated"] == ("True", "Asleep")
    assert found["Ready"] == found["StoresReady"] == found["ServicesReady"] == ("False", "Hibernated")
    assert found["Progressing"] == ("False", "Settled")


def test_falling_asleep_takes_until_the_last_pod_has_ended() -> None:
    status = status_of(world(pods={Key("Pod", "demo-message-0"): POD}), spec={"hibernated": True})
    found = conditions(status)
    assert found["Hibernated"] == ("False", "Hibernating")
    assert found["Progressing"] == ("True", "Hibernating")
    assert "message" in next(item["message"] for item in status["conditions"] if item["type"] == "Progressing")


def test_a_paused_chatcluster_says_what_waits() -> None:
    waiting = Plan(steps=(Delete(Key("Service", "demo-old"), "u"),))
    status = status_of(world(), spec={"paused": True}, plan=waiting)
    (paused,) = [item for item in status["conditions"] if item["type"] == "Paused"]
    assert (paused["status"], paused["reason"]) == ("True", "Paused")
    assert "Service demo-old" in paused["message"]
    assert conditions(status)["Ready"] == ("True", "Ready")


STORE = Workload(wanted=1, ready=1, updated=1, current=True, available=True, storage="8Gi")


def derived(status: dict[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    return {(item["component"], item["what"]): item for item in status["capacity"]["figures"]}


def test_capacity_says_what_was_derived_and_why() -> None:
    spec = {"capacity": {"concurrentUsers": 50_000}, "services": {"gateway": {"replicas": 9}}}
    figures = derived(status_of(world(), spec=spec))
    assert figures["edge", "replicas"]["why"]
    assert ("gateway", "replicas") not in figures, "set in the spec"
    assert not [key for key in figures if key[0] == "redis"], "not managed here"
    assert "capacity" not in status_of(world())


def test_a_volume_smaller_than_derived_is_told_of() -> None:
    figures = derived(status_of(world(postgres=STORE), spec={"capacity": {"concurrentUsers": 50_000}}))
    assert figures["postgres", "volume"]["value"] == "8Gi"
    assert "the condition VolumesSized" in figures["postgres", "volume"]["why"]


@pytest.mark.parametrize(
    ("spec", "apis", "expected"),
    [
        ({}, frozenset[str](), None),
        ({"capacity": {"concurrentUsers": 10}}, frozenset[str](), None),
        ({"services": {"message": {"replicas": 3}}}, frozenset({"ScaledObject"}), None),
        (
            {"services": {"message": {"autoscaling": {"targetConnections": 99}}}},
            frozenset[str](),
            ("False", "KedaMissing"),
        ),
        (
            {"services": {"message": {"autoscaling": {"targetConnections": 99}}}},
            frozenset({"ScaledObject"}),
            ("True", "KedaScales"),
        ),
    ],
)
def test_scaling_on_sockets(spec: dict[str, Any], apis: frozenset[str], expected: tuple[str, str] | None) -> None:
    message = Component("message", WorkloadKind.DEPLOYMENT, "demo-message", 2)
    components = COMPONENTS if "capacity" in spec else [*COMPONENTS, message]
    facts = Facts(cluster(**spec), components, world(), url="http://demo-edge.chat", now=NOW, release="1.0", apis=apis)
    assert conditions(report(facts)).get("ScalesOnSockets") == expected


@pytest.mark.parametrize(
    ("snapshot", "more", "state"),
    [
        (world(), {}, ("Ready", None)),
        (world(gateway=ROLLING), {}, ("RollingOut", None)),
        (world(gateway=STARTING), {}, ("Starting", None)),
        (world(pods={Key("Pod", "demo-gateway-0"): PULL}, gateway=ROLLING), {}, ("ImagePullFailed", PULL.message)),
        (
            world(),
            {"failures": [Failure(Key("Deployment", "demo-gateway"), "ApplyFailed", "refused")]},
            ("ApplyFailed", "refused"),
        ),
        (world(), {"spec": {"hibernated": True}}, ("Hibernated", None)),
    ],
)
def test_a_component_says_how_it_is(snapshot: Snapshot, more: dict[str, Any], state: tuple[str, str | None]) -> None:
    (gateway,) = [item for item in status_of(snapshot, **more)["components"] if item["name"] == "gateway"]
    assert (gateway["reason"], gateway.get("message")) == state
    assert gateway["wanted"] == 2


def test_sockets_are_told_when_their_number_has_changed() -> None:
    before = status_of(world(), sockets={"message": 100, "presence": 90})
    assert before["connections"] == {"message": 100, "presence": 90}
    assert not differs(before, status_of(world(), before, sockets={"message": 103, "presence": 92}))
    assert status_of(world(), before, sockets={"message": 120})["connections"] == {"message": 120}
    assert "connections" not in status_of(world(), before)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan(leaving=(Key("Service", "demo-redis"),)), "BeingDeleted"),
        (Plan(steps=(Replace(Key("Service", "demo-redis"), "u"),)), "Replacing"),
    ],
)
def test_what_is_made_anew_is_not_applied_yet(plan: Plan, reason: str) -> None:
    assert conditions(status_of(world(), plan=plan))["Applied"] == ("False", reason)


def stores(leader: str = "a", *, lost: bool = False, **operation: Any) -> dict[str, Any]:
    member = {"name": "b", "state": "Unreachable", **({"lostSince": 1} if lost else {})}
    known = {"what": "Replace", "member": "b", "started": 5, **operation}
    return {"stores": {"redis": {"leader": leader, "members": [member], **({"operation": known} if operation else {})}}}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, stores(), []),
        (stores(), stores("b"), [Notice(False, "LeaderChanged", "redis: b leads, before it did a.")]),
        (stores(""), stores("b"), []),
        (
            stores(),
            stores(lost=True),
            [Notice(True, "MemberLost", "redis: the node of b is lost; see the condition StoresRedundant.")],
        ),
        (stores(lost=True), stores(lost=True), []),
        (stores(), stores(phase="Running"), [Notice(False, "ReplaceBegun", "redis: replace b begun.")]),
        (stores(phase="Running"), stores(phase="Running", message="waits"), []),
        (stores(phase="Running"), stores(phase="Done"), [Notice(False, "ReplaceDone", "redis: replace b done.")]),
        (
            stores(phase="Done"),
            stores(phase="Failed", started=6, message="a leads"),
            [Notice(True, "ReplaceFailed", "redis: replace b failed: a leads.")],
        ),
    ],
)
def test_events_of_stores(before: dict[str, Any], after: dict[str, Any], told: list[Notice]) -> None:
    assert notices(before, after) == told


def test_a_store_made_with_several_members_is_told_from_the_status_that_first_lists_it() -> None:
    """Else the next look would take it for one that was made with a single member."""
    spec: dict[str, Any] = {"postgres": {"members": 3}, "objects": {"members": 3}}
    items = [Component(name, WorkloadKind.STATEFUL_SET, f"demo-{name}", 3) for name in ("postgres", "objects")]
    listed = [InventoryItem(api_version="apps/v1", kind="StatefulSet", name="demo-objects")]
    status = report(Facts(cluster(None, **spec), items, world(), release="1.0", now=NOW, url="", inventory=listed))
    assert {name: store["size"] for name, store in status["stores"].items()} == {"objects": 3}
    again = cluster(status, **spec)
    assert sizing(again)["objects"].replicas.value == 3
    made_with_one = cluster({"inventory": status["inventory"]}, **spec)
    assert sizing(made_with_one)["objects"].replicas.value == 1
