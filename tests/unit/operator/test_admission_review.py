"""What the webhook refuses and what it warns of, by table."""

from collections.abc import Callable
from typing import Any

import pytest

from chatcluster_operator.admission.review import Answer, Shared, World, review
from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide import Key, Missing

UNKNOWN = Missing("ReleaseUnknown", "spec.version is '9', which the image catalogue does not have")
NO_SECRET = Missing("SecretNotFound", "spec.redis.external.secretName names a Secret that is not there")

Make = Callable[..., ChatCluster]


def judged(cluster: ChatCluster, before: ChatCluster | None = None, **world: Any) -> Answer:
    return review(cluster, before, World(**world))


def test_nothing_to_say(chatcluster: Make) -> None:
    assert judged(chatcluster()) == Answer()


def test_a_release_without_images_is_refused_when_it_is_chosen(chatcluster: Make) -> None:
    before, after = chatcluster({"version": "8"}), chatcluster({"version": "9"})
    assert judged(after, None, missing=(UNKNOWN,)).problems == (UNKNOWN.message,)
    assert judged(after, before, missing=(UNKNOWN,)).problems == (UNKNOWN.message,)
    # One that ran before the catalogue lost it keeps nobody from changing the rest.
    paused = chatcluster({"version": "9", "paused": True})
    assert judged(paused, after, missing=(UNKNOWN,)) == Answer(warnings=(UNKNOWN.message,))


def test_what_may_yet_come_is_a_warning(chatcluster: Make) -> None:
    shared = Shared("spec.redis.external.secretName", "my-redis", "other")
    answer = judged(chatcluster(), missing=(NO_SECRET,), shared=(shared,))
    assert answer.problems == ()
    assert answer.warnings[0] == NO_SECRET.message
    assert "'other' uses too" in answer.warnings[1]


def test_a_name_that_is_taken_is_refused_with_the_remedy(chatcluster: Make) -> None:
    (problem,) = judged(chatcluster(), taken=(Key("Service", "demo-redis"),)).problems
    assert problem.startswith("Service demo-redis exists")
    assert "choose another metadata.name" in problem


@pytest.mark.parametrize(
    ("running", "wanted", "warned"),
    [
        ("1.10.0", "1.9.0", True),
        ("v2.0", "1.9", True),
        ("1.9.0", "1.10.0", False),
        ("1.9.0", "1.9.0", False),
        ("dev", "1.0", False),
        (None, "1.0", False),
    ],
)
def test_going_back_is_a_warning(chatcluster: Make, running: str | None, wanted: str, warned: bool) -> None:
    cluster = chatcluster({"version": wanted}).model_copy(update={"status": {"version": running}})
    assert any("goes back" in warning for warning in judged(cluster).warnings) is warned


def test_fewer_replicas_than_the_capacity_needs_is_a_warning(chatcluster: Make) -> None:
    capacity = {"concurrentUsers": 100_000}
    assert judged(chatcluster({"version": "1", "capacity": capacity})) == Answer()
    spec = {"version": "1", "capacity": capacity, "services": {"message": {"replicas": 1}}, "edge": {"replicas": 1}}
    warnings = judged(chatcluster(spec)).warnings
    assert [warning.split()[0] for warning in warnings] == ["spec.services.message", "spec.edge"]


@pytest.mark.parametrize(("made", "refused"), [(True, True), (False, False)])
def test_a_single_object_store_cannot_become_several(chatcluster: Make, made: bool, refused: bool) -> None:
    inventory = [{"kind": "StatefulSet", "name": "demo-objects"}] if made else []
    cluster = chatcluster({"version": "1", "objects": {"members": 3}})
    cluster = cluster.model_copy(update={"status": {"inventory": inventory}})
    before = chatcluster({"version": "1"})
    assert any("objects.members" in problem for problem in judged(cluster, before).problems) is refused
