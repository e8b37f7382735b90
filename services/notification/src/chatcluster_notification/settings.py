"""Settings of the notification service."""

from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum

from pydantic import Field, SecretStr, model_validator

from chatcluster_common.events import KafkaSettings
from chatcluster_notification import addresses, vapid


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class NotificationSettings(KafkaSettings):
    """Base and Kafka settings, and what the notification service adds."""

    port: int = Field(default=3004, ge=0, le=65535)
    redis_url: SecretStr
    database_url: SecretStr = Field(description="`postgresql+asyncpg://user:password@host:port/database`")
    database_pool: int = Field(default=8, ge=1, le=100, description="Connections to the database.")
    startup_seconds: float = Field(default=60.0, gt=0, le=600, description="Time to wait for the database at start.")
    user_url: str = Field(description="The user service, asked for names, addresses and blocks.")
    presence_url: str = Field(description="The presence service, asked who uses a device.")
    public_url: str = Field(default="", description="Where people chat; mails link to it. Empty: no link.")

    active_seconds: int = Field(
        default=300,
        ge=1,
        le=3600,
        description="How long somebody counts as active after they used a device, as the presence service has it.",
    )

    smtp_host: str = Field(default="", description="The mail server. Empty: no mail is sent.")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: SmtpSecurity = SmtpSecurity.STARTTLS
    smtp_from: str = Field(default="", description="`chat@example.org` or `Chat <chat@example.org>`.")
    smtp_username: str = Field(default="", description="Empty for a server that asks for none.")
    smtp_password: SecretStr = SecretStr("")
    email_window_seconds: int = Field(
        default=60,
        ge=1,
        le=86400,
        description="At most one mail for a recipient within this time, unless they have set their own.",
    )
    email_workers: int = Field(default=4, ge=1, le=64, description="Mails on their way at a time.")

    link_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs the links in mails that work without signing in. Keep it for as long as people keep mails. "
        "Empty: one made from the internal token, which the links then last no longer than.",
    )
    vapid_key: SecretStr = Field(
        default=SecretStr(""), description="P-256 private key, PKCS #8 PEM, of the push sender. Empty: no push is sent."
    )
    push_window_seconds: int = Field(
        default=10, ge=1, le=3600, description="At most one push for a device within this time."
    )
    push_ttl_seconds: int = Field(
        default=86400, ge=0, le=2419200, description="How long a push service keeps a push for a device that is off."
    )
    push_workers: int = Field(default=8, ge=1, le=64, description="Pushes on their way at a time.")
    push_anywhere: bool = Field(
        default=False,
        description="Allow push services by plain HTTP and on private addresses. Anybody with an account can then make "
        "this service call what it can reach: for tests alone.",
    )

    @property
    def link_secret(self) -> SecretStr:
        """What links in mails are signed with."""
        return self.link_key if self.link_key.get_secret_value() else self.internal_token

    @property
    def sender(self) -> Address:
        """`smtp_from`, parsed."""
        name, address = parseaddr(self.smtp_from)
        return addresses.parse(name or "ChatCluster", address)

    @property
    def push_contact(self) -> str:
        """Whom a push service may turn to (RFC 8292): a URL, or "" when none is known."""
        if self.public_url.startswith("https://"):
            return self.public_url
        return f"mailto:{self.sender.addr_spec}" if self.smtp_from else ""

    @model_validator(mode="after")
    def _complete(self) -> "NotificationSettings":
        if self.smtp_host or self.smtp_from:
            try:
                _ = self.sender
            except addresses.AddressError as error:
                raise ValueError("CHAT_SMTP_FROM is no mail address; with CHAT_SMTP_HOST it must be one") from error
            if self.smtp_username and self.smtp_security is SmtpSecurity.NONE:
                raise ValueError(
                    "a mail password would be sent in the clear: set CHAT_SMTP_SECURITY to starttls or tls"
                )
        return self

    @model_validator(mode="after")
    def _push(self) -> "NotificationSettings":
        if self.vapid_key.get_secret_value():
            try:
                vapid.Vapid(self.vapid_key.get_secret_value(), "")
            except ValueError as error:
                raise ValueError("CHAT_VAPID_KEY is no P-256 private key in PKCS #8 PEM") from error
        return self
