"""What the user service can be told."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from chatcluster_common.settings import ServiceSettings
from chatcluster_user.sealing import Sealer


class UserSettings(ServiceSettings):
    """Settings of the user service, on top of those of every service."""

    port: int = Field(default=3001, ge=0, le=65535)
    database_url: SecretStr = Field(description="`postgresql+asyncpg://user:password@host:port/database`")
    redis_url: SecretStr = Field(
        description="`redis://user:password@host:port/0`: what everybody must hear of at once."
    )
    encryption_key: SecretStr = Field(
        description="Fernet key that second factors are encrypted with at rest. Of several, separated by spaces, the "
        "first encrypts and all decrypt.",
    )
    public_url: str = Field(
        pattern=r"^https?://[!-~]+$", description="Where people reach the ChatCluster: what links in mails begin with."
    )
    gateway_url: str
    message_url: str
    file_url: str = Field(default="", description="Empty: there is no file service, and so there are no pictures.")
    notification_url: str = Field(
        default="", description="Empty: there is no notification service, and so no mails about accounts are sent."
    )
    presence_url: str
    admin_emails: str = Field(
        default="",
        description="Addresses, separated by commas, whose owners are admins once they have confirmed them.",
    )
    audit_days: int = Field(default=365, ge=1, le=3650, description="How long security events are kept.")
    email_verification: Literal["off", "optional", "required"] = Field(
        default="off",
        description="Whether new accounts are mailed a link to confirm their address, and may do nothing before.",
    )
    contacts_per_user: int = Field(
        default=5000, ge=1, le=100_000, description="Whom one person may ask, have as contacts, or block, in all."
    )
    database_pool: int = Field(default=10, ge=1, le=100, description="Connections a replica may hold.")
    token_key_file: Path = Field(
        default=Path("/run/secrets/chatcluster/token_key.pem"),
        description="Ed25519 private key (PKCS 8 PEM) that signs access tokens. Re-read when the file changes.",
    )
    access_token_seconds: int = Field(
        default=900,
        ge=30,
        le=3600,
        description="How long an access token is good for. Ended sessions are remembered for longer.",
    )
    session_days: float = Field(
        default=30.0, gt=0, le=365, description="A session ends when it was not refreshed for this long."
    )
    sessions_per_user: int = Field(
        default=50, ge=1, le=1000, description="Signing in once more ends the session that was idle longest."
    )
    startup_seconds: float = Field(
        default=60.0, gt=0, le=600, description="How long to wait for the database and its schema at start."
    )
    # argon2id. The defaults are the least that OWASP's Password Storage Cheat Sheet accepts; raising them re-hashes
    # each password at its owner's next login.
    argon2_memory_kib: int = Field(default=19_456, ge=8, le=4_194_304)
    argon2_iterations: int = Field(default=2, ge=1, le=100)
    argon2_parallelism: int = Field(default=1, ge=1, le=16)
    hash_threads: int = Field(default=2, ge=1, le=64, description="Passwords hashed at the same time.")
    hash_queue: int = Field(
        default=100, ge=0, le=10_000, description="Passwords that may wait for a thread; beyond that callers get 503."
    )

    @field_validator("encryption_key")
    @classmethod
    def _usable_key(cls, keys: SecretStr) -> SecretStr:
        try:
            Sealer(keys.get_secret_value())
        except ValueError:
            raise ValueError("must be 32 bytes as URL-safe base64: 44 characters") from None
        return keys

    @property
    def admins(self) -> frozenset[str]:
        """The addresses of `admin_emails`, in lower case."""
        return frozenset(email.strip().lower() for email in self.admin_emails.split(",") if email.strip())

    @property
    def others(self) -> dict[str, str]:
        """The services that hold something about people, by name, and their addresses."""
        known = {
            "message": self.message_url,
            "file": self.file_url,
            "notification": self.notification_url,
            "presence": self.presence_url,
            "gateway": self.gateway_url,
        }
        return {service: url for service, url in known.items() if url}

    @model_validator(mode="after")
    def _mails_can_be_sent(self) -> "UserSettings":
        if self.email_verification != "off" and not self.notification_url:
            raise ValueError(
                f"CHAT_EMAIL_VERIFICATION={self.email_verification} needs CHAT_NOTIFICATION_URL: it mails the links"
            )
        return self
