"""Volumes that grow: which claims are asked, when the template follows, and what is said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.decide import Facts, Key, Pod, Snapshot
from chatcluster_operator.decide.conditions.volumes import volumes_have_room, volumes_sized
from chatcluster_operator.decide.members import Course, Member, StoreView
from chatcluster_operator.decide.room import MARKS, STEP, percent, told
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
    ("heard", "reason", "says"),
    [
        ({}, None, ""),
        ({"demo-kafka-0": 79}, "Room", "less than 80 %"),
        ({"demo-kafka-0": 79, "demo-redis-0": 80}, "FillingUp", "demo-redis-0 is 80 % full; raise spec.redis.storage"),
        ({"demo-kafka-0": 91, "demo-redis-0": 80}, "NearlyFull", "raise spec.kafka.storage.size, spec.redis.storage"),
        ({"demo-kafka-0": 100}, "Full", "demo-kafka-0 is full, and its store refuses writes"),
    ],
)
def test_a_volume_that_fills_is_told_before_it_is_full(chatcluster, heard, reason, says):
    pods = {Key("Pod", f"demo-{store}-0"): Pod("p", 1, store) for store in ("kafka", "redis")}
    facts = Facts(chatcluster(), [], Snapshot(pods=pods), "", "2026-01-01T00:00:00Z", room=heard)
    verdict = volumes_have_room(facts)
    assert (verdict and verdict.reason) == reason
    assert facts.volumes == heard
    if verdict is not None:
        assert says in verdict.message
        assert verdict.problem is not verdict.holds


def test_a_member_that_knows_it_itself_is_believed_as_the_program_beside_it_is(chatcluster):
    members = (Member("demo-mongodb-0", full=85), Member("demo-mongodb-1"))
    stores = {"mongodb": Course(2, StoreView("mongodb", members)), "redis": Course(3)}
    facts = Facts(chatcluster(), [], Snapshot(), "", "2026-01-01T00:00:00Z", stores=stores, room={"demo-kafka-0": 3})
    assert facts.volumes == {"demo-mongodb-0": 85, "demo-kafka-0": 3}


@pytest.mark.parametrize(
    ("size", "free", "full", "figure"),
    [
        (1000, 1000, False, 0),
        (1000, 999, False, 1),
        (1000, 500, False, 50),
        (1000, 0, False, 99),
        (1000, 49, True, 100),
    ],
)
def test_how_full_a_volume_is(size, free, full, figure):
    assert percent(size, free, full=full) == figure


FIGURES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 100))


@given(before=FIGURES, heard=FIGURES, there=st.sets(st.sampled_from("abc")))
def test_what_is_told_is_near_enough_and_quiet(before, heard, there):
    after = told(before, heard, there)
    assert after.keys() == heard.keys() | (before.keys() & there)
    for name, figure in after.items():
        if name in heard:
            assert abs(figure - heard[name]) < STEP
            assert not any(figure < mark <= heard[name] for mark in MARKS), "a mark that is reached is told at once"
        else:
            assert figure == before[name]
    assert told(after, heard, there | heard.keys()) == after, "the same once more changes nothing"
