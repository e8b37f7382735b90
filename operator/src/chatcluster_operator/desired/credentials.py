"""Every value that the operator generates rather than is given: passwords, keys, tokens.

They live in one Secret, `<name>-credentials`, which is the only copy. Each component gets a Secret of its own with
what it needs and nothing more. Generation fills only what is missing, so that a new release can add a value and no
restart of the operator ever changes one.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Rand = Callable[[int], bytes]
"""Randomness: as many bytes as asked for. `secrets.token_bytes` outside tests."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """The generated values. Its repr shows none of them."""

    postgres_superuser_password: str
    postgres_replication_password: str
    postgres_rest_password: str
    postgres_user_password: str
    postgres_gateway_password: str
    postgres_notification_password: str
    mongodb_password: str
    redis_admin_password: str
    redis_gateway_password: str
    redis_user_password: str
    redis_message_password: str
    redis_file_password: str
    redis_notification_password: str
    redis_presence_password: str
    kafka_cluster_id: str
    kafka_broker_password: str
    kafka_message_password: str
    kafka_notification_password: str
    objects_access_key: str
    objects_secret_key: str
    internal_token: str
    token_key: str
    """Ed25519 private key that signs access tokens, PKCS #8 PEM."""
    encryption_key: str
    """Fernet key (32 bytes, URL-safe base64) for what the user service keeps encrypted."""
    vapid_key: str
    """P-256 private key by which push services know this ChatCluster (RFC 8292), PKCS #8 PEM."""

    def __repr__(self) -> str:
        return "Credentials(…)"

    def to_secret(self) -> dict[str, str]:
        """The `data` of the Secret that keeps the values, base64 as Kubernetes has it."""
        return {name: base64.b64encode(getattr(self, name).encode()).decode() for name in FIELDS}

    @classmethod
    def from_secret(cls, data: Mapping[str, str]) -> Self:
        """Read a Secret's `data`. Raises KeyError naming the first value that is missing."""
        return cls(**{name: base64.b64decode(data[name]).decode() for name in FIELDS})

    @property
    def jwks(self) -> str:
        """The public half of the token key as a JSON Web Key Set; its `kid` is the key's RFC 7638 thumbprint."""
        key = load_pem_private_key(self.token_key.encode(), password=None)
        public = _base64url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        jwk = {"crv": "Ed25519", "kty": "OKP", "x": public}
        thumbprint = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
        return json.dumps({"keys": [{**jwk, "alg": "EdDSA", "use": "sig", "kid": _base64url(thumbprint)}]})


FIELDS: Final = tuple(field.name for field in fields(Credentials))
"""Names of the values, which are also the keys of the Secret."""


def generate(existing: Mapping[str, str] | None, rand: Rand) -> Credentials:
    """Complete credentials: what `existing` (a Secret's `data`, or None) holds is kept, what it lacks is made."""
    kept = {name: base64.b64decode(text).decode() for name, text in (existing or {}).items() if name in FIELDS}
    values = {name: kept.get(name) or _make(name, rand) for name in FIELDS}
    return Credentials(**values)


def _make(name: str, rand: Rand) -> str:
    match name:
        case "token_key":
            key = Ed25519PrivateKey.from_private_bytes(rand(32))
            return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        case "vapid_key":
            # FIPS 186-5 A.2.1: from 64 bits more than the order has, no scalar is noticeably likelier than another.
            secret = int.from_bytes(rand(40)) % (_P256_ORDER - 1) + 1
            curve_key = ec.derive_private_key(secret, ec.SECP256R1())
            return curve_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        case "encryption_key":
            return base64.urlsafe_b64encode(rand(32)).decode()
        case "kafka_cluster_id":
            return _base64url(rand(16))
        case "objects_access_key":
            return rand(10).hex()
        case _:
            return rand(24).hex()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def encode(values: Mapping[str, str]) -> dict[str, Any]:
    """A Secret's `data` for plain texts."""
    return {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
