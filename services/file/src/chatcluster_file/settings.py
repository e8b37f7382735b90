"""Settings of the file service."""

from pydantic import Field, HttpUrl, SecretStr

from chatcluster_common.settings import ServiceSettings

MIB = 1 << 20
GIB = 1 << 30
DAY_SECONDS = 86_400.0


class FileSettings(ServiceSettings):
    """Base settings and what the file service adds."""

    port: int = Field(default=3003, ge=0, le=65535)
    message_url: str = Field(description="The message service, asked who is in a conversation.")
    redis_url: SecretStr | None = Field(
        default=None, description="Where sessions that are over are heard of at once; without it their tokens expire."
    )

    s3_endpoint: HttpUrl = Field(description="Any S3: `http://host:8333` or `https://s3.example.org`.")
    s3_public_endpoint: HttpUrl | None = Field(
        default=None, description="The same S3 as clients reach it; without it there is no direct upload."
    )
    s3_bucket: str = Field(min_length=3, max_length=63, description="Must exist: the service never makes buckets.")
    s3_region: str = Field(default="us-east-1", min_length=1)
    s3_access_key: SecretStr
    s3_secret_key: SecretStr

    max_file_bytes: int = Field(
        default=100 * MIB, ge=1, le=48 * GIB, description="Largest file accepted, bytes; an S3 object has 10,000 parts."
    )
    max_uploads: int = Field(
        default=8, ge=1, le=256, description="Uploads at a time; each takes a thread and up to 15 MiB of memory."
    )
    max_downloads: int = Field(
        default=128, ge=1, le=4096, description="Downloads at a time; each takes 1 MiB of memory."
    )
    upload_idle_seconds: float = Field(
        default=30.0, gt=0, le=600, description="An upload that sends nothing for this long is ended."
    )
    upload_expiry_seconds: float = Field(
        default=DAY_SECONDS,
        ge=1,
        le=7 * DAY_SECONDS,
        description="How long a resumable or direct upload may take from its creation to its end.",
    )
    quota_bytes: int = Field(default=10 * GIB, ge=1, description="Bytes that one person's files may have together.")
    quota_files: int = Field(default=10_000, ge=1, le=100_000, description="Files that one person may have.")

    image_workers: int = Field(default=2, ge=1, le=32, description="Images decoded at a time, each in a process.")
    max_image_bytes: int = Field(default=32 * MIB, ge=1, description="Larger images are refused.")
    max_image_pixels: int = Field(
        default=40_000_000,
        ge=1,
        le=60_000_000,
        description="Images with more pixels are refused: they may be bombs.",
    )

    clamav_host: str = Field(default="", description="clamd, which scans every file; without it none is scanned.")
    clamav_port: int = Field(default=3310, ge=1, le=65535)
    scan_seconds: float = Field(
        default=120.0, gt=0, le=3600, description="What the scan of one file may take; then it is tried again."
    )
    scan_wait_seconds: float = Field(
        default=3.0, ge=0, le=30, description="How long an upload is held for its scan before it answers `scanning`."
    )

    scan_again_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="Pause before what waits for the scanner is gone through again."
    )

    orphan_seconds: float = Field(
        default=DAY_SECONDS,
        ge=1,
        description="A file that no message has after this long is removed; longer than any upload may take.",
    )
    collect_seconds: float = Field(default=600.0, gt=0, le=DAY_SECONDS, description="Pause between two collections.")
    collect_dry_run: bool = Field(default=False, description="Only log what would be collected.")
