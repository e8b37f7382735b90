"""Takes what tells about the photographer out of an image, and leaves the picture as it is, bit for bit.

Cameras and editors write place, time, device and person into an image: as EXIF, XMP, IPTC, text and comments, and
behind its end. Here the container is rebuilt from those of its pieces that a viewer needs, and from no others: what is
not known to be harmless goes. Nothing is decoded, so that nothing is lost and animations stay.
"""

import struct
from collections.abc import Callable, Iterator

from chatcluster_file import heif
from chatcluster_file.heif import MalformedError

__all__ = ["MalformedError", "strip"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"),
        *(b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"pHYs"),
    }
)
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"ICCP"})
_WEBP_EXIF_AND_XMP = 0x08 | 0x04
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_JPEG_APP_KEPT: dict[int, tuple[bytes, ...]] = {
    0xE0: (b"JFIF\0",),
    0xE2: (b"ICC_PROFILE\0",),
    0xEE: (b"Adobe",),
}
_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE


def strip(data: bytes, content_type: str) -> bytes:
    """The same image without metadata. Raises `MalformedError`; `KeyError` for a type that this does not know."""
    try:
        return b"".join(_STRIPPERS[content_type](data))
    except (struct.error, IndexError) as error:
        raise MalformedError("it ends early") from error


def _jpeg(data: bytes) -> Iterator[bytes]:
    if data[:2] != b"\xff\xd8":
        raise MalformedError("no start of image")
    yield b"\xff\xd8"
    at = 2
    while True:
        if data[at] != 0xFF:
            raise MalformedError("no marker where one must be")
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == _EOI:  # what follows is no part of the picture: previews, depth maps, whole films
            yield b"\xff\xd9"
            return
        if marker in _JPEG_STANDALONE:
            yield data[at : at + 2]
            at += 2
            continue
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if end < at + 4 or end > len(data):
            raise MalformedError("a segment is longer than the file")
        if _jpeg_kept(marker, data[at + 4 : end]):
            yield data[at:end]
        at = end
        if marker == _SOS:
            start = at
            at = _end_of_scan(data, at)
            yield data[start:at]


def _jpeg_kept(marker: int, payload: bytes) -> bool:
    if marker == _COM:
        return False
    if 0xE0 <= marker <= 0xEF:
        return payload.startswith(_JPEG_APP_KEPT.get(marker, ()))
    return True


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the entropy-coded data end that begin at `at`: at the next marker that is none of their own."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise MalformedError("the picture is cut off")
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _png(data: bytes) -> Iterator[bytes]:
    if not data.startswith(_PNG_SIGNATURE):
        raise MalformedError("no signature")
    yield _PNG_SIGNATURE
    at = len(_PNG_SIGNATURE)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise MalformedError("a chunk is longer than the file")
        if kind in _PNG_KEPT:
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end


def _webp(data: bytes) -> Iterator[bytes]:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise MalformedError("no signature")
    end_of_file = 8 + struct.unpack_from("<I", data, 4)[0]
    if end_of_file > len(data):
        raise MalformedError("it is cut off")
    chunks: list[bytes] = []
    at = 12
    while at + 8 <= end_of_file:
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + (length & 1)
        if end > end_of_file + 1:
            raise MalformedError("a chunk is longer than the file")
        chunk = data[at:end]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_EXIF_AND_XMP]) + chunk[9:]
        if kind in _WEBP_KEPT:
            chunks.append(chunk)
        at = end
    body = b"WEBP" + b"".join(chunks)
    yield b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(data: bytes) -> Iterator[bytes]:
    if data[:6] not in {b"GIF87a", b"GIF89a"}:
        raise MalformedError("no signature")
    at = 13 + _colour_table(data[10])
    yield data[:at]
    while True:
        kind = data[at]
        if kind == 0x3B:
            yield b"\x3b"
            return
        if kind == 0x2C:
            end = _end_of_blocks(data, at + 11 + _colour_table(data[at + 9]))
            yield data[at:end]
        elif kind == 0x21:
            end = _end_of_blocks(data, at + 2)
            # Kept: how a frame is shown (0xF9), and how often all are (an application's block).
            if data[at + 1] == 0xF9 or (data[at + 1] == 0xFF and data[at + 3 : at + 14] in _GIF_LOOPS):
                yield data[at:end]
        else:
            raise MalformedError("an unknown block")
        at = end


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 0x07) + 1) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


def _heif(data: bytes) -> Iterator[bytes]:
    yield heif.strip(data)


def _bmp(data: bytes) -> Iterator[bytes]:
    yield data  # the format has no place for metadata


_STRIPPERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "image/avif": _heif,
    "image/bmp": _bmp,
    "image/gif": _gif,
    "image/heic": _heif,
    "image/heif": _heif,
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
}
