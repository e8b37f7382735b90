"""Reads one image from standard input, writes it back clean, and its thumbnails. A program of its own on purpose.

Image decoders are where hostile files strike. Here one runs without secrets in its environment, under limits of memory
and CPU time set before the first byte is read, and may crash or be killed without harm to anything else.

Output: a line of JSON, `{"width", "height", "animated", "bytes", "thumbnails": [{"size", "width", "height", "bytes"},
…]}`, then the image without metadata (`bytes` long; 0: it was clean as it came), then the WebP files one after another.
Exit code 1: the image cannot be read; 2: it has too many pixels.
"""

import contextlib
import io
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, JpegImagePlugin

from chatcluster_file import metadata

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
MEMORY_BYTES = 768 << 20
CPU_SECONDS = 20
MOST_FRAMES = 2000
"""Frames of an animation; all of them together may have `_ANIMATION` times the pixels of one image."""
_ANIMATION = 50
_QUALITY = 80
_ORIENTATION = 0x0112


class TooLargeError(ValueError):
    """More pixels, or frames, than are accepted."""


@dataclass
class Facts:
    """An image's upright dimensions in pixels, if they are known, and whether it moves."""

    width: int | None
    height: int | None
    animated: bool


def inspect(image: Image.Image, max_pixels: int) -> Facts:
    """What the headers say. Raises `TooLargeError` before anything is decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise TooLargeError(f"{width} x {height} pixels are more than {max_pixels}")
    frames = getattr(image, "n_frames", 1)
    if frames > MOST_FRAMES or width * height * frames > _ANIMATION * max_pixels:
        raise TooLargeError(f"{frames} frames of {width} x {height} pixels are too many")
    if turned(image) and image.getexif()[_ORIENTATION] >= 5:  # by a quarter
        width, height = height, width
    return Facts(width, height, frames > 1)


def turned(image: Image.Image) -> bool:
    """Whether a viewer is told, by EXIF, to show the image turned or mirrored."""
    return image.getexif().get(_ORIENTATION, 1) in range(2, 9)


def clean(data: bytes, max_pixels: int) -> tuple[Facts, bytes]:
    """The image upright and without metadata; as it came, bit for bit, apart from that, wherever that can be."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        facts = inspect(image, max_pixels)
        kind = str(image.format)
        # AVIF says by itself, without EXIF, how it is turned.
        if turned(image) and not facts.animated and kind != "AVIF":
            return facts, _again(image, kind)
    return facts, metadata.strip(data, f"image/{kind.lower()}")


def _again(image: Image.Image, kind: str) -> bytes:
    """The image encoded once more, upright: as finely as before, where the format says how finely that was."""
    options: dict[str, Any] = {"exif": b"", "xmp": b"", "icc_profile": image.info.get("icc_profile") or b""}
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        options |= {"qtables": image.quantization, "subsampling": JpegImagePlugin.get_sampling(image), "optimize": True}
    elif kind == "WEBP":
        options |= {"quality": 90, "method": 4}
    upright = ImageOps.exif_transpose(image)
    if not options["icc_profile"]:
        upright.info.pop("icc_profile", None)
    out = io.BytesIO()
    upright.save(out, kind, **{name: value for name, value in options.items() if kind != "PNG" or name != "xmp"})
    return out.getvalue()


def thumbnails(data: bytes, sizes: dict[str, int]) -> dict[str, Image.Image]:
    """A copy a size: upright by its EXIF, first frame, no metadata. `sizes`: name to the longer side in pixels."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        largest = max(sizes.values())
        image.draft("RGB", (largest, largest))  # a JPEG is decoded no larger than needed
        mode = "RGBA" if image.has_transparency_data else "RGB"
        whole = image if image.mode == mode else image.convert(mode)
        whole.thumbnail((largest, largest), Image.Resampling.LANCZOS)  # in place, before anything makes a copy of it
        work = ImageOps.exif_transpose(whole)
    made: dict[str, Image.Image] = {}
    for name, side in sorted(sizes.items(), key=lambda item: -item[1]):
        work = work.copy()
        work.thumbnail((side, side), Image.Resampling.LANCZOS)
        made[name] = work
    return made


def square(data: bytes, side: int, max_pixels: int) -> Image.Image:
    """The middle of the image, `side` pixels wide and high."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        inspect(image, max_pixels)
        image.draft("RGB", (2 * side, 2 * side))
        mode = "RGBA" if image.has_transparency_data else "RGB"
        upright = ImageOps.exif_transpose(image if image.mode == mode else image.convert(mode))
    return ImageOps.fit(upright, (side, side), Image.Resampling.LANCZOS)


def encode(image: Image.Image) -> bytes:
    """WebP without EXIF, XMP or colour profile: Pillow writes only what it is given."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY, method=4, exif=b"", xmp=b"", icc_profile=b"")
    return out.getvalue()


def answer(data: bytes, command: str, max_pixels: int, sizes: dict[str, int]) -> bytes:
    """The program's output for `data`."""
    if command == "strip":
        facts, made = Facts(None, None, False), {}
        cleaned = metadata.strip(data, "image/heic")
    elif command == "square":
        facts = Facts(max(sizes.values()), max(sizes.values()), False)
        cleaned = b""
        made = {name: square(data, side, max_pixels) for name, side in sizes.items()}
    else:
        facts, cleaned = clean(data, max_pixels)
        made = thumbnails(data, sizes)
    if cleaned == data:
        cleaned = b""
    encoded = {name: encode(image) for name, image in made.items()}
    head = {
        "width": facts.width,
        "height": facts.height,
        "animated": facts.animated,
        "bytes": len(cleaned),
        "thumbnails": [
            {"size": name, "width": made[name].width, "height": made[name].height, "bytes": len(encoded[name])}
            for name in sizes
            if name in made
        ],
    }
    return json.dumps(head).encode() + b"\n" + cleaned + b"".join(encoded[name] for name in sizes if name in made)


def main() -> int:
    """Arguments: `clean`, `square`, or `strip` (formats not decoded here); the most pixels; `name=side` pairs."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # should memory run out, this process goes first
    command, max_pixels = sys.argv[1], int(sys.argv[2])
    sizes = {name: int(side) for name, side in (argument.split("=") for argument in sys.argv[3:])}
    Image.MAX_IMAGE_PIXELS = None  # the limit is checked by `inspect`
    try:
        output = answer(sys.stdin.buffer.read(), command, max_pixels, sizes)
    except TooLargeError:
        return 2
    except Exception as error:
        # Any decoder may raise anything on a file made to break it.
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
