"""Who calls: people by access tokens (EdDSA JWTs, RFC 8037), the services among themselves by one shared token."""

import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from chatcluster_common import errors, logs
from chatcluster_common.permissions import Permission, Role, Scope, permits, scope_for
from chatcluster_common.signals import Revocations

log = logs.get_logger(__name__)

ISSUER = "chatcluster"
AUDIENCE = "chatcluster"
ALGORITHM = "EdDSA"
INTERNAL_TOKEN_HEADER = "X-Internal-Token"  # noqa: S105 a header's name
_LEEWAY_SECONDS = 5
_RELOAD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, as their token says."""

    user_id: str
    session_id: str
    expires_at: int
    """Unix seconds."""
    role: Role = Role.USER
    scopes: frozenset[Scope] | None = None
    """Of an API token; None for a signed-in session, which may do all that its person may."""
    issued_at: int = 0
    """Unix seconds; with `user_id` and `session_id` what a revocation is looked up by."""

    def may(self, permission: Permission) -> bool:
        """Whether the person's role has the permission."""
        return permits(self.role, permission)

    def in_scope(self, scope: Scope | None) -> bool:
        """Whether the token reaches what is behind `scope`."""
        return self.scopes is None or (scope is not None and scope in self.scopes)


class TokenVerifier:
    """Checks access tokens against the keys in a JWKS file, which it reads again when the file changes.

    Keys may overlap: a token names its key (`kid`), so that old and new keys both work while they are rotated.
    """

    def __init__(self, jwks_file: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._file = jwks_file
        self._now = now
        self._checked = float("-inf")
        self._modified = -1
        self._keys: dict[str, jwt.PyJWK] = {}
        self.revocations = Revocations()
        """Kept up to date by `signals.Signals`, where a service follows them."""

    def keys(self) -> dict[str, Any]:
        """The key set as it stands in the file (RFC 7517)."""
        return json.loads(self._file.read_bytes())

    def verify(self, token: str) -> Principal:
        """The token's principal. Raises a 401 `Problem` when any part of it does not hold or it was revoked, and 503
        without any key."""
        self._reload()
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "sid"]},
            )
            principal = Principal(
                user_id=claims["sub"],
                session_id=claims["sid"],
                expires_at=int(claims["exp"]),
                role=Role(claims.get("role", Role.USER)),
                # A scope that this release does not know opens nothing.
                scopes=_scopes(claims["scope"]) if "scope" in claims else None,
                issued_at=int(claims["iat"]),
            )
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise errors.unauthorized() from error
        self.check_not_revoked(principal)
        return principal

    def check_not_revoked(self, principal: Principal) -> None:
        """Raises a 401 `Problem` when the principal's token is void by now; for who remembers verified tokens."""
        if self.revocations.revoked(principal.user_id, principal.session_id, principal.issued_at):
            raise errors.unauthorized("This session was ended. Sign in again.")

    def _reload(self) -> None:
        now = self._now()
        if now - self._checked < _RELOAD_SECONDS:
            return
        try:
            modified = self._file.stat().st_mtime_ns
            if modified != self._modified:
                self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(self.keys()).keys if key.key_id}
                self._modified = modified
        except (OSError, ValueError, jwt.PyJWTError) as error:
            log.error("the token keys cannot be read", file=str(self._file), reason=str(error))
            if not self._keys:
                raise errors.unavailable() from error
            # Else the keys at hand serve until the file is mended.
        self._checked = now


_bearer = HTTPBearer(auto_error=False, description="Access token of `/auth/login`.")


def _scopes(claim: str) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[word] for word in claim.split() if word in known)


def caller_with(permission: Permission) -> Callable[..., Principal]:
    """A FastAPI dependency: the caller, 401 for nobody, 403 for a role without the permission or a token whose scopes
    do not reach the call. The app's `TokenVerifier` is `app.state.verifier`."""

    def caller(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Principal:
        if credentials is None:
            raise errors.unauthorized()
        verifier: TokenVerifier = request.app.state.verifier
        principal = verifier.verify(credentials.credentials)
        check(principal, permission, scope_for(request.method, request.url.path))
        return principal

    return caller


def check_scope(principal: Principal, scope: Scope | None) -> None:
    """Raises a 403 `Problem` unless the token's scopes reach what is behind `scope`."""
    if not principal.in_scope(scope):
        needed = f"needs the scope {scope.value}" if scope else "is not open to API tokens"
        raise errors.Problem(403, "out_of_scope", f"This call {needed}.")


def check(principal: Principal, permission: Permission, scope: Scope | None) -> None:
    """Raises a 403 `Problem` unless role and scopes allow it."""
    check_scope(principal, scope)
    if not principal.may(permission):
        if principal.role is Role.UNVERIFIED:
            raise errors.Problem(403, "email_unverified", "Confirm your e-mail address first: follow the link we sent.")
        raise errors.forbidden("Your role does not allow this.")


AccountUser = Annotated[Principal, Depends(caller_with(Permission.USE_ACCOUNT))]
"""The caller, for what is about their own account."""
CurrentUser = Annotated[Principal, Depends(caller_with(Permission.CHAT))]
"""The caller, for everything that people do with each other."""
Moderator = Annotated[Principal, Depends(caller_with(Permission.MODERATE))]
UserManager = Annotated[Principal, Depends(caller_with(Permission.MANAGE_USERS))]
Auditor = Annotated[Principal, Depends(caller_with(Permission.READ_AUDIT))]


class InternalTokens:
    """The tokens that services show each other. Old and new ones overlap while they are rotated.

    `given` are those of the start, separated by spaces; `file` holds them too, and is read again when it changes, so
    that one that is no longer good need not wait for a restart.
    """

    def __init__(self, given: SecretStr, file: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._tokens = given.get_secret_value().split()
        self._file = file
        self._now = now
        self._checked = float("-inf")

    def accept(self, sent: str) -> bool:
        """Whether another service of this ChatCluster sent it."""
        self._reload()
        return any(hmac.compare_digest(sent.encode(), token.encode()) for token in self._tokens)

    def _reload(self) -> None:
        now = self._now()
        if now - self._checked < _RELOAD_SECONDS:
            return
        self._checked = now
        with suppress(OSError, UnicodeDecodeError):
            # Without the file, or with nothing in it, those at hand serve on.
            self._tokens = self._file.read_text().split() or self._tokens


def internal_caller(request: Request) -> None:
    """FastAPI dependency of `/internal` routes: another service of the same ChatCluster, or 401."""
    tokens: InternalTokens = request.app.state.internal_tokens
    if not tokens.accept(request.headers.get(INTERNAL_TOKEN_HEADER, "")):
        raise errors.unauthorized("This path is for the services of this ChatCluster.")


InternalCaller = Depends(internal_caller)
