"""Images made small, and limits that hold; the program as the service runs it is tested in tests/services."""

import io

import pytest
from PIL import Image

from chatcluster_file import thumbnail

SIZES = {"small": 16, "large": 64}


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def test_transparency_survives_and_palettes_are_resolved() -> None:
    for mode in ("RGBA", "LA", "P", "L", "1"):
        image = Image.new(mode, (100, 50))
        dimensions, made = thumbnail.make(encoded(image), SIZES, 10_000)
        assert dimensions == (100, 50)
        assert {name: copy.size for name, copy in made.items()} == {"large": (64, 32), "small": (16, 8)}
        with Image.open(io.BytesIO(thumbnail.encode(made["large"]))) as webp:
            assert (webp.mode == "RGBA") == (mode in {"RGBA", "LA"})


def test_a_sliver_keeps_at_least_a_pixel() -> None:
    _, made = thumbnail.make(encoded(Image.new("RGB", (1000, 1))), SIZES, 10_000)
    assert made["small"].size == (16, 1)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(ValueError, match="200 x 100 pixels"):
        thumbnail.make(encoded(Image.new("RGB", (200, 100))), SIZES, 19_999)


def test_other_formats_are_not_even_tried() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        thumbnail.make(encoded(Image.new("RGB", (10, 10)), "TIFF"), SIZES, 10_000)
