"""A token authority of the tests: the key and key set files that services read, and access tokens signed with them.

Written from the RFCs and not with the user service's code, so that the two check each other.
"""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class TokenAuthority:
    """One Ed25519 key (RFC 8037) in `key_file` (PKCS 8 PEM), its public half in `jwks_file` (RFC 7517)."""

    key: Ed25519PrivateKey
    key_id: str
    key_file: Path
    jwks_file: Path

    @classmethod
    def create(cls, folder: Path) -> "TokenAuthority":
        """A new key, written to `folder`."""
        key = Ed25519PrivateKey.generate()
        x = _base64url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        required = {"crv": "Ed25519", "kty": "OKP", "x": x}
        # RFC 7638: the hash of the required members in lexical order, without white space.
        thumbprint = hashlib.sha256(json.dumps(required, sort_keys=True, separators=(",", ":")).encode()).digest()
        key_id = _base64url(thumbprint)
        key_file, jwks_file = folder / "token_key.pem", folder / "jwks.json"
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        jwks_file.write_text(json.dumps({"keys": [required | {"kid": key_id, "use": "sig", "alg": "EdDSA"}]}))
        return cls(key, key_id, key_file, jwks_file)

    def token_for(
        self,
        user_id: str,
        *,
        session_id: str = "",
        lifetime: float = 900,
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token of `user_id`, good for `lifetime` seconds; `claims` and `headers` add to or spoil it."""
        now = time.time()
        payload: dict[str, Any] = {
            "iss": "chatcluster",
            "aud": "chatcluster",
            "sub": user_id,
            "sid": session_id or str(uuid.uuid4()),
            "iat": int(now),
            "exp": int(now + lifetime),
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(
            payload | dict(claims or {}),
            self.key,
            algorithm="EdDSA",
            headers={"kid": self.key_id} | dict(headers or {}),
        )

    def authorization(self, user_id: str) -> dict[str, str]:
        """The `Authorization` header of `user_id`."""
        return {"Authorization": f"Bearer {self.token_for(user_id)}"}
