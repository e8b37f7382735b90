"""Files as telephones write them, built here box by box: what tells of the photographer is gone, the rest is there."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_file import content, heif

EXIF, XMP, PICTURE = b"Exif: 48.8584 N 2.2945 E", b"<x:xmpmeta>my address</x:xmpmeta>", b"the picture itself"


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind: bytes, version: int, *content: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *content)


def item(number: int, kind: bytes) -> bytes:
    return full(b"infe", 2, struct.pack(">HH", number, 0), kind, b"name\0")


def location(number: int, method: int, offset: int, length: int) -> bytes:
    return struct.pack(">HHHHII", number, method, 0, 1, offset, length)


def photograph(brand: bytes = b"heic", *, xmp_in_box: bool = True) -> bytes:
    """A picture and EXIF behind one another in `mdat`, XMP in `idat`."""
    head = box(b"ftyp", brand, b"\0\0\0\0", b"mif1", brand)

    def meta(at: int) -> bytes:
        items = full(b"iinf", 0, struct.pack(">H", 3), item(1, b"hvc1"), item(2, b"Exif"), item(3, b"mime"))
        where = [
            location(1, 0, at, len(PICTURE)),
            location(2, 0, at + len(PICTURE), len(EXIF)),
            location(3, 1 if xmp_in_box else 2, 0, len(XMP)),
        ]
        places = full(b"iloc", 1, struct.pack(">HH", 0x4400, 3), *where)
        return full(b"meta", 0, items, places, box(b"idat", XMP))

    at = len(head) + len(meta(0)) + 8
    return head + meta(at) + box(b"mdat", PICTURE, EXIF) + box(b"uuid", b"maker: my address")


def test_metadata_become_zeros_and_nothing_moves() -> None:
    data = photograph()
    stripped = heif.strip(data)
    assert len(stripped) == len(data)
    assert not any(secret in stripped for secret in (EXIF, XMP, b"my address"))
    assert stripped.index(PICTURE) == data.index(PICTURE)
    assert heif.strip(stripped) == stripped
    assert sum(a != b for a, b in zip(data, stripped, strict=True)) <= len(EXIF + XMP) + len(b"maker: my address")


def test_film_metadata_go_too() -> None:
    track = box(b"trak", box(b"tkhd", b"kept"), box(b"udta", b"my address"))
    data = box(b"ftyp", b"hevc\0\0\0\0") + box(
        b"moov", track, full(b"meta", 0, box(b"ilst", b"my address")), box(b"mvhd", b"kept")
    )
    stripped = heif.strip(data)
    assert b"my address" not in stripped
    assert stripped.count(b"kept") == 2


def test_metadata_that_cannot_be_taken_out_are_not_let_through() -> None:
    with pytest.raises(heif.MalformedError):
        heif.strip(photograph(xmp_in_box=False))


@given(cut=st.integers(0, 10_000), at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_damage_is_malformed_or_leaves_the_length(cut: int, at: int, byte: int) -> None:
    data = bytearray(photograph())
    data[at % len(data)] = byte
    del data[len(data) - cut % 50 :]
    try:
        assert len(heif.strip(bytes(data))) == len(data)
    except heif.MalformedError:
        return


@pytest.mark.parametrize(
    ("brand", "expected"),
    [(b"heic", "image/heic"), (b"heix", "image/heif"), (b"mif1", "image/heif"), (b"avif", "image/avif")],
)
def test_the_formats_are_told_by_their_brand(brand: bytes, expected: str) -> None:
    assert content.content_type(photograph(brand)) == expected
