"""Settings of the notification service."""

from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum

from pydantic import Field, SecretStr, model_validator

from chatcluster_common.events import KafkaSettings
from chatcluster_notification import addresses


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class NotificationSettings(KafkaSettings):
    """Base and Kafka settings, and what the notification service adds."""

    port: int = Field(default=3004, ge=0, le=65535)
    redis_url: SecretStr
    user_url: str = Field(description="The user service, asked for names and addresses.")
    presence_url: str = Field(description="The presence service, asked who is online.")
    public_url: str = Field(default="", description="Where people chat; mails link to it. Empty: no link.")

    smtp_host: str = Field(default="", description="The mail server. Empty: no mail is sent.")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: SmtpSecurity = SmtpSecurity.STARTTLS
    smtp_from: str = Field(default="", description="`chat@example.org` or `Chat <chat@example.org>`.")
    smtp_username: str = Field(default="", description="Empty for a server that asks for none.")
    smtp_password: SecretStr = SecretStr("")
    email_window_seconds: int = Field(
        default=60, ge=1, le=86400, description="At most one mail for a recipient and conversation within this time."
    )
    email_workers: int = Field(default=4, ge=1, le=64, description="Mails on their way at a time.")

    @property
    def sender(self) -> Address:
        """`smtp_from`, parsed."""
        name, address = parseaddr(self.smtp_from)
        return addresses.parse(name or "ChatCluster", address)

    @model_validator(mode="after")
    def _complete(self) -> "NotificationSettings":
        if not self.smtp_host:
            return self
        try:
            _ = self.sender
        except addresses.AddressError as error:
            raise ValueError("CHAT_SMTP_HOST is set: set CHAT_SMTP_FROM to a mail address too") from error
        if self.smtp_username and self.smtp_security is SmtpSecurity.NONE:
            raise ValueError("a mail password would be sent in the clear: set CHAT_SMTP_SECURITY to starttls or tls")
        return self
