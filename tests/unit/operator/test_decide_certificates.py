"""When certificates and authorities are renewed: a table, and decades of random time against what must always hold."""

import itertools
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.decide.certificates import CertificateFacts, Renewal, Source, renew
from chatcluster_operator.decide.conditions.certificate import certificate_ready
from chatcluster_operator.decide.snapshot import Child, Key, Snapshot
from chatcluster_operator.desired.tls import AUTHORITY_DAYS, DAY, LEAF_DAYS, Certificate

NOW = 1_800_000_000
NAMES = frozenset({"chat.example.com"})


def authority(name: str, *, age: int, left: int | None = None) -> Certificate:
    """One that was made `age` days ago and lasts `left` more."""
    left = AUTHORITY_DAYS - age if left is None else left
    return Certificate(frozenset(), NOW - age * DAY, NOW + left * DAY, name, name)


def leaf(by: str = "a", *, left: float = 60, names: frozenset[str] = NAMES, starts: float = -30) -> Certificate:
    return Certificate(names, NOW + int(starts * DAY), NOW + int(left * DAY), "leaf", by)


def decide(authorities: list[Certificate], current: Certificate | None) -> Renewal:
    return renew(now=NOW, names=NAMES, authorities=authorities, leaf=current)


@pytest.mark.parametrize(
    ("why", "authorities", "current", "expected"),
    [
        ("nothing yet", [], None, ((), True, True, None, 60)),
        ("settled", [authority("a", age=100)], leaf(), (("a",), False, False, None, 30)),
        ("first certificate of a young authority", [authority("a", age=0)], None, (("a",), False, True, "a", 60)),
        ("nearing its end", [authority("a", age=100)], leaf(left=30), (("a",), False, True, "a", 60)),
        ("a day before", [authority("a", age=100)], leaf(left=31), (("a",), False, False, None, 1)),
        ("other names", [authority("a", age=9)], leaf(names=frozenset({"x"})), (("a",), False, True, "a", 60)),
        ("not valid yet", [authority("a", age=9)], leaf(starts=1), (("a",), False, True, "a", 60)),
        ("signed by a stranger", [authority("a", age=100)], leaf("x"), (("a",), False, True, "a", 60)),
        ("authority in its last year", [authority("a", age=3300)], leaf(), (("a",), True, False, None, 30)),
        (
            "the new authority is not known well enough to sign",
            [authority("a", age=3300), authority("b", age=29)],
            leaf(left=10),
            (("b", "a"), False, True, "a", 60),
        ),
        (
            "now it is",
            [authority("a", age=3300), authority("b", age=30)],
            leaf(left=10),
            (("b", "a"), False, True, "b", 60),
        ),
        (
            "the old one would end before what it signs",
            [authority("a", age=3600, left=50), authority("b", age=3)],
            leaf(left=10),
            (("b", "a"), False, True, "b", 50),
        ),
        ("the operator was away for years", [authority("a", age=4000)], leaf(left=-200), ((), True, True, None, 60)),
        (
            "the last authority ends within weeks",
            [authority("a", age=3640, left=10)],
            leaf(left=9),
            (("a",), True, True, None, 10),
        ),
    ],
)
def test_table(why, authorities, current, expected):
    keep, make, issue, signer, due_days = expected
    assert decide(authorities, current) == Renewal(keep, make, issue, signer, NOW + due_days * DAY), why


class World:
    """Authorities and a certificate as the operator keeps them, by the decisions alone."""

    def __init__(self) -> None:
        self.now = NOW
        self.authorities: list[Certificate] = []
        self.leaf: Certificate | None = None
        self.names = NAMES
        self._numbers = itertools.count()

    def look(self) -> Renewal:
        decided = renew(now=self.now, names=self.names, authorities=self.authorities, leaf=self.leaf)
        known = {item.identity: item for item in self.authorities}
        self.authorities = [known[identity] for identity in decided.keep]
        if decided.make_authority:
            name = f"authority-{next(self._numbers)}"
            end = self.now + AUTHORITY_DAYS * DAY
            self.authorities.insert(0, Certificate(frozenset(), self.now, end, name, name))
        if decided.issue:
            signer = known[decided.signer] if decided.signer else self.authorities[0]
            end = min(self.now + LEAF_DAYS * DAY, signer.not_after)
            self.leaf = Certificate(self.names, self.now, end, "leaf", signer.identity)
        return decided


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=400))
def test_an_operator_at_work_never_shows_what_cannot_be_checked(steps):
    """Looked at when due, or up to twenty days late, for as long as it takes."""
    world = World()
    world.look()
    for late, renamed in steps:
        due = world.look().due
        assert due > world.now, "progress"
        world.now = due + late * DAY
        # At the moment before the look, the certificate that is served is still good.
        assert world.leaf is not None
        if late < 20:
            assert world.leaf.not_after > world.now
        if renamed:
            world.names = frozenset({f"{world.now}.example.com"})
        bundle = {item.identity: item for item in world.authorities}
        decided = world.look()
        signer = next(item for item in world.authorities if item.identity == world.leaf.authority)
        assert world.leaf.names == world.names
        assert world.leaf.not_before <= world.now < world.leaf.not_after <= signer.not_after
        assert len(world.authorities) <= 2
        if decided.issue:
            published = bundle.get(signer.identity)
            assert published is not None, "clients could have fetched it before it signed"
            assert world.now - published.not_before >= 30 * DAY or published.not_before == NOW


@given(st.integers(0, 200 * 365))
def test_after_any_absence_one_look_is_enough(days):
    world = World()
    world.look()
    world.now += days * DAY
    world.look()
    assert not world.look().issue
    assert world.leaf is not None
    assert world.leaf.not_after > world.now


def facts(
    source=Source.OWN, certificate=None, *, problem="", host: str | None = "chat.example.com", paused=False, **more
) -> Any:
    edge = SimpleNamespace(host=host)
    cluster = SimpleNamespace(name="demo", spec=SimpleNamespace(edge=edge, paused=paused))
    now = datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return SimpleNamespace(
        cluster=cluster,
        now=now,
        certificate=CertificateFacts(source, "the-secret", certificate, problem),
        **{"apis": frozenset(), "snapshot": Snapshot(), **more},
    )


SERVED: Any = {"apis": frozenset({"Certificate"})}
SAID = Snapshot({Key("Certificate", "demo-edge"): Child("u", 1, None, "demo", "", said="issuer letsencrypt not found")})


@pytest.mark.parametrize(
    ("known", "holds", "reason", "words"),
    [
        (facts(certificate=leaf()), True, "Valid", "chat.example.com; expires on 2027-03-16, renewed by 2027-02-14"),
        (facts(Source.SECRET, leaf()), True, "Valid", "renewing it is yours to do"),
        (facts(Source.ISSUER, leaf(), **SERVED), True, "Valid", "renewed by cert-manager"),
        (facts(Source.SECRET, leaf(left=21)), True, "CertificateExpiring", "new certificate into Secret the-secret"),
        (facts(Source.ISSUER, leaf(left=5), **SERVED), True, "CertificateExpiring", "kubectl describe certificate"),
        (facts(certificate=leaf(left=5), paused=True), True, "CertificateExpiring", "while spec.paused is true"),
        (facts(certificate=leaf(left=5)), True, "CertificateExpiring", "has failed so far"),
        (facts(Source.SECRET, leaf(left=0)), False, "CertificateExpired", "no client takes it"),
        (facts(Source.SECRET, leaf(starts=2)), False, "CertificateInvalid", "not valid before"),
        (facts(Source.SECRET, leaf(), host="other.example.com"), False, "CertificateNameMismatch", "other.example.com"),
        (facts(Source.SECRET, leaf(), host=None), True, "Valid", "chat.example.com"),
        (facts(Source.SECRET, problem="its key fits nothing"), False, "CertificateInvalid", "its key fits nothing"),
        (facts(Source.SECRET), False, "CertificateMissing", "create it"),
        (facts(Source.ISSUER), False, "CertManagerMissing", "cert-manager.io/docs/installation"),
        (facts(Source.ISSUER, snapshot=SAID, **SERVED), False, "Issuing", "issuer letsencrypt not found"),
        (facts(Source.ISSUER, **SERVED), False, "Issuing", "nothing yet"),
    ],
)
def test_condition(known, holds, reason, words):
    verdict = certificate_ready(known)
    assert verdict is not None
    assert (verdict.type, verdict.holds, verdict.reason) == ("CertificateReady", holds, reason)
    assert words in verdict.message


def test_the_condition_says_the_same_from_day_to_day():
    """Otherwise each of them would be a write."""
    today, later = facts(certificate=leaf()), facts(certificate=leaf())
    later.now = datetime.fromtimestamp(NOW + 5 * DAY, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert certificate_ready(today) == certificate_ready(later)


def test_plain_http_has_no_such_condition():
    known = facts()
    known.certificate = None
    assert certificate_ready(known) is None


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("chat.example.com", True),
        ("a.example.org", True),
        ("a.b.example.org", False),
        ("example.org", False),
        ("x", False),
    ],
)
def test_names_and_wildcards(host, covered):
    names = frozenset({"chat.example.com", "*.example.org"})
    assert leaf(names=names).covers(host) is covered
