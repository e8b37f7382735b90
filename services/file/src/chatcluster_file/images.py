"""Uploaded images made clean and small, by `image_program` in short-lived processes, a few at a time."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter

from chatcluster_common import errors, logs
from chatcluster_file.models import PIXELS, Thumbnail, ThumbnailSize

log = logs.get_logger(__name__)

AVATAR_PIXELS = 512

_PROGRAM_SECONDS = 30.0
_QUEUE_SECONDS = 30.0
_TOO_LARGE = 2

IMAGES = Counter("chat_file_images_total", "Images worked on, by result.", ["result"])


@dataclass(frozen=True, slots=True)
class Image:
    """An image's upright dimensions in pixels, None where it is not decoded; its thumbnails with their WebP bytes."""

    width: int | None
    height: int | None
    animated: bool
    cleaned: bytes | None
    """None: it was clean as it came."""
    made: list[tuple[Thumbnail, bytes]]


class Images:
    """Runs at most `workers` programs at a time. Take a place before reading an image: that bounds memory."""

    def __init__(self, workers: int, max_pixels: int) -> None:
        self._free = asyncio.Semaphore(workers)
        self._max_pixels = max_pixels

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """A place among the workers; 503 when none comes free in time."""
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            IMAGES.labels("busy").inc()
            raise errors.unavailable("Too many images are being worked on. Try again shortly.") from error
        try:
            yield
        finally:
            self._free.release()

    async def clean(self, data: bytes) -> Image:
        """The image upright, without metadata, and its thumbnails. 422 when it cannot be read or is too large."""
        return await self._run("clean", data, [f"{size}={side}" for size, side in PIXELS.items()])

    async def strip(self, data: bytes) -> Image:
        """An image of a format that is not decoded here, without metadata: dimensions and thumbnails are not known."""
        return await self._run("strip", data, [])

    async def square(self, data: bytes) -> bytes:
        """The middle of the image as a WebP square of `AVATAR_PIXELS`. Problems as of `clean`."""
        image = await self._run("square", data, [f"{ThumbnailSize.MEDIUM}={AVATAR_PIXELS}"])
        return image.made[0][1]

    async def _run(self, command: Literal["clean", "square", "strip"], data: bytes, sizes: list[str]) -> Image:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "chatcluster_file.image_program", command, str(self._max_pixels), *sizes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"LC_ALL": "C.UTF-8"},
        )
        try:
            async with asyncio.timeout(_PROGRAM_SECONDS):
                output, complaint = await process.communicate(data)
        except TimeoutError:
            output, complaint = b"", b"timeout"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            IMAGES.labels("made").inc()
            return _parse(output)
        IMAGES.labels("refused").inc()
        reason = complaint.decode(errors="replace").strip().rsplit("\n", 1)[-1][:100]
        log.info("image refused", exit_code=process.returncode, reason=reason)
        if process.returncode == _TOO_LARGE:
            raise refused(f"The image has too many pixels or frames; {self._max_pixels} pixels are accepted.")
        raise refused("The image is damaged. Mend it, or pack it into an archive to send it as it is.")


def refused(detail: str) -> errors.Problem:
    """422 for an image that cannot be made safe."""
    return errors.Problem(422, "image_refused", detail)


def _parse(output: bytes) -> Image:
    line, _, rest = output.partition(b"\n")
    head = json.loads(line)
    cleaned, rest = rest[: head["bytes"]], rest[head["bytes"] :]
    made: list[tuple[Thumbnail, bytes]] = []
    for item in head["thumbnails"]:
        length = item.pop("bytes")
        made.append((Thumbnail.model_validate(item), rest[:length]))
        rest = rest[length:]
    return Image(head["width"], head["height"], head["animated"], cleaned or None, made)
