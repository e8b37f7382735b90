"""Who calls: the person an access token names, and the address a connection comes from."""

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from chatcluster_common.auth import Principal, TokenVerifier

_CAPACITY = 50_000
_TRUST_SECONDS = 60.0
"""A token is checked again after this, so that a withdrawn key ends its tokens soon."""


class Callers:
    """Remembers tokens that were found good (by their SHA-256), for checking a signature costs more than proxying."""

    def __init__(
        self, verifier: TokenVerifier, *, capacity: int = _CAPACITY, now: Callable[[], float] = time.time
    ) -> None:
        self._verifier = verifier
        self._capacity = capacity
        self._now = now
        self._good: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    def principal(self, token: bytes) -> Principal:
        """Whose token it is; raises a 401 `Problem` when any part of it does not hold, or it was revoked."""
        digest, now = hashlib.sha256(token).digest(), self._now()
        known = self._good.get(digest)
        if known and now < known[1]:
            self._verifier.check_not_revoked(known[0])
            return known[0]
        self._good.pop(digest, None)
        principal = self._verifier.verify(token.decode("latin-1"))
        if len(self._good) >= self._capacity:
            self._good.popitem(last=False)
        self._good[digest] = (principal, min(now + _TRUST_SECONDS, principal.expires_at))
        return principal


def bearer(authorization: bytes) -> bytes | None:
    """The token of an `Authorization` header, None when it has another scheme (RFC 6750)."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


@lru_cache(maxsize=4096)
def limited_address(address: str) -> str:
    """What an address is limited as: itself, or its /64 network, which is what one customer gets, with IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
