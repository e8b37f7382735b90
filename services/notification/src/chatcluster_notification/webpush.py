"""Web Push: the encryption that a push service cannot look into (RFC 8291), and handing a push over (RFC 8030)."""

import os
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatcluster_common.clock import utc_now
from chatcluster_notification.outcomes import DelayedError, GoneError, RefusedError
from chatcluster_notification.outside import EndpointError, PublicResolver, check_endpoint
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.store import Subscription
from chatcluster_notification.vapid import Vapid

_RECORD_BYTES = 4096
MOST_BYTES = _RECORD_BYTES - 86 - 17
"""Of a push's content: one record, less its header, delimiter and tag (RFC 8291, 4)."""
_TIMEOUT = aiohttp.ClientTimeout(total=15.0, connect=5.0)
_LONGEST_RETRY_AFTER_SECONDS = 3600.0


def encrypt(
    content: bytes,
    public_key: bytes,
    auth_secret: bytes,
    *,
    salt: bytes | None = None,
    sender_key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a push to the browser of `public_key`: `aes128gcm` (RFC 8188), one record. A fresh `salt` and
    `sender_key` are made for each."""
    salt = salt or os.urandom(16)
    sender_key = sender_key or ec.generate_private_key(ec.SECP256R1())
    sender_point = sender_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    receiver = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    shared = sender_key.exchange(ec.ECDH(), receiver)
    secret = _derive(auth_secret, shared, b"WebPush: info\0" + public_key + sender_point, 32)
    key = _derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\0", 12)
    header = salt + _RECORD_BYTES.to_bytes(4, "big") + bytes([len(sender_point)]) + sender_point
    return header + AESGCM(key).encrypt(nonce, content + b"\x02", None)


def _derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


@dataclass(frozen=True, slots=True)
class Push:
    """What a device is told, and how urgent that is."""

    content: bytes
    topic: str
    """A push that is still waiting is replaced by a later one of the same topic; 32 base64url characters at most."""
    urgent: bool


class PushSender:
    """Hands pushes to push services. Open it with `async with`."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._anywhere = settings.push_anywhere
        self._ttl = settings.push_ttl_seconds
        pem = settings.vapid_key.get_secret_value()
        self._vapid = Vapid(pem, settings.push_contact) if pem else None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "PushSender":
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            connector=aiohttp.TCPConnector(limit=64, resolver=None if self._anywhere else PublicResolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    @property
    def public_key(self) -> str:
        """What browsers subscribe with; "" where there is no key and no push."""
        return self._vapid.public_key if self._vapid else ""

    def check(self, endpoint: str) -> None:
        """Raises `EndpointError` for a URL that may not be called."""
        if not self._anywhere:
            check_endpoint(endpoint)

    async def send(self, subscription: Subscription, push: Push) -> None:
        """Return once the push service has taken it. Raises `GoneError`, `RefusedError` or `DelayedError`."""
        assert self._session is not None, "open the sender with `async with`"  # noqa: S101
        if self._vapid is None:
            raise DelayedError("no CHAT_VAPID_KEY")
        try:
            # Addresses written out are connected to without a look at the resolver.
            self.check(subscription.endpoint)
        except EndpointError as error:
            raise RefusedError(str(error)) from error
        headers = {
            "Authorization": self._vapid.authorization(subscription.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(self._ttl),
            "Topic": push.topic,
            "Urgency": "high" if push.urgent else "normal",
        }
        body = encrypt(push.content, subscription.public_key, subscription.auth_secret)
        try:
            async with self._session.post(
                subscription.endpoint, data=body, headers=headers, allow_redirects=False
            ) as response:
                judge(response.status, response.headers.get("Retry-After", ""))
        except (aiohttp.InvalidURL, ValueError) as error:
            raise RefusedError(type(error).__name__) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DelayedError(type(error).__name__) from error


def judge(status: int, retry_after: str) -> None:
    """What a push service's answer means: returns when it has taken the push, raises as `PushSender.send` does."""
    if 200 <= status < 300:
        return
    if status in {404, 410}:
        raise GoneError(f"status {status}")
    if status in {408, 425, 429} or status >= 500:
        raise DelayedError(f"status {status}", _seconds(retry_after))
    raise RefusedError(f"status {status}")


def _seconds(retry_after: str) -> float:
    """The header's value, seconds or a date (RFC 9110), within bounds; 0 when there is none that makes sense."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after[:10]), _LONGEST_RETRY_AFTER_SECONDS)
    try:
        wait = (parsedate_to_datetime(retry_after) - utc_now()).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return min(max(wait, 0.0), _LONGEST_RETRY_AFTER_SECONDS)
