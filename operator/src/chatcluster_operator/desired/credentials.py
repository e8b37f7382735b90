"""Every value that the operator generates rather than is given: passwords, keys, tokens.

They live in one Secret, `<name>-credentials`, which is the only copy. Each component gets a Secret of its own with
what it needs and nothing more. Generation fills only what is missing, so that a new release can add a value and no
restart of the operator ever changes one.

A rotation puts new values beside the old ones (`begin`), under their names with `.next` after them. Both are accepted
until nobody uses the old ones; then the new ones take their place (`completed`), or go again (`withdraw`). Which of the
two a service uses is `decide.rotation`'s to say.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from chatcluster_operator.api import RotationKind

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Rand = Callable[[int], bytes]
"""Randomness: as many bytes as asked for. `secrets.token_bytes` outside tests."""

Slot = Literal["a", "b"]
"""A store user of one password has two names that take turns, `login`'s."""

_SLOT: Final = "slot"
_COMING: Final = ".next"


@dataclass(frozen=True, repr=False)
class Credentials:
    """The generated values. Its repr shows none of them."""

    postgres_superuser_password: str
    postgres_replication_password: str
    postgres_rewind_password: str
    postgres_rest_password: str
    postgres_user_password: str
    postgres_gateway_password: str
    postgres_notification_password: str
    mongodb_password: str
    redis_admin_password: str
    redis_member_password: str
    """By which the members of Redis sign in to each other, where it has several."""
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
    links_key: str
    """Signs the links in mails that work without signing in, for as long as the mails are kept."""
    postgres_objects_password: str
    """By which members of the object store keep their list of files in PostgreSQL, where it has several."""
    objects_peer_key: str
    """Ed25519 private key that each member of the object store shows the others, PKCS #8 PEM."""
    objects_signing_key: str
    mongodb_keyfile: str
    """By which the members of a replica set know each other."""
    postgres_backup_password: str
    """By which a backup asks PostgreSQL for its part."""
    mongodb_backup_password: str
    """By which it reads messages."""
    objects_backup_access_key: str
    """By which it reads files."""
    objects_backup_secret_key: str
    slot: Slot = "a"
    """The names that go with the store passwords: the other ones go with those that are coming."""
    coming: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values that a rotation under way has made, by name; accepted beside those that they are to replace."""

    def __repr__(self) -> str:
        return "Credentials(…)"

    def to_secret(self) -> dict[str, str]:
        """The `data` of the Secret that keeps the values, base64 as Kubernetes has it."""
        values = {name: getattr(self, name) for name in FIELDS}
        return encode({**values, _SLOT: self.slot, **{name + _COMING: text for name, text in self.coming.items()}})

    @property
    def rotating(self) -> RotationKind | None:
        """What is being replaced."""
        return next((kind for kind, names in ROTATED.items() if not self.coming.keys().isdisjoint(names)), None)

    @property
    def completed(self) -> Self:
        """With the coming values in place of the old ones, as they are after the rotation."""
        if not self.coming:
            return self
        values = dict(self.coming)
        if "encryption_key" in values:
            # What was encrypted stays readable: the first key encrypts, all decrypt.
            values["encryption_key"] += f" {self.encryption_key}"
        names = self.slot if self.rotating is not RotationKind.PASSWORDS else other(self.slot)
        return replace(self, **values, slot=names, coming={})

    def withdraw(self) -> Self:
        """Without the coming values."""
        return replace(self, coming={})

    def begin(self, what: RotationKind, rand: Rand) -> Self:
        """With new values beside those that are to be replaced."""
        return replace(self, coming={name: _make(name, rand) for name in ROTATED[what]})

    def accepted(self, name: str) -> tuple[str, ...]:
        """All values that are good for now: the present one, and the coming one where there is one."""
        return (getattr(self, name), *([self.coming[name]] if name in self.coming else []))

    def logins(self, user: str, name: str) -> dict[str, str | None]:
        """The password of each of the two names of a store's user; None where that name is not to be let in."""
        return {
            login(user, self.slot): getattr(self, name),
            login(user, other(self.slot)): self.coming.get(name),
        }

    @property
    def jwks(self) -> str:
        """The public halves of the token keys as a JSON Web Key Set (RFC 7517)."""
        return json.dumps({"keys": [_public_jwk(key) for key in self.accepted("token_key")]})

    @property
    def newest_key_id(self) -> str:
        """The `kid` of the token key that was made last."""
        return _public_jwk(self.accepted("token_key")[-1])["kid"]


FIELDS: Final = tuple(item.name for item in fields(Credentials) if item.name not in {"slot", "coming"})
"""Names of the values, which are also the keys of the Secret."""

ROTATED: Final[Mapping[RotationKind, tuple[str, ...]]] = {
    RotationKind.PASSWORDS: tuple(
        name
        for name in FIELDS
        if name.partition("_")[0] in {"postgres", "mongodb", "redis", "kafka", "objects"}
        if name not in {"kafka_cluster_id", "objects_peer_key", "objects_signing_key", "mongodb_keyfile"}
    ),
    RotationKind.KEYS: ("token_key", "internal_token", "encryption_key"),
}
"""The values that each rotation replaces. In none: Kafka's cluster id, which is on its disk and no secret; what only
members of a store show each other, which they read when they start and must all have at once; the key of push
subscriptions, which end with it; and that of links in mails, which are read years later."""


def login(user: str, slot: Slot) -> str:
    """A store's user under the name that goes with a slot."""
    return user if slot == "a" else f"{user}_b"


def other(slot: Slot) -> Slot:
    """The slot whose turn is next."""
    return "b" if slot == "a" else "a"


def generate(existing: Mapping[str, str] | None, rand: Rand) -> Credentials:
    """Complete credentials: what `existing` (a Secret's `data`, or None) holds is kept, what it lacks is made."""
    kept = {name: base64.b64decode(text).decode() for name, text in (existing or {}).items()}
    if kept.get("internal_token"):
        # Links were once signed with a key made from it; those in mails that people have must go on working.
        kept.setdefault("links_key", kept["internal_token"])
    values = {name: kept.get(name) or _make(name, rand) for name in FIELDS}
    coming = {name: kept[name + _COMING] for name in FIELDS if kept.get(name + _COMING)}
    return Credentials(**values, slot="b" if kept.get(_SLOT) == "b" else "a", coming=coming)


def _make(name: str, rand: Rand) -> str:
    match name:
        case "token_key" | "objects_peer_key":
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
        case "objects_access_key" | "objects_backup_access_key":
            return rand(10).hex()
        case _:
            return rand(24).hex()


def _public_jwk(pem: str) -> dict[str, str]:
    """The public half of an Ed25519 key as a JWK (RFC 8037); its `kid` is the key's RFC 7638 thumbprint."""
    key = load_pem_private_key(pem.encode(), password=None)
    public = _base64url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": public}
    thumbprint = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**jwk, "alg": "EdDSA", "use": "sig", "kid": _base64url(thumbprint)}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def encode(values: Mapping[str, str]) -> dict[str, Any]:
    """A Secret's `data` for plain texts."""
    return {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
