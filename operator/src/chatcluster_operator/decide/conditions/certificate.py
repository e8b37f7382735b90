"""Whether the edge has a certificate that clients will take, and for how long."""

from datetime import UTC, datetime
from typing import Final

from chatcluster_operator.decide.certificates import LEAF_RENEWED_DAYS, CertificateFacts, Source
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.snapshot import Key
from chatcluster_operator.decide.times import seconds
from chatcluster_operator.decide.verdict import Verdict
from chatcluster_operator.desired.tls import DAY, Certificate

WARNED_DAYS: Final = 21
"""Whoever renews by themselves has done so by then; a person needs some time."""

_TYPE: Final = "CertificateReady"
_KIND: Final = "Certificate"
_NAMES_SHOWN: Final = 4


def certificate_ready(facts: Facts) -> Verdict | None:
    """CertificateReady; None where the edge speaks plain HTTP."""
    known = facts.certificate
    if known is None:
        return None
    if known.source is Source.ISSUER and _KIND not in facts.apis:
        message = (
            "spec.edge.tls.issuer needs cert-manager, and this cluster does not serve its kind Certificate; install it "
            "(https://cert-manager.io/docs/installation/), or use spec.edge.tls.secretName or {} in place of it."
        )
        return Verdict(_TYPE, False, "CertManagerMissing", message)
    if known.certificate is None:
        return _lacking(facts, known)
    return _standing(facts, known, known.certificate)


def _lacking(facts: Facts, known: CertificateFacts) -> Verdict:
    if known.problem:
        message = f"The certificate in Secret {known.secret} cannot be used: {known.problem}."
        return Verdict(_TYPE, False, "CertificateInvalid", message)
    if known.source is Source.SECRET:
        message = f"Secret {known.secret}, which spec.edge.tls.secretName names, is missing or incomplete; create it."
        return Verdict(_TYPE, False, "CertificateMissing", message)
    name = f"{facts.cluster.name}-edge"
    child = facts.snapshot.children.get(Key(_KIND, name))
    said = child.said if child and child.said else "nothing yet"
    message = f"Waiting for the certificate. cert-manager says: {said}. See: kubectl describe certificate {name}"
    return Verdict(_TYPE, False, "Issuing", message)


def _standing(facts: Facts, known: CertificateFacts, certificate: Certificate) -> Verdict:
    now = seconds(facts.now)
    end = _date(certificate.not_after)
    remedy = _remedy(facts, known)
    if certificate.not_after <= now:
        return Verdict(_TYPE, False, "CertificateExpired", f"It expired on {end}, and no client takes it; {remedy}.")
    if certificate.not_before > now:
        message = f"It is not valid before {_date(certificate.not_before)}; {remedy}."
        return Verdict(_TYPE, False, "CertificateInvalid", message)
    host = facts.cluster.spec.edge.host
    if host is not None and not certificate.covers(host):
        message = f"It is for {_names(certificate)}, and not for spec.edge.host {host}; {remedy}."
        return Verdict(_TYPE, False, "CertificateNameMismatch", message)
    if certificate.not_after - now <= WARNED_DAYS * DAY:
        return Verdict(_TYPE, True, "CertificateExpiring", f"It expires on {end}; {remedy}.")
    if known.source is Source.SECRET:
        renewal = "renewing it is yours to do"
    elif known.source is Source.ISSUER:
        renewal = "renewed by cert-manager"
    else:
        renewal = f"renewed by {_date(certificate.not_after - LEAF_RENEWED_DAYS * DAY)}"
    return Verdict(_TYPE, True, "Valid", f"For {_names(certificate)}; expires on {end}, {renewal}.")


def _remedy(facts: Facts, known: CertificateFacts) -> str:
    match known.source:
        case Source.SECRET:
            return f"put a new certificate into Secret {known.secret}, which is taken up without a restart"
        case Source.ISSUER:
            return f"see why cert-manager does not renew it: kubectl describe certificate {facts.cluster.name}-edge"
        case Source.OWN if facts.cluster.spec.paused:
            return "it cannot be renewed while spec.paused is true; set it to false"
        case Source.OWN:
            return "renewing it has failed so far; see the condition Applied and the operator's log"


def _names(certificate: Certificate) -> str:
    # Short names first: the public one is what people look for.
    names = sorted(certificate.names, key=lambda name: (name.endswith((".svc", ".cluster.local")), len(name), name))
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "") if names else "no name"


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
