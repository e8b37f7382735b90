"""Settings of the file service."""

from pydantic import Field, HttpUrl, SecretStr

from chatcluster_common.settings import ServiceSettings

MIB = 1 << 20


class FileSettings(ServiceSettings):
    """Base settings and what the file service adds."""

    port: int = Field(default=3003, ge=0, le=65535)
    message_url: str = Field(description="The message service, asked who is in a conversation.")

    s3_endpoint: HttpUrl = Field(description="Any S3: `http://host:8333` or `https://s3.example.org`.")
    s3_bucket: str = Field(min_length=3, max_length=63, description="Must exist: the service never makes buckets.")
    s3_region: str = Field(default="us-east-1", min_length=1)
    s3_access_key: SecretStr
    s3_secret_key: SecretStr

    max_file_bytes: int = Field(default=100 * MIB, ge=1, description="Largest file accepted, bytes.")
    max_uploads: int = Field(
        default=8, ge=1, le=256, description="Uploads at a time; each takes a thread and up to 20 MiB of memory."
    )
    max_downloads: int = Field(default=128, ge=1, le=4096, description="Downloads at a time.")
    upload_idle_seconds: float = Field(
        default=30.0, gt=0, le=600, description="An upload that sends nothing for this long is ended."
    )
    thumbnail_workers: int = Field(default=2, ge=1, le=32, description="Images decoded at a time, each in a process.")
    max_image_bytes: int = Field(default=32 * MIB, ge=1, description="Larger images get no thumbnails.")
    max_image_pixels: int = Field(
        default=40_000_000,
        ge=1,
        le=60_000_000,
        description="Images with more pixels get no thumbnails: they may be bombs.",
    )
