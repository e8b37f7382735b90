"""What a file is, told from its first bytes. Names and declared types are the sender's claim and count for nothing."""

import codecs

import filetype  # pyright: ignore[reportMissingTypeStubs]

HEAD_BYTES = 8192
"""How much of a file's beginning `content_type` wants."""

TEXT = "text/plain; charset=utf-8"
UNKNOWN = "application/octet-stream"
IMAGES = frozenset({"image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp"})
"""Images that thumbnails are made of."""
UNDECODED_IMAGES = frozenset({"image/heic", "image/heif"})
"""Images whose metadata are taken out, and no more."""

_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx"})
"""Brands of HEIF that the library does not tell, or only with others."""
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1b\x08")


def content_type(head: bytes) -> str:
    """The media type of a file that begins with `head`; `UNKNOWN` when nothing is certain.

    Markup (HTML, SVG, XML) is text here: told to be anything else, a browser might run it.
    """
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[16:64]:
        return "image/heif"
    kind = filetype.guess_mime(head[:HEAD_BYTES])
    if kind:
        return str(kind)
    return TEXT if head and _is_text(head[:HEAD_BYTES]) else UNKNOWN


def _is_text(head: bytes) -> bool:
    if any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
