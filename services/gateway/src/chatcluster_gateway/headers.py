"""What of a message's header crosses the gateway (RFC 9110 7.6), in both directions. Names are lower-case bytes."""

from collections.abc import Iterable
from dataclasses import dataclass

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
    b"content-length",
    b"expect",
    b"forwarded",
    b"host",
    b"traceparent",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-internal-token",
    b"x-real-ip",
    b"x-request-id",
}
# What the gateway itself reads, whether it is passed on or not.
_READ = {
    b"access-control-request-method",
    b"authorization",
    b"connection",
    b"content-length",
    b"host",
    b"origin",
    b"transfer-encoding",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
}
_JOINED = {b"connection", b"via"}

# Said by the gateway on every answer.
ALWAYS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# Said unless the service says something else.
_UNLESS_SAID: dict[bytes, bytes] = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}

_NOT_OUTWARD = (
    HOP_BY_HOP
    | {b"date", b"server", b"x-request-id", b"ratelimit", b"ratelimit-policy"}
    | {name for name, _ in ALWAYS}
    | {
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"access-control-max-age",
    }
)


@dataclass(slots=True)
class Incoming:
    """A request's headers, read once: what goes on to the service, and what the gateway needs to know."""

    inward: list[Header]
    said: dict[bytes, bytes]
    """The values of what the gateway reads: `Host` the first, `Via` and `Connection` joined, others the last."""
    authorization: bytes | None = None
    """None when there is none, or more than one."""

    @classmethod
    def read(cls, headers: Iterable[Header]) -> "Incoming":
        """Read a request's headers."""
        inward: list[Header] = []
        said: dict[bytes, bytes] = {}
        authorizations: list[bytes] = []
        for header in headers:
            name, value = header
            if name in _READ:
                if name in said and name in _JOINED:
                    value = said[name] + b", " + value
                if name == b"authorization":
                    authorizations.append(value)
                elif name != b"host" or name not in said:
                    said[name] = value
            if name not in _NOT_INWARD:
                inward.append(header)
        if b"connection" in said and (named := _named(said[b"connection"])):
            inward = [header for header in inward if header[0] not in named]
        return cls(inward, said, authorizations[0] if len(authorizations) == 1 else None)

    @property
    def origin(self) -> bytes | None:
        """Of the page that calls, when a browser says so."""
        return self.said.get(b"origin")

    @property
    def preflight(self) -> bool:
        """Whether, as an OPTIONS request, it is a CORS preflight."""
        return b"access-control-request-method" in self.said and b"origin" in self.said

    @property
    def length(self) -> int | None:
        """Of the body, when it says so."""
        length = self.said.get(b"content-length")
        return None if length is None else int(length)  # digits alone: the server has refused anything else

    @property
    def chunked(self) -> bool:
        """Whether the body comes in pieces of a length not known before."""
        return b"transfer-encoding" in self.said


def outward(headers: Iterable[Header], status: int) -> list[Header]:
    """An answer's headers for the caller, with those that the gateway says on every answer."""
    kept: list[Header] = []
    missing, named = dict(_UNLESS_SAID), b""
    for header in headers:
        name = header[0]
        if name in _NOT_OUTWARD:
            if name == b"connection":
                named += b"," + header[1]
            continue
        missing.pop(name, None)
        kept.append(header)
    if named:
        dropped = _named(named)
        kept = [header for header in kept if header[0] not in dropped]
    if status in {204, 304}:  # a length here is that of a body which is not sent
        kept = [header for header in kept if header[0] != b"content-length"]
    kept += ALWAYS
    kept += missing.items()
    return kept


# A `Connection` header may name headers of this hop alone; naming these would only serve to take them away from
# whoever they are for.
_NEVER_NAMED = frozenset({b"authorization", b"content-length", b"content-type", b"cookie", b"host"})


def _named(connection: bytes) -> set[bytes]:
    return {word.strip().lower() for word in connection.split(b",")} - _NEVER_NAMED
