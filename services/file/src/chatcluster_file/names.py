"""File names: made safe when they come in, written safely when they go out (RFC 6266)."""

import re
import unicodedata
from urllib.parse import quote

MAX_BYTES = 255
"""Of a name in UTF-8: what common file systems hold."""

_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_MAX_SUFFIX = 16

_INLINE = frozenset(
    {
        *("image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp"),
        *("audio/aac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/x-flac", "audio/x-wav"),
        *("video/mp4", "video/quicktime", "video/webm"),
        "text/plain; charset=utf-8",
    }
)
"""Types a browser may show in place: none of them can run anything."""


def sanitise(sent: str) -> str:
    """A name that is safe to store, show and save under: no path, no control or direction characters, not too long."""
    name = unicodedata.normalize("NFC", sent).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in name if unicodedata.category(c) not in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
    name = _FORBIDDEN.sub("_", name).strip(" .")
    if _DEVICE.match(name):
        name = f"_{name}"
    return _shorten(name) or "file"


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > _MAX_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = MAX_BYTES - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + suffix


def content_disposition(name: str, content_type: str) -> str:
    """The header's value: `inline` for harmless types alone, the name in ASCII for old clients and whole in UTF-8."""
    kind = "inline" if content_type in _INLINE else "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[\\"%]', "_", plain).strip(" .") or "file"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
