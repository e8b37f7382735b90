"""What of a message's header crosses the gateway (RFC 9110 7.6), in both directions. Names are lower-case bytes."""

from collections.abc import Iterable

Header = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# Ours to say, never the caller's. Headers that only services exchange stop here.
_NOT_INWARD = HOP_BY_HOP | {
    b"expect",
    b"forwarded",
    b"host",
    b"traceparent",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-internal-token",
    b"x-real-ip",
    b"x-request-id",
}

_NOT_OUTWARD = HOP_BY_HOP | {b"date", b"server", b"x-request-id", b"ratelimit", b"ratelimit-policy"}


def inward(headers: Iterable[Header]) -> list[Header]:
    """A request's headers for the service."""
    return _without(_NOT_INWARD, headers)


def outward(headers: Iterable[Header], status: int) -> list[Header]:
    """An answer's headers for the caller."""
    kept = _without(_NOT_OUTWARD, [(name.lower(), value) for name, value in headers])
    if status in {204, 304}:  # a length here is that of a body which is not sent
        kept = [header for header in kept if header[0] != b"content-length"]
    return kept


def _without(dropped: frozenset[bytes], headers: Iterable[Header]) -> list[Header]:
    headers = list(headers)
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    } - _NEVER_NAMED
    if named:
        dropped |= named
    return [header for header in headers if header[0] not in dropped]


# A `Connection` header may name headers of this hop alone; naming these would only serve to take them away from
# whoever they are for.
_NEVER_NAMED = frozenset({b"authorization", b"content-length", b"content-type", b"cookie", b"host"})
