"""Reads one image from standard input, writes its thumbnails to standard output. A program of its own on purpose.

Image decoders are where hostile files strike. Here one runs without secrets in its environment, under limits of memory
and CPU time set before the first byte is read, and may crash or be killed without harm to anything else.

Output: a line of JSON, `{"width", "height", "thumbnails": [{"size", "width", "height", "bytes"}, …]}`, then the WebP
files one after another, `bytes` long each. Exit code 1: the image cannot be read, or has too many pixels.
"""

import contextlib
import io
import json
import resource
import sys
from pathlib import Path

from PIL import Image, ImageOps

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
MEMORY_BYTES = 512 << 20
CPU_SECONDS = 20
_QUALITY = 80


def make(data: bytes, sizes: dict[str, int], max_pixels: int) -> tuple[tuple[int, int], dict[str, Image.Image]]:
    """The image's upright dimensions, and a copy a size: upright by its EXIF, first frame, no metadata.

    `sizes` maps names to the longer side in pixels. Raises `ValueError` for an image that is too large, and what
    Pillow raises for one that it cannot read.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise ValueError(f"{width} x {height} pixels are more than {max_pixels}")
        if image.getexif().get(0x0112, 1) in {5, 6, 7, 8}:  # orientation: turned by a quarter
            width, height = height, width
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
    return (width, height), made


def encode(image: Image.Image) -> bytes:
    """WebP without EXIF, XMP or colour profile: Pillow writes only what it is given."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY, method=4, exif=b"", xmp=b"", icc_profile=b"")
    return out.getvalue()


def main() -> int:
    """Arguments: the most pixels to accept, then `name=side` pairs."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # should memory run out, this process goes first
    max_pixels = int(sys.argv[1])
    sizes = {name: int(side) for name, side in (argument.split("=") for argument in sys.argv[2:])}
    Image.MAX_IMAGE_PIXELS = None  # the limit is checked by `make`
    try:
        (width, height), made = make(sys.stdin.buffer.read(), sizes, max_pixels)
    except Exception as error:
        # Any decoder may raise anything on a file made to break it.
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1
    encoded = {name: encode(image) for name, image in made.items()}
    thumbnails = [
        {"size": name, "width": made[name].width, "height": made[name].height, "bytes": len(encoded[name])}
        for name in sizes
    ]
    head = {"width": width, "height": height, "thumbnails": thumbnails}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(encoded[name] for name in sizes))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
