"""The service's shapes, as clients see them and as they are stored."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from chatcluster_common.clock import Timestamp


class ThumbnailSize(StrEnum):
    """The thumbnails made of each image; the longer side in pixels is `PIXELS`."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


PIXELS: dict[ThumbnailSize, int] = {ThumbnailSize.SMALL: 128, ThumbnailSize.MEDIUM: 512, ThumbnailSize.LARGE: 1280}


class Thumbnail(BaseModel):
    """A smaller WebP copy of an image; never larger than the image itself."""

    size: ThumbnailSize
    width: int = Field(description="Pixels.", examples=[512])
    height: int = Field(description="Pixels.", examples=[384])


class File(BaseModel):
    """What is known about a file. It never changes after the upload."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["0198c1a2-7b3c-7def-8123-456789abcdef"])
    name: str = Field(description="The sender's name for it, made safe.", examples=["holiday.jpg"])
    content_type: str = Field(description="Found in the content, never taken from the name.", examples=["image/jpeg"])
    size: int = Field(description="Bytes.", examples=[482113])
    sha256: str = Field(description="Of the content, hexadecimal.")
    owner_id: str
    conversation_id: str | None = Field(description="Its members may read the file; without one, the owner alone.")
    created_at: Timestamp
    width: int | None = Field(default=None, description="Pixels, upright; images that could be read only.")
    height: int | None = Field(default=None, description="Pixels, upright; images that could be read only.")
    thumbnails: list[Thumbnail] = Field(default=[], description="Which `GET /files/{id}/thumbnails/{size}` has.")


class Files(BaseModel):
    """The files of one upload, in the order sent."""

    items: list[File]
