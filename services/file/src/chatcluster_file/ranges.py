"""Range requests (RFC 9110, section 14): one range a request, which is what players and download managers send."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`length` bytes from `offset` on."""

    offset: int
    length: int

    def content_range(self, size: int) -> str:
        """The `Content-Range` header of a 206."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{size}"


class Unsatisfiable(Exception):  # noqa: N818 the RFC's own word
    """The range lies outside the content: answer 416."""


def parse(header: str | None, size: int) -> ByteRange | None:
    """The range asked for, cut to the content's `size` in bytes.

    None means the whole: no header, or another unit, several ranges or a malformed one, which a server may ignore.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last n bytes
        length = min(int(match[2]), size)
        if length == 0:
            raise Unsatisfiable
        return ByteRange(size - length, length)
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return ByteRange(first, last - first + 1)


def etag_matches(header: str | None, etag: str, *, weak: bool) -> bool:
    """Whether an `If-None-Match` (weak comparison) or `If-Range` (strong) header names `etag`, a strong one."""
    if not header:
        return False
    if weak and header.strip() == "*":
        return True
    tags = [tag.strip() for tag in header.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)
