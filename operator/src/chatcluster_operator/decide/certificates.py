"""When the edge's certificate is renewed, and by which authority it is signed.

A client trusts the authorities it was given. So a new authority is published long before it signs anything, and the
old one stays published for as long as it is valid: whoever fetches the bundle now and then never meets a certificate
that it cannot check.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chatcluster_operator.desired.tls import DAY, LEAF_DAYS, Certificate

LEAF_RENEWED_DAYS: Final = 30
"""Before its end a certificate is renewed so early that there are weeks to find out why one was not."""
AUTHORITY_RENEWED_DAYS: Final = 365
OVERLAP_DAYS: Final = 30
"""An authority has been published for so long when it begins to sign."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What to do about the operator's own certificates."""

    keep: tuple[str, ...]
    """Identities of the authorities that stay, the newest first."""
    make_authority: bool
    """A new authority is to be made; it becomes the newest."""
    issue: bool
    """A new certificate is to be signed, by `signer`, or by the new authority when that is None."""
    signer: str | None
    due: int
    """When to look again, Unix seconds."""


def renew(*, now: int, names: Collection[str], authorities: Sequence[Certificate], leaf: Certificate | None) -> Renewal:
    """Decide about the authorities there are and the certificate in use, None when there is none that can be used."""
    alive = sorted(
        (item for item in authorities if item.not_before <= now < item.not_after),
        key=lambda item: item.not_before,
        reverse=True,
    )
    make = not alive or alive[0].not_after - now <= AUTHORITY_RENEWED_DAYS * DAY
    signer = _signer(now, alive, made=make)
    issue = (
        leaf is None
        or leaf.names != frozenset(names)
        or leaf.authority not in {item.identity for item in alive}
        or leaf.not_before > now
        or leaf.not_after - now <= LEAF_RENEWED_DAYS * DAY
    )
    ends = [item.not_after for item in alive]
    if not make:
        ends.append(alive[0].not_after - AUTHORITY_RENEWED_DAYS * DAY)
    ends.append((now + LEAF_DAYS * DAY if leaf is None or issue else leaf.not_after) - LEAF_RENEWED_DAYS * DAY)
    return Renewal(tuple(item.identity for item in alive), make, issue, signer if issue else None, min(ends))


def _signer(now: int, alive: Sequence[Certificate], *, made: bool) -> str | None:
    """The newest authority that clients had time to hear of and that outlives what it signs.

    Where there is none, they have to hear of one at once, and it had better be the newest.
    """
    for item in alive:
        if item.not_before <= now - OVERLAP_DAYS * DAY and item.not_after >= now + LEAF_DAYS * DAY:
            return item.identity
    return None if made else alive[0].identity


class Source(StrEnum):
    """Where the edge's certificate comes from."""

    OWN = "own"
    SECRET = "secret"  # noqa: S105 - a word
    ISSUER = "issuer"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is known of the edge's certificate."""

    source: Source
    secret: str
    """Name of its Secret."""
    certificate: Certificate | None = None
    """What it says; None while there is none that can be used."""
    problem: str = ""
    """Why it cannot be used."""
