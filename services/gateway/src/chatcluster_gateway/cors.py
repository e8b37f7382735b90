"""Which other origins' pages may read the answers (CORS). By default none: the web client is of the same origin.

Credentials are never allowed: tokens travel in a header that a page sets itself, cookies mean nothing here.
"""

from collections.abc import Iterable

from chatcluster_gateway.headers import Header

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = b"authorization, content-type, if-match, if-none-match, range, traceparent, tracestate, x-request-id"
_EXPOSED = b"etag, location, ratelimit, ratelimit-policy, retry-after, x-request-id"
_MAX_AGE = b"600"


class Cors:
    """The origins that are allowed, each as a browser writes it: `https://chat.example.org`."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes | None) -> bool:
        """Whether pages of `origin` may read answers."""
        return origin in self._origins

    def headers(self, origin: bytes | None) -> list[Header]:
        """What an answer to a request of `origin` says."""
        if not self._origins:
            return []
        if origin not in self._origins or origin is None:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    def preflight(self) -> list[Header]:
        """What an answer to a preflight of an allowed origin says besides."""
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", _MAX_AGE),
        ]
