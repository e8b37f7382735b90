"""Who calls: people by access tokens (EdDSA JWTs, RFC 8037), the services among themselves by one shared token."""

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from chatcluster_common import errors, logs

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

    def keys(self) -> dict[str, Any]:
        """The key set as it stands in the file (RFC 7517)."""
        return json.loads(self._file.read_bytes())

    def verify(self, token: str) -> Principal:
        """The token's principal; raises a 401 `Problem` when any part of it does not hold, 503 without any key."""
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
        except (jwt.InvalidTokenError, KeyError) as error:
            raise errors.unauthorized() from error
        return Principal(user_id=claims["sub"], session_id=claims["sid"], expires_at=int(claims["exp"]))

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


def current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """FastAPI dependency: the caller, or 401. The app's `TokenVerifier` is `app.state.verifier`."""
    if credentials is None:
        raise errors.unauthorized()
    verifier: TokenVerifier = request.app.state.verifier
    return verifier.verify(credentials.credentials)


CurrentUser = Annotated[Principal, Depends(current_user)]


def internal_caller(request: Request) -> None:
    """FastAPI dependency of `/internal` routes: another service of the same ChatCluster, or 401."""
    expected: SecretStr = request.app.state.settings.internal_token
    sent = request.headers.get(INTERNAL_TOKEN_HEADER, "")
    if not hmac.compare_digest(sent.encode(), expected.get_secret_value().encode()):
        raise errors.unauthorized("This path is for the services of this ChatCluster.")


InternalCaller = Depends(internal_caller)
