"""Who sends a push: a token for the push service, signed with the key that browsers were given (RFC 8292)."""

import base64
import time
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_LIFETIME_SECONDS = 12 * 3600


class Vapid:
    """The sender's key. Raises `ValueError` for text that is no P-256 private key."""

    def __init__(self, pem: str, contact: str) -> None:
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except TypeError as error:  # it is encrypted
            raise ValueError("the key has a password") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("the key is not of P-256")
        self._key = key
        self._contact = contact
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        """Uncompressed point, base64url: the browser's `applicationServerKey`."""

    def authorization(self, endpoint: str) -> str:
        """The `Authorization` header for a push service."""
        parts = urlsplit(endpoint)
        claims: dict[str, str | int] = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(time.time()) + _LIFETIME_SECONDS,
        }
        if self._contact:
            claims["sub"] = self._contact
        return f"vapid t={jwt.encode(claims, self._key, algorithm='ES256')}, k={self.public_key}"
