"""The route table, and which paths are fit to be looked up in it."""

import re
from dataclasses import dataclass
from typing import Literal

Upstream = Literal["user", "message", "notification", "presence"]

PREFIX = b"/api/v1/"


@dataclass(frozen=True, slots=True)
class Route:
    """Everything below one first segment of `/api/v1/` goes to one service."""

    path: str
    """Also the label of logs and metrics."""
    upstream: Upstream


ROUTES: dict[bytes, Route] = {
    b"auth": Route("/api/v1/auth", "user"),
    b"users": Route("/api/v1/users", "user"),
    b"contacts": Route("/api/v1/contacts", "user"),
    b"conversations": Route("/api/v1/conversations", "message"),
    b"messages": Route("/api/v1/messages", "message"),
    b"notifications": Route("/api/v1/notifications", "notification"),
    b"presence": Route("/api/v1/presence", "presence"),
}

SIGN_IN = {("POST", b"/api/v1/auth/register"), ("POST", b"/api/v1/auth/login")}
"""Public, and limited more tightly: each costs a password hash."""

PUBLIC = SIGN_IN | {
    ("POST", b"/api/v1/auth/refresh"),
    ("POST", b"/api/v1/auth/logout"),
    ("GET", b"/api/v1/auth/jwks.json"),
    ("HEAD", b"/api/v1/auth/jwks.json"),
}
"""What may be called without an access token; everything else may not."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Segments of RFC 3986's characters, none empty, none `.` or `..`, and no escape that becomes one of `/ \ . NUL` or a
# control character in a program that decodes once more: gateway and service must see the same path.
_FIT = re.compile(
    rb"(?:/(?!\.{1,2}(?:/|$))"
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%(?!2e|2f|5c|25|[01][0-9a-f]|7f)[0-9a-f]{2})+)+",
    re.IGNORECASE,
)


def fit(raw_path: bytes) -> bool:
    """Whether the path, as it came over the wire, means the same to everybody."""
    return _FIT.fullmatch(raw_path) is not None


def find(raw_path: bytes) -> Route | None:
    """Where a fit path goes; None: nowhere."""
    if not raw_path.startswith(PREFIX):
        return None
    return ROUTES.get(raw_path[len(PREFIX) :].partition(b"/")[0])
