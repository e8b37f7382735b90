"""What is applied and what is deleted, by table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.decide import (
    Applied,
    Apply,
    Child,
    Delete,
    Key,
    Missing,
    Plan,
    Pod,
    Reason,
    Replace,
    Snapshot,
    plan,
)
from chatcluster_operator.decide.plan import key_of, outlines

UID = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
KEY = Key("ConfigMap", "demo-edge")
LABEL = "app.kubernetes.io/component"


def manifest(key: Key = KEY, component: str = "edge", **body: Any) -> dict[str, Any]:
    return {"kind": key.kind, "metadata": {"name": key.name, "labels": {LABEL: component}}, **body}


def child(**changes: Any) -> Child:
    known = {"uid": "c", "version": 7, "controller": UID, "instance": "demo", "fields": "ours"}
    return Child(**{**known, **changes})


def decide(snapshot: Snapshot, *manifests: dict[str, Any], **more: Any) -> Plan:
    whole = {key_of(item): item for item in manifests}
    return plan(uid=UID, name="demo", wanted=outlines(manifests), manifest=whole.__getitem__, snapshot=snapshot, **more)


[(_, DIGEST, _)] = outlines([manifest()])


@pytest.mark.parametrize(
    ("live", "applied", "reason"),
    [
        (None, None, Reason.CREATE),
        (None, Applied(DIGEST, "ours"), Reason.DRIFT),
        (child(), None, Reason.VERIFY),
        (child(), Applied(DIGEST, "ours"), None),
        (child(), Applied("older manifest", "ours"), Reason.CHANGE),
        (child(fields="fewer"), Applied(DIGEST, "ours"), Reason.DRIFT),
        (child(fields=""), Applied(DIGEST, "ours"), Reason.DRIFT),
        (child(deleting=True), Applied("older manifest", "ours"), None),
        (child(version=8), Applied(DIGEST, "ours"), None),
        (child(controller=None), Applied(DIGEST, "ours"), None),
    ],
)
def test_one_object(live: Child | None, applied: Applied | None, reason: Reason | None) -> None:
    snapshot = Snapshot(children={KEY: live} if live else {}, applied={KEY: applied} if applied else {})
    steps = decide(snapshot, manifest()).steps
    assert [step.reason for step in steps if isinstance(step, Apply)] == ([reason] if reason else [])
    assert all(isinstance(step, Apply) and step.known is (live is not None) for step in steps)


def test_what_leaves_is_waited_for() -> None:
    assert decide(Snapshot(children={KEY: child(deleting=True)}), manifest()) == Plan(leaving=(KEY,))


@pytest.mark.parametrize(
    ("live", "immutable", "keep", "replaced"),
    [
        (child(), {KEY: DIGEST}, [], True),
        # It was another manifest that the server refused.
        (child(), {KEY: "older manifest"}, [], False),
        (None, {KEY: DIGEST}, [], False),
        (child(deleting=True), {KEY: DIGEST}, [], False),
        (child(controller=OTHER), {KEY: DIGEST}, [], False),
        # What must not be lost is not deleted for anything.
        (child(), {KEY: DIGEST}, [KEY], False),
    ],
)
def test_what_cannot_change_is_made_anew(
    live: Child | None, immutable: dict[Key, str], keep: list[Key], replaced: bool
) -> None:
    snapshot = Snapshot(children={KEY: live} if live else {})
    steps = decide(snapshot, manifest(), immutable=immutable, keep=keep).steps
    assert (steps == (Replace(KEY, "c"),)) is replaced


def test_only_what_a_statefulset_runs_outlives_it() -> None:
    assert Replace(Key("StatefulSet", "demo-postgres"), "c").orphan
    assert not Replace(Key("Service", "demo-postgres"), "c").orphan


@pytest.mark.parametrize("live", [child(controller=OTHER), child(controller=None, instance="another")])
def test_an_object_of_somebody_else_is_left_alone_and_named(live: Child) -> None:
    assert decide(Snapshot(children={KEY: live}), manifest()) == Plan(taken=(KEY,))


@pytest.mark.parametrize(
    ("live", "deleted"),
    [
        (child(), True),
        (child(controller=None), False),
        (child(controller=OTHER), False),
        (child(fields=""), False),
        (child(deleting=True), False),
    ],
)
def test_only_what_is_ours_and_made_by_us_is_pruned(live: Child, deleted: bool) -> None:
    assert decide(Snapshot(children={KEY: live})).steps == ((Delete(KEY, "c"),) if deleted else ())


def test_what_only_the_inventory_knows_is_looked_at_before_deletion() -> None:
    lost = Key("Service", "demo-old")
    assert decide(Snapshot(), inventory=[lost, KEY], keep=[KEY]).steps == (Delete(lost, None),)


def test_what_is_kept_is_never_pruned() -> None:
    assert decide(Snapshot(children={KEY: child()}), keep=[KEY]).steps == ()


def test_a_store_without_its_storage_class_is_held_and_the_others_are_not() -> None:
    store, other = Key("StatefulSet", "demo-postgres"), Key("StatefulSet", "demo-redis")
    manifests = [manifest(store, "postgres"), manifest(other, "redis"), manifest()]
    missing = (Missing("StorageClassNotFound", "no such class", component="postgres"),)
    result = decide(Snapshot(missing=missing), *manifests)
    assert result.held == (store,)
    assert {step.key for step in result.steps} == {other, KEY}
    # One that runs already is kept as the spec says, whatever became of the class.
    running = decide(Snapshot(children={store: child()}, missing=missing), *manifests)
    assert running.held == ()
    assert store in {step.key for step in running.steps}


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_applying_a_plan_leaves_nothing_to_do(wanted: set[str], existing: set[str]) -> None:
    manifests = [manifest(Key("ConfigMap", name)) for name in sorted(wanted)]
    children = {Key("ConfigMap", name): child(uid=name) for name in existing}
    applied: dict[Key, Applied] = {}
    for step in decide(Snapshot(children=children), *manifests).steps:
        if isinstance(step, Apply):
            children[step.key] = child(uid=step.key.name)
            applied[step.key] = Applied(step.digest, "ours")
        else:
            del children[step.key]
    assert {key.name for key in children} == wanted
    assert decide(Snapshot(children=children, applied=applied), *manifests).steps == ()


STORE = Key("StatefulSet", "demo-postgres")


@pytest.mark.parametrize(
    ("pods", "steps", "awake"),
    [({"message": 1}, 0, (STORE,)), ({"postgres": 1}, 1, ()), ({}, 1, ())],
)
def test_stores_go_to_sleep_after_those_who_use_them(pods: dict[str, int], steps: int, awake: tuple[Key, ...]) -> None:
    snapshot = Snapshot(
        children={STORE: child()},
        applied={STORE: Applied("awake", "ours")},
        pods={Key("Pod", f"demo-{name}-0"): Pod("p", 1, name) for name in pods},
    )
    decision = decide(snapshot, manifest(STORE, "postgres"), hibernating=True)
    assert len(decision.steps) == steps
    assert decision.awake == awake


def test_stores_wake_at_once() -> None:
    snapshot = Snapshot(children={STORE: child()}, pods={Key("Pod", "demo-message-0"): Pod("p", 1, "message")})
    assert len(decide(snapshot, manifest(STORE, "postgres")).steps) == 1
