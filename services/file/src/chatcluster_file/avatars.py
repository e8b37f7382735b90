"""Pictures of people: square, small, and open to whoever knows their address, which nobody can guess."""

import re
import secrets
from collections.abc import AsyncIterator
from urllib.parse import quote

from chatcluster_common import errors
from chatcluster_file import content
from chatcluster_file.bucket import Bucket
from chatcluster_file.forms import too_large
from chatcluster_file.images import Images, refused
from chatcluster_file.multipart import Event, PartBegin, PartData, PartEnd

MAX_BYTES = 10 << 20
"""Of an image that becomes an avatar."""
_STORED_BYTES = 1 << 20
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")

PATH = "/api/v1/files/avatars"


class Avatars:
    """Each person has one picture or none. A new one has a new address; the old one is gone."""

    def __init__(self, bucket: Bucket, images: Images) -> None:
        self._bucket = bucket
        self._images = images

    async def put(self, user_id: str, events: AsyncIterator[Event]) -> str:
        """Make the one image of a form the person's picture; returns its path. 413, 422 as for other images."""
        async with self._images.place():
            image = await _only_file(events)
            if content.content_type(image) not in content.IMAGES:
                raise refused("This is no image that can be shown: send a JPEG, PNG, WebP, GIF, AVIF or BMP.")
            webp = await self._images.square(image)
        earlier = await self._tokens(user_id)
        token = secrets.token_urlsafe(16)
        await self._bucket.put(_portrait(user_id, token))
        await self._bucket.put(_key(token), webp, "image/webp")
        await self._remove(user_id, earlier)
        return f"{PATH}/{token}.webp"

    async def delete(self, user_id: str) -> None:
        """Remove the person's picture, if there is one."""
        await self._remove(user_id, await self._tokens(user_id))

    async def path(self, user_id: str) -> str | None:
        """Where the person's picture is."""
        tokens = await self._tokens(user_id)
        return f"{PATH}/{tokens[-1]}.webp" if tokens else None

    async def get(self, name: str) -> bytes:
        """The WebP bytes at an address, or 404."""
        token = name.removesuffix(".webp")
        image = await self._bucket.read(_key(token), _STORED_BYTES) if _TOKEN.fullmatch(token) else None
        if image is None:
            raise errors.not_found("avatar")
        return image

    async def _tokens(self, user_id: str) -> list[str]:
        return await self._bucket.keys(_portrait(user_id, ""))

    async def _remove(self, user_id: str, tokens: list[str]) -> None:
        # The picture first: while the person's key is there, an erasure finds what is left.
        await self._bucket.remove(*(_key(token) for token in tokens))
        await self._bucket.remove(*(_portrait(user_id, token) for token in tokens))


def _key(token: str) -> str:
    return f"avatars/{token}.webp"


def _portrait(user_id: str, token: str) -> str:
    return f"portraits/{quote(user_id, safe='')}/{token}"


async def _only_file(events: AsyncIterator[Event]) -> bytes:
    image: bytearray | None = None
    async for event in events:
        match event:
            case PartBegin(name="file", filename=str()) if image is None:
                image = bytearray()
            case PartData(data) if image is not None:
                image += data
                if len(image) > MAX_BYTES:
                    raise too_large(MAX_BYTES)
            case PartEnd():
                pass
            case _:
                raise errors.invalid("body.file", "Send one part named `file` with a file name, and nothing else.")
    if image is None:
        raise errors.invalid("body.file", "Send one part named `file` with a file name.")
    return bytes(image)
