"""A push service of the tests: devices subscribe at it, it takes pushes by real HTTP and can be told how to answer.

What it is sent it checks and decrypts as a browser does, by the RFCs and not with the notification service's code.
"""

import base64
import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _hmac(key: bytes, data: bytes) -> bytes:
    digest = HMAC(key, SHA256())
    digest.update(data)
    return digest.finalize()


def vapid_key() -> str:
    """A sender's private key, as `CHAT_VAPID_KEY` wants it."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class Push:
    """One push as a device shows it."""

    content: dict[str, Any]
    headers: dict[str, str]
    claims: dict[str, Any]
    """Of the sender's token."""


@dataclass
class Device:
    """A browser's side of a subscription."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: uuid.uuid4().bytes)
    pushes: list[Push] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of the next answers; without any, 201."""
    attempts: int = 0

    @property
    def point(self) -> bytes:
        """The public key, uncompressed."""
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self) -> dict[str, Any]:
        """What `PushSubscription.toJSON()` gives."""
        keys = {"p256dh": _base64url(self.point), "auth": _base64url(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def decrypt(self, body: bytes) -> bytes:
        """The content of one `aes128gcm` record (RFC 8188), keyed as RFC 8291 says."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        secret = _hmac(_hmac(self.auth, shared), b"WebPush: info\0" + self.point + sender + b"\x01")
        pseudo_random = _hmac(salt, secret)
        key = _hmac(pseudo_random, b"Content-Encoding: aes128gcm\0\x01")[:16]
        nonce = _hmac(pseudo_random, b"Content-Encoding: nonce\0\x01")[:12]
        padded = AESGCM(key).decrypt(nonce, record, None)
        content, delimiter, padding = padded.rpartition(b"\x02")
        assert delimiter
        assert not padding.strip(b"\0")
        return content

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """One push; the status and headers to answer with."""
        self.attempts += 1
        if self.answers:
            status, answer = self.answers.pop(0)
            if status >= 300:
                return status, answer
        scheme, _, parameters = headers["authorization"].partition(" ")
        assert scheme == "vapid"
        token, key = (part.strip().partition("=")[2] for part in parameters.split(","))
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(key))
        origin = "/".join(self.endpoint.split("/")[:3])
        claims = jwt.decode(token, point, algorithms=["ES256"], audience=origin, options={"require": ["exp", "aud"]})
        assert headers["content-encoding"] == "aes128gcm"
        assert "ttl" in headers
        self.pushes.append(Push(json.loads(self.decrypt(body)), headers, claims))
        return 201, {"Location": f"{self.endpoint}/1"}


@dataclass
class PushService:
    """Devices by the path of their endpoint."""

    url: str = ""
    devices: dict[str, Device] = field(default_factory=dict)

    def device(self) -> Device:
        """A new one, not yet subscribed with anybody."""
        path = f"/push/{uuid.uuid4()}"
        self.devices[path] = Device(self.url + path)
        return self.devices[path]


@contextlib.contextmanager
def running_push_service() -> Iterator[PushService]:
    """A server on a free loopback port."""
    service = PushService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            device = service.devices.get(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, answer = device.take(headers, body) if device else (410, {})
            except Exception as error:  # what is wrong with the push shows in the test, as a refusal
                status, answer = 400, {"X-Why": repr(error)[:200]}
            self.send_response(status)
            for name, value in answer.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
