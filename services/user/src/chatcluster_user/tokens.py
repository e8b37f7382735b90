"""The two kinds of token: access tokens, signed and short-lived, and refresh tokens, opaque and used once.

A refresh token is 16 bytes that name its session and 32 that change at every use. Only the SHA-256 of each part is
stored. Whoever shows the right first part with a wrong second part holds a spent token, so that reuse is recognised
however old the token is, without keeping the old ones.
"""

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from chatcluster_common import auth, ids, logs
from chatcluster_common.permissions import Role, Scope

log = logs.get_logger(__name__)

_FAMILY_BYTES = 16
_SECRET_BYTES = 32
_RELOAD_SECONDS = 5.0


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One refresh token in its parts; never stored or logged."""

    family: bytes
    secret: bytes

    @classmethod
    def new(cls) -> "RefreshToken":
        """The first token of a new session."""
        return cls(secrets.token_bytes(_FAMILY_BYTES), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken | None":
        """The token that a client sent, or None when it cannot be one."""
        try:
            data = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        return cls(data[:_FAMILY_BYTES], data[_FAMILY_BYTES:]) if len(data) == _FAMILY_BYTES + _SECRET_BYTES else None

    def next(self) -> "RefreshToken":
        """The token to replace this one, of the same session."""
        return RefreshToken(self.family, secrets.token_bytes(_SECRET_BYTES))

    @property
    def text(self) -> str:
        """What the client gets: 64 characters."""
        return _base64url(self.family + self.secret)

    @property
    def family_hash(self) -> bytes:
        """What the session is found by."""
        return hashlib.sha256(self.family).digest()

    @property
    def secret_hash(self) -> bytes:
        """What tells the session's current token from a spent one."""
        return hashlib.sha256(self.secret).digest()


class NoSigningKeyError(Exception):
    """There is no key to sign with yet; the message says why."""


class AccessTokens:
    """Signs access tokens with the key in a file, which is read again when it changes.

    A key is taken into use only when the published key set has its public half: until then its tokens would be
    refused everywhere. Rotation may therefore change the two files in any order. `published` returns that set
    (RFC 7517); the tokens name their key as it does (`kid`).
    """

    def __init__(
        self,
        key_file: Path,
        lifetime_seconds: int,
        published: Callable[[], dict[str, Any]],
        *,
        revoked: Callable[[str, str, float], bool] = lambda _user, _session, _issued_at: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.lifetime_seconds = lifetime_seconds
        self._file = key_file
        self._published = published
        self._revoked = revoked
        self._now = now
        self._checked = float("-inf")
        self._content = b""
        self._key: Ed25519PrivateKey | None = None
        self._key_id = ""

    def issue(
        self, user_id: str, session_id: str, role: Role = Role.USER, scopes: Collection[Scope] | None = None
    ) -> str:
        """An access token that every service accepts; `scopes` bound an API token's. Raises `NoSigningKeyError`."""
        key = self._current()
        now = int(self._now())
        if self._revoked(user_id, session_id, now):
            now += 1  # tokens of the second in which a role changed are void; leeway lets this one be ahead
        claims: dict[str, str | int] = {
            "iss": auth.ISSUER,
            "aud": auth.AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "iat": now,
            "exp": now + self.lifetime_seconds,
            "jti": ids.new_id(),
            "role": role.value,
        }
        if scopes is not None:
            claims["scope"] = " ".join(sorted(scopes))
        return jwt.encode(claims, key, algorithm=auth.ALGORITHM, headers={"kid": self._key_id})

    def check(self) -> None:
        """Raises `NoSigningKeyError` while no token can be issued."""
        self._current()

    def _current(self) -> Ed25519PrivateKey:
        if self._now() - self._checked >= _RELOAD_SECONDS:
            try:
                self._reload()
                self._checked = self._now()
            except (OSError, ValueError, KeyError, NoSigningKeyError) as error:
                if self._key is None:
                    raise NoSigningKeyError(f"{self._file}: {error}") from error
                self._checked = self._now()
                log.error("the new signing key is not usable; signing with the old one", reason=str(error))
        assert self._key is not None  # noqa: S101 _reload has set it
        return self._key

    def _reload(self) -> None:
        content = self._file.read_bytes()
        if content == self._content:
            return
        key = load_pem_private_key(content, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise NoSigningKeyError("not an Ed25519 key; make one with `openssl genpkey -algorithm ed25519`")
        x = _base64url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        kid = next((k["kid"] for k in self._published()["keys"] if k.get("x") == x and "kid" in k), None)
        if kid is None:
            raise NoSigningKeyError(f"the key set does not have its public half (x {x}) with a kid")
        self._key, self._key_id, self._content = key, kid, content
        log.info("signing key taken into use", kid=kid)
