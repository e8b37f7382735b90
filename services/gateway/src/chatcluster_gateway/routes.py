"""The route table: where each path goes, what of it is public, limited more tightly, larger, or audited.

It also says which paths are fit to be looked up at all.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from chatcluster_gateway.models import AuditEvent

Upstream = Literal["user", "message", "notification", "presence"]
LimitClass = Literal["sign-in", "search"]

Owner = Literal["gateway", "file"] | Upstream
"""Of the paths of `file` the edge knows; none of them comes by here while there is a file service."""

PREFIX = b"/api/v1/"


@dataclass(frozen=True, slots=True)
class Route:
    """Everything below one first segment of `/api/v1/` goes to one service."""

    path: str
    """Also the label of logs and metrics."""
    upstream: Upstream | None
    """None: the gateway answers itself."""
    audited: AuditEvent | None = None
    """As what each call of a known caller is noted in the audit log."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is special about one method of one path."""

    public: bool = False
    """May be called without a token."""
    limit: LimitClass | None = None
    """The tighter rate limit that it has besides."""
    upload: bool = False
    """Its body may be as large as any; others are small JSON."""


ROUTES: Final[dict[bytes, Route]] = {
    b"auth": Route("/api/v1/auth", "user"),
    b"users": Route("/api/v1/users", "user"),
    b"contacts": Route("/api/v1/contacts", "user"),
    b"admin": Route("/api/v1/admin", "user", audited="admin_call"),
    b"conversations": Route("/api/v1/conversations", "message"),
    b"messages": Route("/api/v1/messages", "message"),
    b"moderation": Route("/api/v1/moderation", "message", audited="moderation_call"),
    b"notifications": Route("/api/v1/notifications", "notification"),
    b"presence": Route("/api/v1/presence", "presence"),
    b"tokens": Route("/api/v1/tokens", None),
    b"openapi.json": Route("/api/v1/openapi.json", None),
    b"docs": Route("/api/v1/docs", None),
}
_EXACT: Final[dict[bytes, Route]] = {
    b"/api/v1/admin/requests": Route("/api/v1/admin/requests", None, audited="admin_call"),
}

PLAIN: Final = Endpoint()
_PUBLIC: Final = Endpoint(public=True)
_SIGN_IN: Final = Endpoint(public=True, limit="sign-in")
_PASSWORD: Final = Endpoint(limit="sign-in")
_SEARCH: Final = Endpoint(limit="search")
EXCHANGE: Final = b"/api/v1/tokens/access"

ENDPOINTS: Final[dict[tuple[str, bytes], Endpoint]] = {
    # Each of these costs a password hash or a mail.
    ("POST", b"/api/v1/auth/register"): _SIGN_IN,
    ("POST", b"/api/v1/auth/login"): _SIGN_IN,
    ("POST", b"/api/v1/auth/password/forgot"): _SIGN_IN,
    ("POST", b"/api/v1/auth/password/reset"): _SIGN_IN,
    ("POST", b"/api/v1/auth/email/verify"): _SIGN_IN,
    ("POST", b"/api/v1/auth/password"): _PASSWORD,
    ("POST", b"/api/v1/auth/totp"): _PASSWORD,
    ("POST", b"/api/v1/auth/totp/disable"): _PASSWORD,
    ("POST", b"/api/v1/auth/totp/recovery-codes"): _PASSWORD,
    ("DELETE", b"/api/v1/users/me"): _PASSWORD,
    ("POST", b"/api/v1/auth/refresh"): _PUBLIC,
    ("POST", b"/api/v1/auth/logout"): _PUBLIC,
    # The links of mails: they carry a secret of their own.
    ("GET", b"/api/v1/notifications/unsubscribe"): _PUBLIC,
    ("POST", b"/api/v1/notifications/unsubscribe"): _PUBLIC,
    ("GET", b"/api/v1/messages/search"): _SEARCH,
    ("GET", b"/api/v1/users"): _SEARCH,
    ("PUT", b"/api/v1/users/me/avatar"): Endpoint(upload=True),
} | {
    (method, path): _PUBLIC
    for method in ("GET", "HEAD")
    for path in (b"/api/v1/auth/jwks.json", b"/api/v1/openapi.json", b"/api/v1/docs")
}

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
    return _EXACT.get(raw_path) or ROUTES.get(_segment(raw_path))


def owner(raw_path: bytes) -> Owner | None:
    """Whose a path is; None: nobody's."""
    if raw_path.startswith(PREFIX) and _segment(raw_path) == b"files":
        return "file"
    route = find(raw_path)
    return (route.upstream or "gateway") if route else None


def _segment(raw_path: bytes) -> bytes:
    return raw_path[len(PREFIX) :].partition(b"/")[0]
