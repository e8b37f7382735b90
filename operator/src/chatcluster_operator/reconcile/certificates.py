"""The edge's certificate as one look uses it: read when its Secret changed, and made anew when that is due.

What was made but not written yet is lost with the process, and made again by the next: nobody has seen it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from chatcluster_operator.api import EDGE, ChatCluster
from chatcluster_operator.decide import Key, owned
from chatcluster_operator.decide.certificates import CertificateFacts, Source, renew
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.edge import certificate_names
from chatcluster_operator.desired.names import authority_name, certificate_secret
from chatcluster_operator.desired.tls import (
    Certificate,
    CertificateError,
    OwnTls,
    Pair,
    authorities_of,
    check,
    make_authority,
    make_leaf,
    pair_of,
)
from chatcluster_operator.kube import Object
from chatcluster_operator.observe import Observer, Owner, child_of


@dataclass(frozen=True)
class Kept:
    """The certificate as it is now."""

    facts: CertificateFacts | None = None
    """None: plain HTTP."""
    own: OwnTls | None = None
    """What the operator signed, where it is the source."""
    due: int | None = None
    """When to look again at the latest, Unix seconds."""


@dataclass
class _Held:
    """What is known of one Secret. What was made stays known until the Secret is read anew."""

    version: int = -1
    """The resource version that it was read at; -1: it was not there."""
    pair: Pair | None = None
    said: Certificate | None = None
    authorities: tuple[Pair, ...] = ()
    problem: str = ""


class Keeper:
    """Keeps one ChatCluster's certificate."""

    def __init__(self, observer: Observer, owner: Owner, *, clock: Callable[[], float] = time.time) -> None:
        self._observer = observer
        self._owner = owner
        self._clock = clock
        self._held: dict[str, _Held] = {}

    async def keep(self, cluster: ChatCluster, brought: CertificateFacts | None) -> Kept:
        """The certificate, renewed when that is due. `brought` is what is known of one in a Secret of the user's.

        Raises what `kube.Client` raises.
        """
        given, secret = cluster.spec.edge.tls, certificate_secret(cluster)
        if given is None or secret is None:
            return Kept()
        if given.secret_name:
            return Kept(brought or CertificateFacts(Source.SECRET, secret))
        if given.issuer:
            return await self._issued(secret)
        return await self._own(cluster, secret)

    async def _issued(self, secret: str) -> Kept:
        """cert-manager's Secret carries our labels, so one that was not seen is not there."""
        known = self._observer.cache.children(self._owner).get(Key("Secret", secret))
        held = self._held.setdefault(secret, _Held())
        if known is None:
            self._held.pop(secret)
            return Kept(CertificateFacts(Source.ISSUER, secret))
        if known.version != held.version:
            body = await self._observer.secret(self._owner, secret)
            held = self._held[secret] = _certificate(body, known.version)
        return Kept(CertificateFacts(Source.ISSUER, secret, held.said, held.problem))

    async def _own(self, cluster: ChatCluster, secret: str) -> Kept:
        leaf = await self._mine(cluster, secret, _certificate)
        authorities = await self._mine(cluster, authority_name(cluster), _authorities)
        if leaf.pair is None or not cluster.spec.paused:
            self._renew(cluster, leaf, authorities)
        facts = CertificateFacts(Source.OWN, secret, leaf.said)
        if leaf.pair is None or leaf.said is None:
            return Kept(facts)
        known = [check(pair) for pair in authorities.authorities]
        again = renew(now=int(self._clock()), names=leaf.said.names, authorities=known, leaf=leaf.said)
        return Kept(facts, OwnTls(leaf.pair, authorities.authorities), again.due)

    def _renew(self, cluster: ChatCluster, leaf: _Held, authorities: _Held) -> None:
        now, names = int(self._clock()), certificate_names(cluster)
        known = {check(pair).identity: pair for pair in authorities.authorities}
        decided = renew(now=now, names=names, authorities=[check(pair) for pair in known.values()], leaf=leaf.said)
        pairs = [known[identity] for identity in decided.keep]
        if decided.make_authority:
            pairs.insert(0, make_authority(object_name(cluster, EDGE), now=now))
        authorities.authorities = tuple(pairs)
        if decided.issue:
            leaf.pair = make_leaf(names, known[decided.signer] if decided.signer else pairs[0], now=now)
            leaf.said = check(leaf.pair)

    async def _mine(self, cluster: ChatCluster, name: str, read: Callable[[Object | None, int], _Held]) -> _Held:
        """A Secret of ours: read when it changed. One that is gone is put back as it was."""
        known = self._observer.cache.children(self._owner).get(Key("Secret", name))
        held = self._held.setdefault(name, _Held())
        if known is not None and known.version == held.version:
            return held
        body = await self._observer.secret(self._owner, name)
        if body is None:
            held.version = -1
        elif owned(child := child_of(body, "Secret"), uid=cluster.uid, name=cluster.name):
            held = self._held[name] = read(body, child.version)
        return held


def _certificate(body: Object | None, version: int) -> _Held:
    try:
        pair = pair_of((body or {}).get("data") or {})
        return _Held(version, pair, check(pair))
    except CertificateError as error:
        return _Held(version, problem=str(error))


def _authorities(body: Object | None, version: int) -> _Held:
    try:
        return _Held(version, authorities=authorities_of((body or {}).get("data") or {}))
    except CertificateError as error:
        return _Held(version, problem=str(error))
