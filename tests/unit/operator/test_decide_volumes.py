"""Volumes that grow: which claims are asked, when the template follows, and what is said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.decide import Facts, Snapshot
from chatcluster_operator.decide.conditions.volumes import volumes_have_room, volumes_sized
from chatcluster_operator.decide.members import Course, Member, StoreView
from chatcluster_operator.decide.members.facts import mark_of
from chatcluster_operator.decide.volumes import Claim, Growth, growth, larger

CLASSES = {"growing": True, "fixed": False}
ZERO = Claim("data-demo-kafka-0", "kafka", "u0", "1", "10Gi", "10Gi", "growing")
ONE = replace(ZERO, name="data-demo-kafka-1", uid="u1")


def grow(present: str | None = "10Gi", wanted="20Gi", claims=(ZERO, ONE), **changes) -> Growth:
    return growth("kafka", present, wanted, claims, CLASSES, **changes)


def sized(claim: Claim, asked: str, has: str) -> Claim:
    return replace(claim, asked=asked, has=has)


@pytest.mark.parametrize(("present", "wanted"), [("10Gi", "10Gi"), ("10Gi", "10240Mi"), ("10Gi", "5Gi")])
def test_what_is_large_enough_stays_without_a_look_at_its_claims(present, wanted):
    found = grow(present, wanted, None)
    assert (found.template, found.expand, found.waits, found.problem) == (present, (), "", "")
    assert found.kept == (wanted == "5Gi")


@pytest.mark.parametrize(
    ("claims", "made"),
    [
        ((), "20Gi"),
        ((ZERO, sized(ONE, "20Gi", "20Gi")), "10Gi"),
        ((sized(ZERO, "20Gi", "12Gi"),), "12Gi"),
        ((sized(ZERO, "20Gi", ""),), "20Gi"),
        ((sized(ZERO, "30Gi", "30Gi"),), "20Gi"),
    ],
)
def test_a_new_template_takes_up_the_volumes_that_there_are(claims, made):
    found = grow(present=None, claims=claims)
    assert (found.template, found.expand, found.waits, found.problem) == (made, (), "", "")


def test_claims_are_read_before_anything_is_done():
    found = grow(claims=None)
    assert (found.template, found.expand) == ("10Gi", ())
    assert found.waits


def test_every_claim_that_is_too_small_is_asked_for_more():
    assert grow().expand == (ZERO, ONE)
    bigger = sized(ONE, "30Gi", "30Gi")
    assert grow(claims=(ZERO, bigger)).expand == (ZERO,), "one that somebody made larger stays so"
    asked = sized(ZERO, "20Gi", "10Gi")
    assert grow(claims=(asked, ONE)).expand == (ONE,)


@pytest.mark.parametrize("has", ["10Gi", "19Gi", ""])
def test_the_template_follows_once_every_volume_has_grown(has):
    waiting = grow(claims=(sized(ZERO, "20Gi", "20Gi"), sized(ONE, "20Gi", has)))
    assert (waiting.template, waiting.expand) == ("10Gi", ())
    assert ONE.name in waiting.waits
    done = grow(claims=(sized(ZERO, "20Gi", "20Gi"), sized(ONE, "20Gi", "20.5Gi")))
    assert (done.template, done.waits, done.problem) == ("20Gi", "", "")


def test_without_a_claim_the_template_alone_is_raised():
    assert grow(claims=()).template == "20Gi"


def test_what_its_controllers_say_is_told():
    assert "out of quota" in grow(claims=(replace(ZERO, asked="20Gi", said="out of quota"),)).waits


def test_a_class_that_does_not_let_volumes_grow_is_named_with_the_remedy():
    found = grow(claims=(replace(ZERO, storage_class="fixed"), ONE))
    assert (found.template, found.expand, found.waits) == ("10Gi", (), "")
    assert "StorageClass fixed" in found.problem
    assert "allowVolumeExpansion" in found.problem


def test_of_a_class_that_may_not_be_seen_the_api_server_is_asked_by_trying():
    assert grow(claims=(replace(ZERO, storage_class="unseen"),)).expand


def test_asleep_nothing_grows():
    found = grow(asleep=True)
    assert (found.template, found.expand) == ("10Gi", ())
    assert "awake" in found.problem


SIZES = st.integers(1, 40).map(lambda number: f"{number}Gi")
CLAIMS = st.lists(
    st.builds(Claim, st.sampled_from("abc"), st.just("kafka"), st.just("u"), st.just("1"), SIZES, SIZES | st.just("")),
    max_size=4,
)


@given(SIZES, SIZES, st.none() | CLAIMS, st.booleans())
def test_nothing_ever_shrinks_and_the_template_is_never_ahead(present, wanted, claims, asleep):
    found = growth("kafka", present, wanted, claims, {}, asleep=asleep)
    assert not larger(present, found.template)
    assert all(larger(wanted, claim.asked) for claim in found.expand)
    if found.template != present:
        assert all(claim.has and not larger(found.template, claim.has) for claim in claims or ())
    assert [bool(found.waits), bool(found.problem), found.template == max(present, wanted, key=_number)].count(
        True
    ) == 1


def _number(size: str) -> int:
    return int(size.removesuffix("Gi"))


@pytest.mark.parametrize(
    ("growths", "refused", "reason", "holds"),
    [
        ([], {}, None, None),
        ([grow("10Gi", "10Gi")], {}, "AsWanted", True),
        ([grow("10Gi", "5Gi")], {}, "Kept", True),
        ([grow()], {}, "Growing", False),
        ([grow(), grow(claims=(replace(ZERO, storage_class="fixed"),))], {}, "ExpansionUnsupported", False),
        ([grow()], {"kafka": "exceeded quota"}, "ExpansionRefused", False),
    ],
)
def test_the_condition_says_where_volumes_stand(chatcluster, growths, refused, reason, holds):
    facts = Facts(
        cluster=chatcluster(),
        components=[],
        snapshot=Snapshot(),
        url="",
        now="2026-01-01T00:00:00Z",
        growths={f"{item.store}{index}": item for index, item in enumerate(growths)},
        growths_refused=refused,
    )
    verdict = volumes_sized(facts)
    assert (verdict and verdict.reason, verdict and verdict.holds) == (reason, holds)
    if verdict is not None:
        assert verdict.message.endswith(".")
        assert not verdict.holds or not verdict.problem


@pytest.mark.parametrize(
    ("full", "reason", "holds"),
    [
        ([None, None], None, None),
        ([0, None], "Room", True),
        ([0, 80], "FillingUp", False),
        ([90, 80], "NearlyFull", False),
    ],
)
def test_a_volume_that_fills_is_told_before_it_is_full(chatcluster, full, reason, holds):
    members = tuple(Member(f"demo-kafka-{ordinal}", full=mark) for ordinal, mark in enumerate(full))
    stores = {"kafka": Course(2, StoreView("kafka", members)), "redis": Course(3)}
    facts = Facts(chatcluster(), [], Snapshot(), "", "2026-01-01T00:00:00Z", stores=stores)
    verdict = volumes_have_room(facts)
    assert (verdict and verdict.reason, verdict and verdict.holds) == (reason, holds)
    if verdict is not None and not verdict.holds:
        assert "spec.kafka.storage.size" in verdict.message
        assert verdict.problem


@pytest.mark.parametrize(("used", "mark"), [(0, 0), (79.9, 0), (80, 80), (89, 80), (90, 90), (100, 90)])
def test_how_full_a_volume_is_is_told_coarsely(used, mark):
    assert mark_of(used) == mark
