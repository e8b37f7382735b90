"""What the service encrypts: secrets at rest, and tokens that only it can read (Fernet, AES-128-CBC with HMAC)."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chatcluster_common import ids

DEVICE_SECONDS = 180 * 86_400
"""How long a device stays known without signing in."""


class Sealer:
    """Seals text for one purpose, so that what is sealed for one cannot be used for another.

    `keys` are Fernet keys separated by spaces: the first seals, all open, so that a key can be replaced.
    """

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys.split()])

    def seal(self, purpose: str, text: str) -> str:
        """The text encrypted."""
        return self._fernet.encrypt(f"{purpose}\n{text}".encode()).decode()

    def open(self, purpose: str, sealed: str, *, seconds: int | None = None) -> str | None:
        """The text; None when it was sealed by somebody else, for something else, or longer than `seconds` ago."""
        try:
            found, _, text = self._fernet.decrypt(sealed.encode(), ttl=seconds).decode().partition("\n")
        except (InvalidToken, ValueError):
            return None
        return text if found == purpose else None

    def device_token(self, user_id: str, device_id: str = "") -> str:
        """Lets a device be recognised at its next login; it opens nothing by itself."""
        return self.seal("device", f"{user_id} {device_id or ids.new_id()}")

    def device_of(self, token: str | None, user_id: str) -> str | None:
        """The device's id, when the token was given to one that this person signed in on."""
        text = self.open("device", token, seconds=DEVICE_SECONDS) if token else None
        owner, _, device_id = (text or "").partition(" ")
        return device_id if device_id and owner == user_id else None
