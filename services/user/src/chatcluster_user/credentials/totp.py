"""Time-based one-time passwords (RFC 6238, HMAC-SHA-1, six digits, 30 seconds), and codes for a lost device."""

import base64
import hashlib
import hmac
import secrets
import urllib.parse

STEP_SECONDS = 30
DIGITS = 6
_DRIFT = 1
"""Steps that a device's clock may be off, either way."""

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10


def new_secret() -> str:
    """160 random bits in base32, as authenticator programs take them."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def uri(secret: str, username: str) -> str:
    """What an authenticator program reads from a QR code."""
    return f"otpauth://totp/ChatCluster:{urllib.parse.quote(username)}?secret={secret}&issuer=ChatCluster"


def code(secret: str, step: int) -> str:
    """The code of one step since 1970."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def match(secret: str, shown: str, now: float, last_step: int) -> int | None:
    """The step that `shown` is the code of, if it is around `now` (Unix seconds) and after `last_step`."""
    current = int(now) // STEP_SECONDS
    for step in range(max(current - _DRIFT, last_step + 1), current + _DRIFT + 1):
        if hmac.compare_digest(code(secret, step).encode(), shown.encode()):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Codes of 80 random bits: `ABCD-EFGH-IJKL-MNOP`."""
    made = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    return ["-".join(text[i : i + 4] for i in range(0, len(text), 4)) for text in made]


def recovery_hash(shown: str) -> bytes:
    """What is stored of a recovery code; case and dashes do not matter. Its bits are too many to be guessed."""
    return hashlib.sha256(shown.replace("-", "").replace(" ", "").upper().encode()).digest()
