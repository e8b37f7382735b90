"""Metadata go, pixels stay, and files that are not what they seem never pass for clean."""

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from chatcluster_file import metadata

SECRET = b"my address"
KINDS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}


def image(kind: str) -> bytes:
    """A noisy picture with everything in it that the format has a place for."""
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", SECRET.decode())
    texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"exif": exif, "comment": SECRET, "xmp": SECRET, "progressive": True},
        "PNG": {"exif": exif, "pnginfo": texts},
        "WEBP": {"exif": exif, "xmp": SECRET},
        "GIF": {"comment": SECRET},
    }
    out = io.BytesIO()
    Image.effect_noise((33, 21), 90).convert("RGB").save(out, kind, **options[kind])
    return out.getvalue()


@pytest.mark.parametrize("content_type", KINDS)
def test_metadata_go_and_pixels_stay(content_type: str) -> None:
    data = image(KINDS[content_type]) + b"and behind the end: " + SECRET
    stripped = metadata.strip(data, content_type)
    assert data.count(SECRET) >= 2
    assert SECRET not in stripped
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(stripped)) as after:
        assert before.tobytes() == after.tobytes()
    assert metadata.strip(stripped, content_type) == stripped


@pytest.mark.parametrize("content_type", KINDS)
@given(cut=st.integers(0, 10_000))
def test_what_is_cut_off_is_malformed(content_type: str, cut: int) -> None:
    data = metadata.strip(image(KINDS[content_type]), content_type)
    with pytest.raises(metadata.MalformedError):
        metadata.strip(data[: cut % (len(data) - 1)], content_type)


@pytest.mark.parametrize("content_type", KINDS)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_damage_is_malformed_or_harmless_and_never_more(content_type: str, at: int, byte: int) -> None:
    data = bytearray(image(KINDS[content_type]))
    data[at % len(data)] = byte
    with contextlib.suppress(metadata.MalformedError):
        metadata.strip(bytes(data), content_type)
