"""Thumbnails of uploaded images, made by `chatcluster_file.thumbnail` in short-lived processes, a few at a time."""

import asyncio
import json
import sys
from dataclasses import dataclass

from prometheus_client import Counter

from chatcluster_common import logs
from chatcluster_file.models import PIXELS, Thumbnail

log = logs.get_logger(__name__)

_PROGRAM_SECONDS = 30.0
_QUEUE_SECONDS = 30.0

THUMBNAILS = Counter("chat_file_thumbnails_total", "Images that thumbnails were asked of, by result.", ["result"])


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """An image's upright dimensions in pixels and its thumbnails, each with its WebP bytes."""

    width: int
    height: int
    made: list[tuple[Thumbnail, bytes]]


class Thumbnailer:
    """Runs at most `workers` programs at a time."""

    def __init__(self, workers: int, max_pixels: int) -> None:
        self._free = asyncio.Semaphore(workers)
        self._arguments = [str(max_pixels), *(f"{size}={side}" for size, side in PIXELS.items())]

    async def make(self, data: bytes) -> Thumbnails | None:
        """The thumbnails of an image; None when it cannot be read, is too large or takes too long."""
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            THUMBNAILS.labels("busy").inc()
            return None
        try:
            output = await self._run(data)
        finally:
            self._free.release()
        THUMBNAILS.labels("refused" if output is None else "made").inc()
        return None if output is None else _parse(output)

    async def _run(self, data: bytes) -> bytes | None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "chatcluster_file.thumbnail", *self._arguments),
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
            return output
        reason = complaint.decode(errors="replace").strip().rsplit("\n", 1)[-1][:100]
        log.info("no thumbnails", exit_code=process.returncode, reason=reason)
        return None


def _parse(output: bytes) -> Thumbnails:
    line, _, rest = output.partition(b"\n")
    head = json.loads(line)
    made: list[tuple[Thumbnail, bytes]] = []
    for item in head["thumbnails"]:
        length = item.pop("bytes")
        made.append((Thumbnail.model_validate(item), rest[:length]))
        rest = rest[length:]
    return Thumbnails(head["width"], head["height"], made)
