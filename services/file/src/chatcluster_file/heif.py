"""Metadata out of HEIF and AVIF, the formats of telephones: ISO base media files, boxes in boxes.

What such a file holds (the picture, its tiles, EXIF, XMP) are items, and the box `iloc` says where each lies. Taking
one out would move all others, so metadata are overwritten where they are. A turned picture stays as it is: that it is
turned is a property of its own here (`irot`), which every viewer heeds.
"""

from collections.abc import Iterator

_METADATA_ITEMS = frozenset({b"Exif", b"mime", b"uri "})
_METADATA_BOXES = frozenset({b"uuid", b"udta", b"free", b"skip"})
_IN_FILE, _IN_BOX = 0, 1
_EMPTY_EXIF = b"\0\0\0\0MM\0*\0\0\0\x08" + bytes(6)
"""EXIF of no entries: decoders refuse an item that is none."""


class MalformedError(ValueError):
    """The file is not built as its format says; nothing can be said of what it holds."""


def strip(data: bytes) -> bytes:
    """The same file, as long as before, its metadata zeros. Raises `MalformedError`."""
    if data[4:8] != b"ftyp":
        raise MalformedError("no file type")
    clean = bytearray(data)
    _strip_boxes(clean, data, 0, len(data))
    return bytes(clean)


def _strip_boxes(clean: bytearray, data: bytes, start: int, end: int) -> None:
    for kind, first, last in _boxes(data, start, end):
        if kind in {b"moov", b"trak"}:  # of an image sequence
            _strip_boxes(clean, data, first, last)
        elif kind in _METADATA_BOXES:
            _blank(clean, first, last)
        elif kind == b"meta":
            for item_first, item_last, is_exif in _metadata_extents(data, first + 4, last):
                _blank(clean, item_first, item_last)
                if is_exif and item_last - item_first >= len(_EMPTY_EXIF):
                    clean[item_first : item_first + len(_EMPTY_EXIF)] = _EMPTY_EXIF


class _Reader:
    """Big-endian numbers, one after another."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self._end = end
        self.at = at

    def bytes(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > self._end:
            raise MalformedError("a box ends early")
        return self._data[start : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "big")


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Each box's kind, and where its content begins and ends."""
    while at < end:
        reader = _Reader(data, at, end)
        length, kind = reader.number(4), reader.bytes(4)
        if length == 1:
            length = reader.number(8)
        box_end = at + length if length else end
        if not reader.at <= box_end <= end:
            raise MalformedError("a box is longer than what it is in")
        yield kind, reader.at, box_end
        at = box_end


def _blank(clean: bytearray, first: int, last: int) -> None:
    if not 0 <= first <= last <= len(clean):
        raise MalformedError("an item lies outside of the file")
    clean[first:last] = bytes(last - first)


def _metadata_extents(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Where the metadata items of a `meta` box lie in the file, and whether they are EXIF."""
    boxes = {kind: (first, last) for kind, first, last in _boxes(data, start, end)}
    if b"ilst" in boxes:  # a film's way to say when, where and by whom
        yield *boxes[b"ilst"], False
    if b"iinf" not in boxes or b"iloc" not in boxes:
        return
    wanted = dict(_metadata_items(data, *boxes[b"iinf"]))
    origins = {_IN_FILE: 0}
    if b"idat" in boxes:
        origins[_IN_BOX] = boxes[b"idat"][0]
    for item, method, first, length in _locations(data, *boxes[b"iloc"]):
        if item in wanted:
            if method not in origins or not length:
                raise MalformedError("metadata lie where they cannot be taken out")
            yield origins[method] + first, origins[method] + first + length, wanted[item] == b"Exif"


def _metadata_items(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Number and type of each."""
    reader = _Reader(data, start, end)
    version = reader.number(4) >> 24
    reader.number(4 if version else 2)
    for kind, first, last in _boxes(data, reader.at, end):
        entry = _Reader(data, first, last)
        entry_version = entry.number(4) >> 24
        if kind != b"infe" or entry_version not in {2, 3}:
            raise MalformedError("an item of an unknown kind")
        item = entry.number(2 if entry_version == 2 else 4)
        entry.number(2)
        item_type = entry.bytes(4)
        if item_type in _METADATA_ITEMS:
            yield item, item_type


def _locations(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Item, how its place is told, and each of its pieces: offset and length."""
    reader = _Reader(data, start, end)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(reader.number(2 if version < 2 else 4)):
        item = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else _IN_FILE
        reader.number(2)
        base = reader.number(base_size)
        for _ in range(reader.number(2)):
            reader.number(index_size if version else 0)
            offset = base + reader.number(offset_size)
            yield item, method, offset, reader.number(length_size)
