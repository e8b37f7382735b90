"""The service's shapes, as clients see them and as they are stored."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chatcluster_common.clock import Timestamp

Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
"""An id of ours or of another service."""


class ThumbnailSize(StrEnum):
    """The thumbnails made of each image; the longer side in pixels is `PIXELS`."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


PIXELS: dict[ThumbnailSize, int] = {ThumbnailSize.SMALL: 128, ThumbnailSize.MEDIUM: 512, ThumbnailSize.LARGE: 1280}


class State(StrEnum):
    """What the virus scanner says of a file."""

    UNSCANNED = "unscanned"
    """No scanner is configured."""
    SCANNING = "scanning"
    CLEAN = "clean"
    INFECTED = "infected"


class Thumbnail(BaseModel):
    """A smaller WebP copy of an image; never larger than the image itself."""

    size: ThumbnailSize
    width: int = Field(description="Pixels.", examples=[512])
    height: int = Field(description="Pixels.", examples=[384])


class Content(BaseModel):
    """What is known about a file's bytes, whoever has sent them and whatever they call it."""

    model_config = ConfigDict(frozen=True)

    content_type: str = Field(description="Found in the content, never taken from the name.", examples=["image/jpeg"])
    size: int = Field(description="Bytes.", examples=[482113])
    sha256: str = Field(
        description="Of the content as it is stored, hexadecimal: an image's after its metadata were taken out.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    width: int | None = Field(default=None, description="Pixels, upright; images that could be read only.")
    height: int | None = Field(default=None, description="Pixels, upright; images that could be read only.")
    animated: bool = Field(default=False, description="The image has several frames. Its thumbnails show the first.")
    thumbnails: list[Thumbnail] = Field(default=[], description="Which `GET /files/{id}/thumbnails/{size}` has.")
    state: State = Field(
        default=State.UNSCANNED,
        description="What the virus scanner says: only `clean` and `unscanned` (there is no scanner) are given out.",
    )


class File(Content):
    """What is known about a file. Only `state`, and the message it belongs to, ever change."""

    id: str = Field(examples=["0198c1a2-7b3c-7def-8123-456789abcdef"])
    name: str = Field(description="The sender's name for it, made safe.", examples=["holiday.jpg"])
    owner_id: str
    conversation_id: str | None = Field(description="Its members may read the file; without one, the owner alone.")
    created_at: Timestamp


class Files(BaseModel):
    """Several files."""

    items: list[File]


class Blob(Content):
    """Stored content: the one copy that all files with these bytes share."""

    id: str


class Record(File):
    """A file as it is stored: also what clients need not know."""

    blob_id: str
    message_id: str | None = None

    def public(self) -> File:
        """What clients see."""
        return File.model_validate(self.model_dump(include=set(File.model_fields)))


class Pending(BaseModel):
    """An upload that is not complete yet: resumable (tus) or direct."""

    id: str
    kind: Literal["resumable", "direct"]
    owner_id: str
    name: str
    size: int
    sha256: str | None = None
    conversation_id: str | None = None
    multipart_id: str | None = None
    expires_at: datetime


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DirectUpload(_Body):
    """A file that is about to be sent to the store itself."""

    name: str = Field(max_length=1024, description="Made safe when the upload is complete.", examples=["holiday.mp4"])
    size: int = Field(strict=True, ge=0, le=1 << 50, description="Exact, bytes.", examples=[104857600])
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Of the content; checked when it is there."
    )
    conversation_id: Id | None = Field(default=None, description="Its members may read the file.")


class DirectTarget(BaseModel):
    """Where to send the bytes, with one PUT. Then call `POST /files/direct/{id}/complete`."""

    id: str = Field(description="The id that the file will have.")
    method: Literal["PUT"] = "PUT"
    url: str = Field(description="Takes the content as the request's body, without an Authorization header.")
    expires_at: Timestamp


class Attach(_Body):
    """Files that a message takes."""

    owner_id: Id
    conversation_id: Id
    message_id: Id
    ids: list[Id] = Field(min_length=1, max_length=100)


class Release(_Body):
    """Files whose message is gone."""

    message_id: Id
    ids: list[Id] = Field(max_length=100)


class Avatar(BaseModel):
    """Where anybody finds a person's picture; a path on the platform's origin."""

    avatar_url: str = Field(examples=["/api/v1/files/avatars/Qm3Yk0h8Zb1nX4vT7sLdPg.webp"])


class Erased(BaseModel):
    """How far an erasure got."""

    done: bool = Field(description="False: call again, there is more to do.")
