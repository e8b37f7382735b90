"""Images made clean and small, and limits that hold; the program as the service runs it is tested in tests/services."""

import io
import json
from typing import Any

import pytest
from PIL import Image, ImageOps

from chatcluster_file import image_program

SIZES = {"small": 16, "large": 64}
SECRET = b"48.8584N 2.2945E"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def halves(width: int = 96, height: int = 64) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    return exif


def test_transparency_survives_and_palettes_are_resolved() -> None:
    for mode in ("RGBA", "LA", "P", "L", "1"):
        image = Image.new(mode, (100, 50))
        made = image_program.thumbnails(encoded(image), SIZES)
        assert {name: copy.size for name, copy in made.items()} == {"large": (64, 32), "small": (16, 8)}
        with Image.open(io.BytesIO(image_program.encode(made["large"]))) as webp:
            assert (webp.mode == "RGBA") == (mode in {"RGBA", "LA"})


def test_a_sliver_keeps_at_least_a_pixel() -> None:
    assert image_program.thumbnails(encoded(Image.new("RGB", (1000, 1))), SIZES)["small"].size == (16, 1)


@pytest.mark.parametrize("command", ["clean", "square"])
def test_too_many_pixels_are_refused_before_they_are_decoded(command: str) -> None:
    with pytest.raises(image_program.TooLargeError, match="200 x 100 pixels"):
        image_program.answer(encoded(Image.new("RGB", (200, 100))), command, 19_999, SIZES)


def test_too_many_frames_are_refused() -> None:
    frames = [Image.new("L", (10, 10), shade) for shade in range(60)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(image_program.TooLargeError, match="60 frames"):
        image_program.clean(data, 100)


def test_other_formats_are_not_even_tried() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        image_program.clean(encoded(Image.new("RGB", (10, 10)), "TIFF"), 10_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_image_is_upright_and_says_nothing_of_its_camera(kind: str, orientation: int) -> None:
    data = encoded(halves(), kind, exif=camera_exif(orientation))
    assert SECRET in data
    facts, cleaned = image_program.clean(data, 10_000)
    assert SECRET not in cleaned
    with Image.open(io.BytesIO(cleaned)) as image, Image.open(io.BytesIO(data)) as sent:
        assert image.format == kind
        if kind == "AVIF":  # it says how it is turned, in its own way, and is the same bit for bit
            assert image.tobytes() == sent.tobytes()
            image = ImageOps.exif_transpose(image)  # noqa: PLW2901
        assert image.size == (facts.width, facts.height)
        assert not image.getexif()
        assert facts.width
        assert facts.height
        upright = image_program.thumbnails(data, {"all": 96})["all"]
        for point in ((5, 5), (facts.width - 5, facts.height - 5)):
            wanted, found = upright.convert("RGB").getpixel(point), image.convert("RGB").getpixel(point)
            assert all(abs(a - b) < 40 for a, b in zip(wanted, found, strict=True))  # pyright: ignore[reportArgumentType]
        if orientation == 1:
            assert image.tobytes() == sent.tobytes()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_stay(kind: str) -> None:
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "green", "blue")]
    options: dict[str, Any] = {} if kind == "GIF" else {"exif": camera_exif()}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=70, loop=0, **options)
    facts, cleaned = image_program.clean(data, 10_000)
    assert facts.animated
    assert SECRET not in cleaned
    with Image.open(io.BytesIO(cleaned)) as image:
        assert image.n_frames == 3  # pyright: ignore[reportAttributeAccessIssue]
        image.seek(2)
        assert image.convert("RGB").getpixel((5, 5))[2] > 200  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]


def test_colours_stay_what_the_profile_says() -> None:
    profile = b"\0" * 4 + b"profile" + b"\0" * 200
    for kind in ("JPEG", "PNG", "WEBP"):
        for orientation in (1, 6):
            data = encoded(halves(), kind, icc_profile=profile, exif=camera_exif(orientation))
            _, cleaned = image_program.clean(data, 10_000)
            with Image.open(io.BytesIO(cleaned)) as image:
                assert image.info["icc_profile"] == profile, (kind, orientation)


def test_the_answer_says_how_long_each_piece_is_and_leaves_out_what_has_not_changed() -> None:
    plain = encoded(halves(), "PNG")
    head, _, rest = image_program.answer(plain, "clean", 10_000, SIZES).partition(b"\n")
    facts = json.loads(head)
    assert (facts["width"], facts["height"], facts["animated"], facts["bytes"]) == (96, 64, False, 0)
    assert len(rest) == sum(thumbnail["bytes"] for thumbnail in facts["thumbnails"])
    head, _, rest = image_program.answer(plain, "square", 10_000, {"only": 32}).partition(b"\n")
    with Image.open(io.BytesIO(rest)) as image:
        assert image.size == (32, 32)
