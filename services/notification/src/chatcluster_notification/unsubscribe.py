"""The link by which a mail's reader stops further ones without signing in (RFC 8058).

Its token names the person and is signed. It does one thing, which its holder may well want, and does not expire: a mail
may be read years later.
"""

import base64
import hmac
import re

from pydantic import SecretStr

_PURPOSE = b"chatcluster notification: unsubscribe"
_MAC_BYTES = 16
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,100})\.([A-Za-z0-9_-]{22})")
TOKEN_PATTERN = rf"^{_TOKEN.pattern}$"
PATH = "/api/v1/notifications/unsubscribe"


class UnsubscribeLinks:
    """Makes and checks the links of one ChatCluster."""

    def __init__(self, secret: SecretStr, public_url: str) -> None:
        self._key = hmac.digest(secret.get_secret_value().encode(), _PURPOSE, "sha256")
        self._public_url = public_url.rstrip("/")

    def url(self, user_id: str) -> str:
        """The person's link; "" where the public address is not known."""
        return f"{self._public_url}{PATH}?token={self.token(user_id)}" if self._public_url else ""

    def token(self, user_id: str) -> str:
        """The person's token."""
        return f"{_encode(user_id.encode())}.{_encode(self._mac(user_id))}"

    def user_of(self, token: str) -> str | None:
        """Whose token it is; None for one that was not made here."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        try:
            user_id = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode()
        except ValueError:
            return None
        return user_id if hmac.compare_digest(self.token(user_id), token) else None

    def _mac(self, user_id: str) -> bytes:
        return hmac.digest(self._key, user_id.encode(), "sha256")[:_MAC_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
